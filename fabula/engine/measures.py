"""What models do with texts beside writing: embeddings, rankings, tokens. Knows only the Worker seam."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from fabula.core.errors import BadParameter, CannotEmbed, CannotRerank, CannotTokenize
from fabula.core.load import NO_WISH, LoadOptions, Wish
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.core.worker import (
    Counts,
    Embedded,
    Embeds,
    Judged,
    Pieces,
    Prompt,
    Reranks,
    Spells,
    SpellsOut,
    Worker,
    Workers,
)

MOST_TEXTS = 2048  # of one request, as OpenAI has it
MOST_TOKENS = 1 << 31  # of a server that does not say how many it knows
NOBODY = "–"
RANK = "rank"

Text = str | tuple[int, ...]


class Measures:
    """`models` lists the models of this machine, `options` says what is set for one."""

    def __init__(
        self,
        workers: Workers,
        models: Callable[[], Sequence[LocalModel]],
        options: Callable[[LocalModel], LoadOptions],
    ) -> None:
        self._workers, self._models, self._options = workers, models, options

    def embedder(self) -> str:
        """The model that embeds where none is named. Raises CannotEmbed."""
        able = self._able(ranks=False)
        if not able:
            raise CannotEmbed(NOBODY, NOBODY)
        return able[0]

    def reranker(self) -> str:
        """The model that judges where none is named. Raises CannotRerank."""
        able = self._able(ranks=True)
        if not able:
            raise CannotRerank(NOBODY, NOBODY)
        return able[0]

    async def embed(
        self, model: LocalModel, texts: Sequence[Text], wish: Wish = NO_WISH, *, name: str = "texts"
    ) -> Embedded:
        """Raises CannotEmbed, before anything is loaded, or ContextExceeded for a text that is too long.

        `name` is what the caller calls the texts."""
        _check(texts, name)
        for ids in (text for text in texts if not isinstance(text, str)):
            _require_known(ids, model)
        if self._pooling(model, wish) in ("", RANK):
            raise CannotEmbed(model.name, self._names(ranks=False))
        async with self._worker(model, self._pooled(model, wish)) as worker:
            if not isinstance(worker, Embeds):
                raise CannotEmbed(model.name, self._names(ranks=False))
            return await worker.embed(texts)

    async def rerank(
        self, model: LocalModel, query: str, documents: Sequence[str], wish: Wish = NO_WISH
    ) -> Judged:
        """Raises CannotRerank, before anything is loaded, or ContextExceeded for a pair that is too long."""
        _check([query], "query")
        _check(documents, "documents")
        if self._pooling(model, wish) != RANK:
            raise CannotRerank(model.name, self._names(ranks=True))
        async with self._worker(model, self._pooled(model, wish)) as worker:
            if not isinstance(worker, Reranks):
                raise CannotRerank(model.name, self._names(ranks=True))
            return await worker.rerank(query, documents)

    async def tokenize(self, model: LocalModel, text: str, *, add_special: bool = False) -> list[int]:
        return await self.tokens(model, (text,), add_special=add_special)

    async def tokens(self, model: LocalModel, pieces: Pieces, *, add_special: bool = False) -> list[int]:
        """Of texts between ready tokens. Raises CannotTokenize, or BadParameter for an unknown token."""
        _require_known_pieces(pieces, model)
        async with self._worker(model) as worker:
            if not isinstance(worker, Counts):
                raise CannotTokenize(model.name)
            return await worker.tokenize(Prompt(pieces, add_special=add_special))

    async def spelled(
        self, model: LocalModel, pieces: Pieces, *, add_special: bool = False, parse_special: bool = True
    ) -> list[tuple[int, bytes]]:
        """Each token with its bytes. Raises CannotTokenize, or BadParameter for an unknown token."""
        _require_known_pieces(pieces, model)
        async with self._worker(model) as worker:
            if not isinstance(worker, SpellsOut):
                raise CannotTokenize(model.name)
            prompt = Prompt(pieces, add_special=add_special)
            return await worker.spelled(prompt, parse_special=parse_special)

    async def detokenize(self, model: LocalModel, ids: Sequence[int]) -> str:
        """Raises BadParameter for an id that the model does not have, CannotTokenize."""
        _require_known(ids, model)
        async with self._worker(model) as worker:
            if not isinstance(worker, Spells):
                raise CannotTokenize(model.name)
            return await worker.detokenize(ids)

    @asynccontextmanager
    async def _worker(self, model: LocalModel, wish: Wish = NO_WISH) -> AsyncIterator[Worker]:
        async with self._workers.place(model.name, wish) as place:
            async for _ in place.steps():
                pass
            yield place.worker

    def _pooling(self, model: LocalModel, wish: Wish = NO_WISH) -> str:
        return wish.options.pooling or self._options(model).pooling or model.pooling

    def _pooled(self, model: LocalModel, wish: Wish) -> Wish:
        """Said aloud: another's wish, with which the model may be loaded, is none of this request's."""
        if model.elsewhere:
            return wish
        return replace(wish, options=replace(wish.options, pooling=self._pooling(model, wish)))

    def _able(self, *, ranks: bool) -> list[str]:
        usable = [model for model in self._models() if not model.problem]
        return [model.name for model in usable if (how := self._pooling(model)) and (how == RANK) is ranks]

    def _names(self, *, ranks: bool) -> str:
        return ", ".join(self._able(ranks=ranks)) or NOBODY


def _require_known_pieces(pieces: Pieces, model: LocalModel) -> None:
    for ids in (piece for piece in pieces if not isinstance(piece, str)):
        _require_known(ids, model)


def _require_known(ids: Sequence[int], model: LocalModel) -> None:
    """An engine takes a number of more than 32 bits for another token."""
    end = model.vocabulary or MOST_TOKENS
    for id in ids:
        if not 0 <= id < end:
            expected = phrase("expected.whole_range", low=0, high=end - 1)
            raise BadParameter("tokens", f"{id}"[:80], expected)


def _check(texts: Sequence[Text], name: str) -> None:
    if not 0 < len(texts) <= MOST_TEXTS:
        raise BadParameter(name, f"{len(texts)}", phrase("expected.some_texts", most=MOST_TEXTS))
    for index, text in enumerate(texts):
        if not text:
            where = name if name == "query" else f"{name}[{index}]"
            raise BadParameter(where, '""', phrase("expected.some_text"))
