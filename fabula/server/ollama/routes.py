"""All routes under /api that are Ollama's. Knows none of them."""

from __future__ import annotations

from fabula.app import Studio
from fabula.server.ollama import blobs, creating, embeddings, models, pulling, writing
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes()
    for part in (writing, models, embeddings, pulling, creating, blobs):
        routes.include(part.router(studio))
    return routes
