"""Going back on a server that only goes forward, with a server that is a few lines long."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from fabula.core.errors import ContextExceeded
from fabula.core.sampling import SEED_LIMIT
from fabula.core.stream import Delta, Finished, Prefill, Token
from fabula.engine.bans.draft import Draft
from fabula.engine.bans.matcher import Bans
from fabula.engine.llamacpp.reading import Reader
from fabula.engine.llamacpp.rewriting import Asks, Rewriting

PROMPT = [100, 101]
EOS = 0


class Server:
    """Writes `likeliest[place]`, the first that is not forbidden. Pieces of several ids tell none of them."""

    def __init__(self, *likeliest: Sequence[str], room: int = 1000, hides: str = "") -> None:
        self.likeliest, self.room, self.hides = likeliest, room, hides
        self.bodies: list[dict[str, Any]] = []
        self.vocabulary = sorted({text for texts in likeliest for text in texts})

    def id(self, text: str) -> int:
        return self.vocabulary.index(text) + 1

    def next(self, body: dict[str, Any]) -> str | None:
        place = sum(1 for part in body["prompt"] if part not in PROMPT)
        forbidden = {id for id, _ in body["logit_bias"]}
        if place >= len(self.likeliest):
            return None
        return next(text for text in self.likeliest[place] if self.id(text) not in forbidden)

    async def read(self, body: dict[str, Any], reader: Reader) -> AsyncGenerator[Delta, None]:
        self._note(body)
        yield Prefill(
            len(body["prompt"]), len(body["prompt"]), 0 if len(self.bodies) == 1 else len(body["prompt"]) - 1
        )
        prompt, left = list(body["prompt"]), body["n_predict"]
        while left and (text := self.next(body | {"prompt": prompt})) is not None:
            prompt.append(self.id(text))
            left -= 1
            yield Token(text, () if text == self.hides else (self.id(text),))
        yield Finished(
            reason="stop" if left else "length",
            prompt_tokens=len(body["prompt"]),
            reused_tokens=0,
            processed_tokens=len(body["prompt"]),
            completion_tokens=len(prompt) - len(body["prompt"]),
            prompt_ms=1.0,
            predicted_ms=1.0,
        )

    async def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self._note(body)
        text, timings = self.next(body), {"prompt_n": 1}
        if text is None:
            return {"stop_type": "eos", "tokens": [EOS], "content": "", "timings": timings}
        return {"stop_type": "limit", "tokens": [self.id(text)], "content": text, "timings": timings}

    async def detokenize(self, ids: Sequence[int]) -> str:
        return "".join(self.vocabulary[id - 1] for id in ids)

    def _note(self, body: dict[str, Any]) -> None:
        self.bodies.append(body)
        if len(body["prompt"]) >= self.room:
            raise ContextExceeded(len(body["prompt"]), self.room)


async def written(
    server: Server, *banned: str, stops: Sequence[str] = (), limit: int = -1, seed: int = 7
) -> tuple[str, Finished]:
    body = {"prompt": PROMPT, "n_predict": limit, "seed": seed, "logit_bias": []}
    asks = Asks(server.read, server.answer, server.detokenize)
    deltas = Rewriting(asks, "tiny", body, Draft(Bans.of(banned), stops=stops)).deltas()
    *shown, end = [delta async for delta in deltas if not isinstance(delta, Prefill)]
    assert isinstance(end, Finished)
    return "".join(delta.text for delta in shown if isinstance(delta, Token)), end


async def test_another_word_is_written_where_the_match_began() -> None:
    server = Server(["A "], ["bad", "good"], [" day"])
    text, end = await written(server, "bad")
    assert text == "A good day"
    assert end.bans
    assert (end.bans.count, end.bans.wasted_tokens, end.completion_tokens) == (1, 1, 3)
    assert [body.get("stream", True) for body in server.bodies] == [True, False, True]


async def test_the_token_is_forbidden_at_its_place_only() -> None:
    """Forbidden for all that follows, "b" could not begin "bc" any more."""
    server = Server(["b", "x"], ["a", "y"], ["b"], ["c"])
    text, _ = await written(server, "ba")
    assert text == "xabc"
    assert [len(body["logit_bias"]) for body in server.bodies] == [0, 1, 0]


async def test_no_two_requests_have_the_same_seed() -> None:
    server = Server(["a", "b", "c", "d"])
    await written(server, "a", "b", "c", seed=SEED_LIMIT - 2)
    seeds = [body["seed"] for body in server.bodies]
    assert len(set(seeds)) == len(seeds)
    assert SEED_LIMIT not in seeds  # the engine reads it as "random"


async def test_what_was_written_counts_against_the_limit() -> None:
    server = Server(["a", "x"], ["b"], ["c"], ["d"])
    text, end = await written(server, "a", limit=3)
    assert (text, end.reason, end.completion_tokens) == ("xbc", "length", 3)
    assert [body["n_predict"] for body in server.bodies] == [3, 1, 2]


async def test_a_stop_string_over_the_cut_ends_it() -> None:
    server = Server(["One", "Two"], ["\nYo"], ["u:"], ["never"])
    text, end = await written(server, "one", stops=["\nYou:"])
    assert (text, end.reason, end.stop_string) == ("Two", "stop", "\nYou:")


async def test_a_token_whose_id_was_not_told_is_learned_and_forbidden() -> None:
    """Parts of characters come without ids where the tokenizer would have cut them in another way."""
    server = Server(["a "], ["☃", "snow"], ["."], hides="☃")
    text, end = await written(server, "☃")
    assert text == "a snow."
    assert end.bans
    assert (end.bans.count, end.bans.unavoided) == (2, ())


async def test_a_context_that_is_full_ends_it_where_it_stands() -> None:
    server = Server(["a", "b"], ["c"], room=3)
    text, end = await written(server, "a")
    assert (text, end.reason) == ("b", "length")


async def test_a_prompt_that_is_too_long_is_told() -> None:
    with pytest.raises(ContextExceeded):
        await written(Server(["a"], room=1), "a")
