"""HTTP: the native API and the dialects. Knows no SQL and no prompt logic."""
