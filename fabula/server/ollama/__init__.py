"""Ollama's dialect: parse a body into a core request, render core deltas. Knows no other dialect."""
