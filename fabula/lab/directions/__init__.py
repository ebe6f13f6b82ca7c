"""Directions in a model's residual stream: learned from contrasts, heard at once, written into weights."""
