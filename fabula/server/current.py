"""Which model answers requests that name none. Knows no dialect.

KoboldCpp and text-generation-webui have one loaded model, and their requests name none. Here several can be
loaded: a choice made through those dialects counts, then the setting `model.default`, then what was loaded
last; and what was taken once is kept, so that another program's model never takes its place in mid-story.
"""

from __future__ import annotations

from fastapi import Request

from fabula.app import Studio
from fabula.core.errors import ModelNotFound
from fabula.core.model import LocalModel
from fabula.engine.beside import is_copy
from fabula.server.caller import caller_of


def current(studio: Studio, request: Request) -> LocalModel:
    """Raises ModelNotFound where there is no model at all."""
    chosen = _chosen(request).get(caller_of(request).owner_id, "")
    if chosen and studio.supervisor.is_loaded(chosen):
        return studio.find_model(chosen)
    if studio.settings.model_default and not chosen:
        return studio.find_model("")
    if loaded := _loaded(studio):
        return loaded[-1]
    try:
        return studio.find_model(chosen)
    except ModelNotFound:
        return studio.find_model("")


def choose(request: Request, model: LocalModel) -> None:
    """From now on it is this caller's."""
    _chosen(request)[caller_of(request).owner_id] = model.name


def named_or_current(studio: Studio, request: Request, name: str) -> LocalModel:
    """Raises ModelNotFound."""
    return studio.find_model(name) if name else current(studio, request)


def _chosen(request: Request) -> dict[str, str]:
    state = request.app.state
    if not hasattr(state, "chosen_models"):
        state.chosen_models = {}
    found: dict[str, str] = state.chosen_models
    return found


def _loaded(studio: Studio) -> list[LocalModel]:
    """Those that write text, the last loaded at the end."""
    rows = sorted(studio.supervisor.running(), key=lambda row: row.loaded_at)
    models = [studio.find_model(row.model) for row in rows if not is_copy(row.model)]
    return [model for model in models if not model.pooling]
