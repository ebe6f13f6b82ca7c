"""Model file formats, read header only. Knows nothing of folders full of models or of loading them."""
