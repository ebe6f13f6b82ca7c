"""KoboldCpp's routes beside generation: what it is and can do, tokens, saved stories. Knows no engine."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request

from fabula import __version__
from fabula.app import Studio
from fabula.core.errors import BadParameter, ModelNotFound, NotOffered
from fabula.core.model import LocalModel
from fabula.core.stream import Finished
from fabula.core.texts import phrase
from fabula.server.bodies import body_of, get, ids_in
from fabula.server.caller import caller_of
from fabula.server.current import current
from fabula.server.kobold.render import NOT_KNOWN, stop_reason
from fabula.server.kobold.running import Generations
from fabula.server.kobold.saves import Saved, Saves
from fabula.server.routing import Routes

Json = dict[str, Any]
LIKE = "1.111"
"""The version of KoboldCpp whose routes and fields these are; clients look at it before they use them."""
UNKNOWN_CONTEXT = 2048  # tokens, where a server does not tell


def router(studio: Studio, generations: Generations, saves: Saves) -> Routes:
    routes = Routes()
    routes.include(_told(studio, generations))
    routes.include(_tokens(studio))
    routes.include(_kept(saves))
    return routes


def _told(studio: Studio, generations: Generations) -> Routes:
    routes = Routes()

    @routes.get("/version")
    async def version(request: Request) -> Json:
        """What this server can do, in KoboldCpp's words."""
        try:
            sees = bool(current(studio, request).projector)
        except ModelNotFound:
            sees = False
        return _version(sees) | {"embeddings": any(model.pooling for model in studio.shelf.all())}

    @routes.get("/perf")
    async def perf() -> Json:
        """How the last answer of this dialect went, and whether anything is being written."""
        return _perf(studio, generations)

    @routes.get("/true_max_context_length")
    async def true_max_context_length(request: Request) -> Json:
        return {"value": context_of(studio, current(studio, request))}

    @routes.get("/preloadstory")
    async def preloadstory() -> Json:
        """No story lies ready: Fabula's own are chats."""
        return {}

    @routes.post("/websearch")
    async def websearch() -> Json:
        """Refused: nothing here searches the web."""
        raise NotOffered(phrase("not_offered.web_search"))

    @routes.post("/multiplayer/status")
    @routes.post("/multiplayer/getstory")
    @routes.post("/multiplayer/setstory")
    async def multiplayer() -> Json:
        """Refused: there is no multiplayer here."""
        raise NotOffered(phrase("not_offered.multiplayer"))

    return routes


def context_of(studio: Studio, model: LocalModel) -> int:
    """Tokens, as the model is loaded, or would be."""
    loaded = [row.plan.context for row in studio.supervisor.running() if row.model == model.name]
    return (loaded[0] if loaded else studio.planning.plan(model).context) or UNKNOWN_CONTEXT


def _version(sees: bool) -> Json:
    return {
        "result": "KoboldCpp",
        "version": LIKE,
        "fabula": __version__,
        "protected": False,
        "llm": True,
        "vision": sees,
        "savedata": True,
        "admin": 1,
        **dict.fromkeys(("txt2img", "audio", "transcribe", "multiplayer", "websearch", "tts"), False),
    }


def _perf(studio: Studio, generations: Generations) -> Json:
    rows = studio.supervisor.running()
    queue = sum(row.waiting for row in rows)
    last, now = generations.last, time.monotonic()
    return {
        **_timed(last.written.end if last else None),
        "total_gens": generations.total,
        "queue": queue,
        "idle": 0 if queue or any(row.busy for row in rows) else 1,
        "uptime": round(now - generations.started, 1),
        "idletime": round(now - generations.used, 1),
        "quiet": True,  # no prompt is ever logged
        **dict.fromkeys(("total_img_gens", "total_tts_gens", "total_transcribe_gens", "hordeexitcounter"), 0),
    }


def _timed(end: Finished | None) -> Json:
    """Seconds, and tokens per second."""
    if end is None:
        return dict.fromkeys(_NAMES, 0) | {"last_seed": NOT_KNOWN, "stop_reason": NOT_KNOWN}
    process, write = end.prompt_ms / 1000, end.predicted_ms / 1000
    seed = (end.effective or {}).get("seed")
    return {
        "last_process": round(process, 3),
        "last_eval": round(write, 3),
        "last_token_count": end.completion_tokens,
        "last_input_count": end.prompt_tokens,
        "last_process_speed": round(end.processed_tokens / process, 2) if process else 0,
        "last_eval_speed": round(end.tokens_per_second, 2),
        "last_draft_success": end.guessed_right,
        "last_draft_failed": end.guessed_tokens - end.guessed_right,
        "last_seed": seed if isinstance(seed, int) else NOT_KNOWN,
        "stop_reason": stop_reason(end),
    }


_NAMES = (
    *("last_process", "last_eval", "last_token_count", "last_input_count", "last_process_speed"),
    *("last_eval_speed", "last_draft_success", "last_draft_failed"),
)


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────


def _tokens(studio: Studio) -> Routes:
    routes = Routes()

    @routes.post("/tokencount")
    @routes.post("/tokenize")
    async def tokencount(request: Request) -> Json:
        """The tokens of a text, with the model's first one unless `special` is false."""
        body = await body_of(request)
        text, special = get(body, "prompt", str, ""), get(body, "special", bool, True)
        ids = await studio.measures.tokenize(current(studio, request), text, add_special=special)
        return {"value": len(ids), "ids": ids}

    @routes.post("/detokenize")
    async def detokenize(request: Request) -> Json:
        ids = ids_in(await body_of(request), "ids")
        text = await studio.measures.detokenize(current(studio, request), ids)
        return {"result": text, "success": True}

    @routes.post("/embeddings")
    async def embeddings(request: Request) -> Json:
        """A vector for each text, by the model that embeds, or the one that `model` names."""
        body = await body_of(request)
        given = body.get("input", "")
        texts = [given] if isinstance(given, str) else get(body, "input", list, [])
        if not all(isinstance(text, str) for text in texts):
            raise BadParameter("input", f"{given!r}"[:80], phrase("expected.texts"))
        model = studio.find_model(get(body, "model", str, "") or studio.measures.embedder())
        made = await studio.measures.embed(model, texts, name="input")
        rows = [
            {"object": "embedding", "index": index, "embedding": list(vector)}
            for index, vector in enumerate(made.vectors)
        ]
        usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
        return {"object": "list", "data": rows, "model": model.name, "usage": usage}

    return routes


# ── saved stories ───────────────────────────────────────────────────────────────────────────────────────


def _kept(saves: Saves) -> Routes:
    routes = Routes(prefix="/data")

    @routes.post("/list")
    async def titles(request: Request) -> list[str]:
        """The titles of all slots; "" of an empty one."""
        return await asyncio.to_thread(saves.titles, caller_of(request).owner_id)

    @routes.post("/load")
    async def load(request: Request) -> Json:
        slot = get(await body_of(request), "slot", int, 0)
        found = await asyncio.to_thread(saves.load, caller_of(request).owner_id, slot)
        if found is None:
            return {"success": False, "data": None}
        return {"success": True, "data": {"title": found.title, "format": found.format, "data": found.data}}

    @routes.post("/save")
    async def save(request: Request) -> Json:
        """Keep a story in a slot; without `data` the slot is emptied."""
        body = await body_of(request)
        story = Saved(*(get(body, name, str, "") for name in ("title", "format", "data")))
        slot = get(body, "slot", int, -1)
        await asyncio.to_thread(saves.save, caller_of(request).owner_id, slot, story)
        return {"success": True, "error": ""}

    return routes
