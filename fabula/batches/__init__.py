"""Many turns from rows: one validated answer for each, kept as it comes. Knows no HTTP and no story."""
