"""KoboldAI's and KoboldCpp's dialect: bodies into core requests, deltas into answers. Knows no engine."""
