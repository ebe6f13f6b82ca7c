"""Evaluations: what is asked in them, and begin. Knows no model and no rule."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.app.forms import FORMS
from fabula.server.caller import caller_of
from fabula.server.native import forms, shapes
from fabula.server.routing import Routes

Json = dict[str, Any]


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/evals", tags=["Evals"])

    @routes.get("/probes")
    async def probes() -> Json:
        """Every probe, with what it asks and what is right."""
        return await asyncio.to_thread(_probes)

    @routes.post("/probes", status_code=202)
    async def ask(body: Json, request: Request) -> Json:
        """Ask a model the probes, or two and compare them, in the background."""
        form = FORMS["probes"]
        job = await form.begin(studio, forms.read(form, body))
        return shapes.job(job, caller_of(request).language)

    return routes


def _probes() -> Json:
    from fabula.evals.probes.bank import digest, listed

    return {"bank": digest(), "probes": listed()}
