"""What the community says of models and cards, planned anew. Knows no network and no screen."""
