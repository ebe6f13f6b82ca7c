"""A model's page: what its header says, which template words its prompts, what was measured of it.

Knows no file format.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.app.forms import plots_of
from fabula.app.shelf import require_here
from fabula.core.errors import TemplateRefused
from fabula.core.load import NOTHING
from fabula.core.model import LocalModel
from fabula.core.plots import said
from fabula.models.catalog import made_how
from fabula.models.formats.inspecting import inspect
from fabula.prompt.template import ChatTemplate
from fabula.server.caller import caller_of
from fabula.server.native import forms
from fabula.server.routing import Routes

Json = dict[str, Any]
SHOWN = 200_000  # characters of a template
TALK = (
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Hello!"},
    {"role": "assistant", "content": "Hi. What can I do for you?"},
    {"role": "user", "content": "Tell me a story."},
)
"""What the preview of a template words."""


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Models"])

    @routes.get("/{name:path}/header")
    async def header(name: str, request: Request) -> Json:
        """What a model's file says of itself, and where its name says something else."""
        model = studio.shelf.weights(name)
        require_here(model)
        found = await asyncio.to_thread(inspect, model.path)
        language = caller_of(request).language
        told = {"notes": [note.say(language) for note in found.notes]}
        shown = ("kind", "active_parameters", "base_models", "method", "bits", "group_size", "files")
        more = ("missing", "safe")
        types = [dataclasses.asdict(row) for row in found.types]
        return {one: getattr(found, one) for one in (*shown, *more)} | {"types": types} | told

    @routes.get("/{name:path}/options")
    async def options(name: str, request: Request) -> Json:
        """What is set for a model's load, and all that could be, as a form."""
        model = studio.shelf.weights(name)
        said = studio.settings.models.get(model.name, NOTHING).said()
        return {"options": said, "schema": forms.load_options(caller_of(request).language)}

    @routes.get("/{name:path}/template")
    async def template(name: str, request: Request) -> Json:
        """Which chat template words a model's prompts, with a preview."""
        model = studio.shelf.described(studio.find_model(name).name)
        own = studio.shelf.weights(name).chat_template
        language = caller_of(request).language
        return await asyncio.to_thread(_worded, model, own, language)

    @routes.get("/{name:path}/measured")
    async def measured(name: str, request: Request) -> Json:
        """What was measured of a model on this machine, and what it cost to make it, with plots."""
        model, language = studio.find_model(name), caller_of(request).language
        tuning = await asyncio.to_thread(studio.planning.tuning, model)
        made = await asyncio.to_thread(made_how, model)
        report = dict(tuning.report) if tuning else {}
        plots = [*plots_of("tune", report), *plots_of("quantize", made or {})]
        return {
            "tuning": {"options": tuning.options.said(), "measured_at": tuning.created_at, "report": report}
            if tuning
            else None,
            "made": made,
            "plots": said(plots, language),
        }

    return routes


def _worded(model: LocalModel, own: str, language: str) -> Json:
    source = model.chat_template
    where = "none" if not source else "own" if source == own else "chosen"
    told = {"source": where, "template": source[:SHOWN], "cut": len(source) > SHOWN}
    try:
        preview = ChatTemplate(source, bos=model.bos_token, eos=model.eos_token).render(
            TALK, add_generation_prompt=True
        )
    except TemplateRefused as refused:
        return told | {"preview": "", "problem": refused.sentence(language)}
    return told | {"preview": preview[:SHOWN], "problem": ""}
