"""Embeddings, rankings and tokens over the native API. Knows no engine."""

from __future__ import annotations

from typing import Any

from fabula.app import Studio
from fabula.core.load import wish_of
from fabula.server.native import bodies
from fabula.server.routing import Routes


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["Texts"])
    measures = studio.measures

    @routes.post("/embed")
    async def embed(body: bodies.Embed) -> dict[str, Any]:
        """A vector of length 1 for each text."""
        model = studio.find_model(body.model or measures.embedder())
        made = await measures.embed(model, body.texts, wish_of(body.load, body.keep_alive))
        return {"model": model.name, "embeddings": made.vectors, "tokens": made.tokens}

    @routes.post("/rerank")
    async def rerank(body: bodies.Rerank) -> dict[str, Any]:
        """Documents by how well they answer a query, best first."""
        model = studio.find_model(body.model or measures.reranker())
        wish = wish_of(body.load, body.keep_alive)
        judged = await measures.rerank(model, body.query, body.documents, wish)
        rows = [{"index": index, "score": score} for index, score in enumerate(judged.scores)]
        best = sorted(rows, key=lambda row: -row["score"])[: body.most]
        return {"model": model.name, "results": best, "tokens": judged.tokens}

    @routes.post("/tokenize")
    async def tokenize(body: bodies.Tokenize) -> dict[str, Any]:
        """The token ids of a text."""
        model = studio.find_model(body.model)
        ids = await measures.tokenize(model, body.text, add_special=body.add_special)
        return {"model": model.name, "tokens": ids, "count": len(ids)}

    @routes.post("/detokenize")
    async def detokenize(body: bodies.Detokenize) -> dict[str, Any]:
        """The text of token ids."""
        model = studio.find_model(body.model)
        return {"model": model.name, "text": await measures.detokenize(model, body.tokens)}

    return routes
