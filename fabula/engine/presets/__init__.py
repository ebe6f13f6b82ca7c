"""Named sets of generation parameters: ours, a person's own, and files of other programs."""
