"""Prompts exactly as SillyTavern 1.19 lays them out, for those who bring their set-up. Knows no engine.

Behaviour follows what was measured (see docs/prompts.md); positions, roles and modes keep the numbers of its
files.
"""
