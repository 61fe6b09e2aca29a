"""Versions answering in a process of their own: the worker's side, the child's, and its limits."""
