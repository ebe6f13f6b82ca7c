"""Embeddings and rankings of a loaded model, over the engine's HTTP. Knows no process and no model file."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fabula.core.errors import ContextExceeded, EngineRefused
from fabula.core.worker import Embedded, Judged

Post = Callable[[str, dict[str, Any]], Awaitable[Any]]
_TOO_LONG = re.compile(r"input \((\d+) tokens\) is too large.*batch size: (\d+)")


class Pooled:
    """`post` sends a body to a path and gives what was answered; it raises what the engine refused.

    `context`: what a text may have; the engine refuses one by its batch first, which may be larger.
    """

    def __init__(self, post: Post, context: int) -> None:
        self._post, self._context = post, context

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> Embedded:
        asked = {"input": [text if isinstance(text, str) else list(text) for text in texts]}
        answer = await self._asked("/v1/embeddings", asked | {"encoding_format": "float"})
        rows = sorted(answer["data"], key=lambda row: int(row["index"]))
        return Embedded(tuple(tuple(row["embedding"]) for row in rows), answer["usage"]["prompt_tokens"])

    async def rerank(self, query: str, documents: Sequence[str]) -> Judged:
        answer = await self._asked("/v1/rerank", {"query": query, "documents": list(documents)})
        rows = sorted(answer["results"], key=lambda row: int(row["index"]))
        return Judged(tuple(row["relevance_score"] for row in rows), answer["usage"]["prompt_tokens"])

    async def _asked(self, path: str, body: dict[str, Any]) -> Any:
        try:
            return await self._post(path, body)
        except EngineRefused as refused:
            if numbers := _TOO_LONG.search(refused.reason):
                raise ContextExceeded(int(numbers[1]), min(int(numbers[2]), self._context)) from refused
            raise
