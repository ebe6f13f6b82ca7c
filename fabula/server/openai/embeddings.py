"""OpenAI's embeddings, and rankings as Jina and Cohere have them. Knows no engine.

Source: OpenAI's API reference (embeddings): clients ask for base64 unless told otherwise, which is 32-bit
floats, little-endian. What is not understood is listed in `X-Fabula-Ignored`, never dropped in silence.
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.texts import Phrase, phrase
from fabula.engine.measures import MOST_TEXTS, Text
from fabula.server.bodies import body_of, ignored_header, unknown
from fabula.server.routing import Routes

FORMATS = ("float", "base64")
Vector = tuple[float, ...]


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/v1", tags=["OpenAI"])
    measures = studio.measures

    @routes.post("/embeddings", response_model=None)
    async def embeddings(request: Request) -> Response:
        """A vector for each text, or for each list of token ids."""
        body = await body_of(request)
        texts, form = _input(body.get("input")), _one_of(body, "encoding_format", FORMATS)
        dimensions = _whole(body, "dimensions")
        model = studio.find_model(_text(body, "model") or measures.embedder())
        made = await measures.embed(model, texts, name="input")
        vectors = [_cut(vector, dimensions) for vector in made.vectors]
        answer = {
            "object": "list",
            "data": [_row(index, vector, form) for index, vector in enumerate(vectors)],
            "model": model.name,
            "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
        }
        known = {"input", "encoding_format", "dimensions", "model", "user"}
        return JSONResponse(answer, headers=ignored_header(unknown(body, known)))

    @routes.post("/rerank", response_model=None)
    async def rerank(request: Request) -> Response:
        """Documents by how well they answer a query, best first."""
        body = await body_of(request)
        query, documents = _text(body, "query"), _documents(body.get("documents"))
        model = studio.find_model(_text(body, "model") or measures.reranker())
        judged = await measures.rerank(model, query, documents)
        rows = [{"index": index, "relevance_score": score} for index, score in enumerate(judged.scores)]
        best: list[dict[str, Any]] = sorted(rows, key=lambda row: -row["relevance_score"])
        best = best[: _whole(body, "top_n")]
        if body.get("return_documents"):
            best = [row | {"document": {"text": documents[row["index"]]}} for row in best]
        usage = {"prompt_tokens": judged.tokens, "total_tokens": judged.tokens}
        known = {"query", "documents", "model", "top_n", "return_documents"}
        return JSONResponse(
            {"object": "list", "model": model.name, "results": best, "usage": usage},
            headers=ignored_header(unknown(body, known)),
        )

    return routes


def _row(index: int, vector: Vector, form: str) -> dict[str, Any]:
    packed: Any = list(vector)
    if form == "base64":
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return {"object": "embedding", "index": index, "embedding": packed}


def _cut(vector: Vector, dimensions: int | None) -> Vector:
    """The first numbers, at length 1 again: what models that were trained for it are made for."""
    if dimensions is None:
        return vector
    if dimensions > len(vector):
        expected = phrase("expected.whole_range", low=1, high=len(vector))
        raise BadParameter("dimensions", f"{dimensions}", expected)
    kept = vector[:dimensions]
    length = math.sqrt(sum(part * part for part in kept)) or 1.0
    return tuple(part / length for part in kept)


# ── what was asked ──────────────────────────────────────────────────────────────────────────────────


def _input(value: Any) -> list[Text]:
    """One text, one list of ids, or a list of either."""
    expected = phrase("expected.embedding_input", most=MOST_TEXTS)
    single = isinstance(value, str) or _is_ids(value)
    rows = [value] if single else value
    if not isinstance(rows, list) or not all(isinstance(row, str) or _is_ids(row) for row in rows):
        raise BadParameter("input", f"{value!r}"[:80], expected)
    return [row if isinstance(row, str) else tuple(row) for row in rows]


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(id) is int and id >= 0 for id in value)


def _documents(value: Any) -> list[str]:
    """Texts, or objects that have one."""
    rows = [row.get("text") if isinstance(row, dict) else row for row in value or ()]
    texts = [row for row in rows if isinstance(row, str)]
    if not isinstance(value, list) or len(texts) < len(rows):
        raise BadParameter("documents", f"{value!r}"[:80], phrase("expected.texts"))
    return texts


def _text(body: dict[str, Any], name: str) -> str:
    return str(_checked(body, name, isinstance(body.get(name), str), phrase("expected.text")) or "")


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    number: int | None = _checked(
        body, name, type(value) is int and value > 0, phrase("expected.whole_from", low=1)
    )
    return number


def _one_of(body: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    right = body.get(name) in choices
    return str(_checked(body, name, right, phrase("expected.one_of", names=", ".join(choices))) or choices[0])


def _checked(body: dict[str, Any], name: str, right: bool, expected: Phrase) -> Any:
    value = body.get(name)
    if value is not None and not right:
        raise BadParameter(name, f"{value!r}"[:80], expected)
    return value
