"""Measure how a model runs fastest on this machine, and remember it."""
