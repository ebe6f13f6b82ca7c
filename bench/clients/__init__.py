"""Real programs in front of a studio. Knows no measurement."""
