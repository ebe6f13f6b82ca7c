"""Change weights. Knows no HTTP; a run is a job in a process of its own."""
