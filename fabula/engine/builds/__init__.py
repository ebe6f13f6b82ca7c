"""Builds of the engine: which there are, which is in use, and how another one is installed."""
