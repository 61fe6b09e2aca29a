"""Fakes that behave: they pass the same contract tests as the real adapters."""
