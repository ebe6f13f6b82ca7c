"""All routes under /api that are Ollama's. Knows none of them."""

from __future__ import annotations

from fastapi import APIRouter

from fabula.app import Studio
from fabula.server.ollama import blobs, creating, embeddings, models, pulling, writing


def router(studio: Studio) -> APIRouter:
    routes = APIRouter()
    for part in (writing, models, embeddings, pulling, creating, blobs):
        routes.include_router(part.router(studio))
    return routes
