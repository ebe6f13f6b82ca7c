"""Models as llama.cpp's router lists, loads and unloads them. Knows no engine."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.server.bodies import body_of, get
from fabula.server.llamacpp.properties import is_near
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["llama.cpp"])

    @routes.get("/models")
    async def models(request: Request) -> dict[str, Any]:
        """All models with their status: unloaded, loading, loaded or failed."""
        loaded = {running.model for running in studio.supervisor.running()}
        loading = set(studio.supervisor.loading())
        near = is_near(request)
        rows = [
            _row(model, _status(model, loaded, loading), is_near=near and not model.elsewhere)
            for model in studio.shelf.all()
        ]
        return {"object": "list", "data": rows}

    @routes.post("/models/load")
    async def load(request: Request) -> dict[str, bool]:
        """Answers when the model is loaded."""
        await studio.supervisor.load(_named(studio, await body_of(request)).name)
        return {"success": True}

    @routes.post("/models/unload")
    async def unload(request: Request) -> dict[str, bool]:
        await studio.by_hand.unload(_named(studio, await body_of(request)).name)
        return {"success": True}

    return routes


def _named(studio: Studio, body: dict[str, Any]) -> LocalModel:
    name = get(body, "model", str, "")
    if not name:
        raise BadParameter("model", name, phrase("expected.given"))
    return studio.find_model(name)


def _status(model: LocalModel, loaded: set[str], loading: set[str]) -> dict[str, Any]:
    if model.problem:
        return {"value": "unloaded", "failed": True, "args": []}
    value = "loading" if model.name in loading else "loaded" if model.name in loaded else "unloaded"
    return {"value": value, "args": []}


def _row(model: LocalModel, status: dict[str, Any], *, is_near: bool) -> dict[str, Any]:
    created = int(model.path.stat().st_mtime) if not model.elsewhere and model.path.exists() else 0
    inputs = ["text", "image"] if model.projector else ["text"]
    return {
        "id": model.name,
        "aliases": [],
        "tags": [],
        "object": "model",
        "owned_by": model.elsewhere.host if model.elsewhere else "local",
        "created": created,
        "in_cache": not model.elsewhere,
        "path": str(model.path) if is_near else model.path.name or model.name,
        "status": status,
        "architecture": {
            "input_modalities": inputs,
            "output_modalities": ["embeddings" if model.pooling else "text"],
        },
        "meta": {
            "n_vocab": model.vocabulary,
            "n_ctx_train": model.trained_context,
            "n_embd": model.embedding,
            "n_params": model.parameters,
            "size": model.size,
            "ftype": model.quantization,
        },
    }
