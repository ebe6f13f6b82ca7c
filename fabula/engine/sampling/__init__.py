"""From logits to a token, written from the samplers' definitions. Knows no engine: any worker may use it."""
