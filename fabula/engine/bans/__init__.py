"""Texts that a reply must not contain: find them while it is written, and take back their first token.

Knows no engine: a worker feeds tokens, shows what it is given to show, and goes back where it is told to.
"""
