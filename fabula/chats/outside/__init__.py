"""Pictures of other hosts: whether they may be asked for, the way to them, and what came. Knows no route."""
