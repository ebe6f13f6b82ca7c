"""Prompts that an engine reads only once: a head that stays, a history that only grows, and a short tail.

Knows no engine. The content is the faithful layouts'; the order is made for an engine's cache.
"""
