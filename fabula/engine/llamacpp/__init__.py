"""The default engine: llama.cpp's own server, in one child process per model.

Knows no chat and no other engine.
"""
