"""Drift: profiles of windows, the statistics between two of them, and the verdict on a model.

Pure: numpy and Arrow only. Nothing here is imported while the app is being indexed.
"""
