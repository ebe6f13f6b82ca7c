"""Fabula's own small probes: what a model could do before, and whether it still can. Knows no edit."""
