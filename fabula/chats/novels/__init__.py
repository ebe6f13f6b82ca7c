"""Novels and notebooks: documents that a person and a model write together. Knows no HTTP."""
