"""Prompts of a novel that a model goes on writing: a head that stays, a text that only grows. PURE.

Knows no engine and no table.
"""
