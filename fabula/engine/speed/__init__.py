"""Measure how fast this machine reads and writes in each type of weights, with models of zeros."""
