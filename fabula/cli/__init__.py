"""The command `fabula`: one verb per file, each thin. Knows how to ask a studio, not how a studio works."""
