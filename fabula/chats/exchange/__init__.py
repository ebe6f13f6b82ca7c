"""Chats as files: other programs' in, SillyTavern's and readable ones out. Knows no HTTP and no prompt."""
