"""Lorebooks as things of their own. Knows no prompt: how entries are found is `prompt.lore`'s."""
