"""One request, one stream: the only way to text that a person sees. Knows no HTTP and no tree."""
