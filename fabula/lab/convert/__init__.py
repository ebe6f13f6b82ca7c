"""A folder as Hugging Face keeps models → one GGUF file, in pieces and without torch."""
