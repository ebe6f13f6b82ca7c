"""Measure what models can do: probes, to begin with. Knows no HTTP and changes no weights."""
