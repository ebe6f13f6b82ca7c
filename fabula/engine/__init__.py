"""Models → tokens: the workers that run models, and the supervisor that keeps them.

Knows no chat and no HTTP API.
"""
