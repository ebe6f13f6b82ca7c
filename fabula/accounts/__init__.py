"""Who asks: keys, their limits, and the browsers that showed one. Knows no HTTP, no model and no chat."""
