"""What the house promises in numbers, measured against a peer or a bound of the same run."""
