"""Models that other servers run: by URL and key, behind the Worker seam. Knows no chat and no API of ours."""
