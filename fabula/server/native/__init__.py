"""The native API under /api/fabula/v1, as docs/api.md describes it. Knows no dialect."""
