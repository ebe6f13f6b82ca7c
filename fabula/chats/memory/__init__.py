"""What a chat remembers beyond its window: facts, summaries, documents, and passages that fit."""
