"""GGUF → GGUF with fewer bits per weight. Knows no HTTP and no studio."""
