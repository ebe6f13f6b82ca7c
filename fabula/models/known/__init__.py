"""Well-known models: what they are, who says so, where files were seen. Knows no disk and no network."""
