"""What llama.cpp's routes do with texts beside writing: tokens, templates, embeddings, rankings.

Knows no engine. Fields that are not understood are told in `X-Fabula-Ignored`.
"""

from __future__ import annotations

import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.core.worker import Pieces
from fabula.engine.measures import Text
from fabula.prompt.assemble import render
from fabula.server.asking import is_open
from fabula.server.bodies import body_of, get, ignored_header, plain, unknown
from fabula.server.current import named_or_current
from fabula.server.llamacpp import conversation
from fabula.server.llamacpp.parse import pieces_of
from fabula.server.routing import Routes
from fabula.turn.manner import manner_of
from fabula.turn.request import TurnRequest

NORMALISED = 2  # llama.cpp's number for vectors of length 1, which is what there is here


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["llama.cpp"])
    measures = studio.measures

    @routes.post("/tokenize", response_model=None)
    async def tokenize(request: Request) -> Response:
        """The tokens of a text, or of texts between tokens; with `with_pieces` each with its text."""
        body = await body_of(request)
        model, pieces = _model(studio, request, body), _pieces(body.get("content", ""))
        add_special = get(body, "add_special", bool, False)
        parse_special, shown = get(body, "parse_special", bool, True), get(body, "with_pieces", bool, False)
        if parse_special and not shown:
            tokens: list[Any] = await measures.tokens(model, pieces, add_special=add_special)
        else:
            options = {"add_special": add_special, "parse_special": parse_special}
            rows = await measures.spelled(model, pieces, **options)
            tokens = [{"id": id, "piece": _piece(told)} if shown else id for id, told in rows]
        known = {"content", "model", "add_special", "parse_special", "with_pieces"}
        return JSONResponse({"tokens": tokens}, headers=ignored_header(unknown(body, known)))

    @routes.post("/detokenize", response_model=None)
    async def detokenize(request: Request) -> Response:
        """The text of tokens."""
        body = await body_of(request)
        tokens = get(body, "tokens", list, [])
        if not all(type(id) is int for id in tokens):
            raise BadParameter("tokens", f"{tokens!r}"[:80], phrase("expected.ids"))
        text = await measures.detokenize(_model(studio, request, body), tokens) if tokens else ""
        return JSONResponse({"content": text}, headers=ignored_header(unknown(body, {"tokens", "model"})))

    @routes.post("/apply-template", response_model=None)
    async def apply_template(request: Request) -> Response:
        """The prompt that a chat would be sent as; nothing is loaded for it."""
        body = await body_of(request)
        model = studio.shelf.described(_model(studio, request, body).name)
        said = conversation.messages(body)
        variables = get(body, "chat_template_kwargs", dict, {})
        asked = TurnRequest(
            model=model.name,
            messages=said,
            continues=is_open(said[-1]) and get(body, "add_generation_prompt", bool, True),
            tools=conversation.tools(body),
            variables=variables,
        )
        manner = manner_of(asked, model, datetime.datetime.now().astimezone())
        pieces = render(manner.messages, manner.template, continues=asked.continues)
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        known = {"messages", "model", "tools", "chat_template_kwargs", "add_generation_prompt"}
        ignored = (*unknown(body, known), *manner.ignored)
        return JSONResponse({"prompt": text}, headers=ignored_header(ignored))

    @routes.post("/embedding", response_model=None)
    @routes.post("/embeddings", response_model=None)
    async def embedding(request: Request) -> Response:
        """A vector of length 1 for each text; llama.cpp puts it into a list of its own."""
        body = await body_of(request)
        content = body.get("content", body.get("input"))
        model = studio.find_model(get(body, "model", str, "") or measures.embedder())
        made = await measures.embed(model, _several(content), name="content")
        rows = [{"index": index, "embedding": [vector]} for index, vector in enumerate(made.vectors)]
        known, neutral = {"content", "input", "model"}, {"embd_normalize": (NORMALISED,)}
        return JSONResponse(rows, headers=ignored_header(unknown(body, known, neutral)))

    @routes.post("/rerank", response_model=None)
    @routes.post("/reranking", response_model=None)
    @routes.post("/v1/reranking", response_model=None)
    async def rerank(request: Request) -> Response:
        """Documents by how well they answer a query, best first; with `texts`, in the shape of TEI."""
        body = await body_of(request)
        return await _ranked(studio, body, is_tei="texts" in body)

    return routes


def _model(studio: Studio, request: Request, body: dict[str, Any]) -> LocalModel:
    return named_or_current(studio, request, get(body, "model", str, ""))


def _pieces(content: Any) -> Pieces:
    if isinstance(content, str):
        return (plain(content, "content"),)
    if not isinstance(content, list):
        raise BadParameter("content", f"{content!r}"[:80], phrase("expected.mixed"))
    return pieces_of(content, "content")


def _piece(told: bytes) -> str | list[int]:
    """The text of a token; its bytes where it is a part of a character."""
    try:
        return told.decode()
    except UnicodeDecodeError:
        return list(told)


def _several(content: Any) -> list[Text]:
    """One text or its ids, or a list of either."""
    single = isinstance(content, str) or _is_ids(content)
    rows = [content] if single else content
    if not isinstance(rows, list) or not all(isinstance(row, str) or _is_ids(row) for row in rows):
        raise BadParameter("content", f"{content!r}"[:80], phrase("expected.mixed"))
    return [row if isinstance(row, str) else tuple(row) for row in rows]


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(id) is int and id >= 0 for id in value)


async def _ranked(studio: Studio, body: dict[str, Any], *, is_tei: bool) -> Response:
    field = "texts" if is_tei else "documents"
    query, documents = get(body, "query", str, ""), get(body, field, list, [])
    if not all(isinstance(text, str) for text in documents):
        raise BadParameter(field, f"{documents!r}"[:80], phrase("expected.texts"))
    model = studio.find_model(get(body, "model", str, "") or studio.measures.reranker())
    judged = await studio.measures.rerank(model, query, documents)
    name = "score" if is_tei else "relevance_score"
    rows: list[dict[str, Any]] = [{"index": index, name: score} for index, score in enumerate(judged.scores)]
    most = get(body, "top_n", int, len(rows))
    if most < 0:
        raise BadParameter("top_n", f"{most}", phrase("expected.whole_from", low=0))
    best = sorted(rows, key=lambda row: -row[name])[:most]
    if get(body, "return_text", bool, False):
        best = [row | {"text": documents[row["index"]]} for row in best]
    usage = {"prompt_tokens": judged.tokens, "total_tokens": judged.tokens}
    whole = {"model": model.name, "object": "list", "usage": usage, "results": best}
    known = {"query", field, "model", "top_n", "return_text"}
    told: Any = best if is_tei else whole
    return JSONResponse(told, headers=ignored_header(unknown(body, known)))
