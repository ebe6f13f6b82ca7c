"""/api/embed and the older /api/embeddings. Knows no engine."""

from __future__ import annotations

import math
import time
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import BadParameter, ContextExceeded
from fabula.core.load import Wish, wish_of
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.core.worker import Embedded
from fabula.engine.measures import MOST_TEXTS, Text
from fabula.server.bodies import body_of, get, ignored_header, unknown
from fabula.server.ollama import options
from fabula.server.ollama.parse import model_of
from fabula.server.ollama.times import nanoseconds
from fabula.server.routing import Routes

KNOWN = frozenset({"model", "name", "input", "prompt", "options", "keep_alive", "truncate", "dimensions"})
Json = dict[str, Any]


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    @routes.post("/embed", response_model=None)
    async def embed(request: Request) -> Response:
        """A vector of length 1 for each text."""
        began, body = time.perf_counter(), await body_of(request)
        texts, size = _texts(body.get("input")), _size(body)
        model, wish, unheard = _asked(studio, body)
        made, cut = await _embedded(studio, model, texts, wish, get(body, "truncate", bool, False))
        ignored = [*unknown(body, KNOWN - {"prompt"}), *unheard]
        answer = {
            "model": model_of(body),
            "embeddings": [_shortened(vector, size) for vector in made.vectors],
            "total_duration": nanoseconds((time.perf_counter() - began) * 1000),
            "load_duration": 0,
            "prompt_eval_count": made.tokens,
            "fabula": {"ignored": ignored, "cut_texts": cut},
        }
        return JSONResponse(answer, headers=ignored_header(ignored))

    @routes.post("/embeddings", response_model=None)
    async def embeddings(request: Request) -> Response:
        """The older form: one text, one vector. Without a text the model is only loaded."""
        body = await body_of(request)
        prompt = get(body, "prompt", str, "")
        model, wish, unheard = _asked(studio, body)
        ignored = [*unknown(body, KNOWN - {"input", "dimensions", "truncate"}), *unheard]
        vector: tuple[float, ...] = ()
        if prompt:
            vector = (await studio.measures.embed(model, [prompt], wish, name="prompt")).vectors[0]
        else:
            await studio.supervisor.load(model.name, studio.shelf.wish(model.name, wish))
        answer = {"embedding": list(vector), "fabula": {"ignored": ignored}}
        return JSONResponse(answer, headers=ignored_header(ignored))

    return routes


def _asked(studio: Studio, body: Json) -> tuple[LocalModel, Wish, tuple[str, ...]]:
    """Of the options only those of the load mean anything here."""
    read = options.read(get(body, "options", dict, {}))
    asked = (name for name, value in read.sampling.items() if value is not None)
    model = studio.find_model(model_of(body))
    wish = studio.shelf.wish(model.name, wish_of(read.load, body.get("keep_alive")))
    return model, wish, tuple(f"options.{name}" for name in (*read.unheard, *asked))


async def _embedded(
    studio: Studio, model: LocalModel, texts: list[Text], wish: Wish, truncate: bool
) -> tuple[Embedded, int]:
    """The vectors, and how many texts were cut. Raises ContextExceeded, unless they may be cut."""
    if not texts:
        await studio.supervisor.load(model.name, wish)
        return Embedded((), 0), 0
    try:
        return await studio.measures.embed(model, texts, wish, name="input"), 0
    except ContextExceeded as long:
        if not truncate:
            raise
        whole = [await _ids(studio, model, text) for text in texts]
        cut = [ids[: long.context] for ids in whole]
        shorter = sum(len(ids) < len(all_ids) for ids, all_ids in zip(cut, whole, strict=True))
        return await studio.measures.embed(model, cut, wish), shorter


async def _ids(studio: Studio, model: LocalModel, text: Text) -> Text:
    """With the tokens that the model itself puts around it."""
    if isinstance(text, str):
        return tuple(await studio.measures.tokenize(model, text, add_special=True))
    return text


def _texts(value: Any) -> list[Text]:
    """One text or a list of them. Raises BadParameter."""
    rows = [value] if isinstance(value, str) and value else value or []
    if not isinstance(rows, list) or len(rows) > MOST_TEXTS or not all(isinstance(row, str) for row in rows):
        raise BadParameter("input", f"{value!r}"[:80], phrase("expected.some_texts", most=MOST_TEXTS))
    return list(rows)


def _size(body: Json) -> int:
    size = get(body, "dimensions", int, 0)
    if size < 0:
        raise BadParameter("dimensions", f"{size}", phrase("expected.whole_from", low=0))
    return int(size)


def _shortened(vector: tuple[float, ...], size: int) -> list[float]:
    """The first numbers, at length 1 again: what models that were trained for it are made for."""
    if not size:
        return list(vector)
    if size > len(vector):
        expected = phrase("expected.whole_range", low=1, high=len(vector))
        raise BadParameter("dimensions", f"{size}", expected)
    kept = vector[:size]
    length = math.sqrt(sum(part * part for part in kept)) or 1.0
    return [part / length for part in kept]
