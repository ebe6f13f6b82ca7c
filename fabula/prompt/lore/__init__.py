"""Lorebooks: which entries a turn brings in, where they stand, and why. Knows no prompt layout and no store.

The rules and their order are those of SillyTavern 1.19's World Info; what goes beyond them is off by default.
"""
