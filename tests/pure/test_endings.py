"""What ends a reply where the engine did not."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Prefill, Token
from fabula.turn.endings import ended


async def told(*deltas: Delta, stop: tuple[str, ...]) -> list[Delta]:
    closed = []

    async def worker() -> AsyncGenerator[Delta, None]:
        try:
            for delta in deltas:
                yield delta
        finally:
            closed.append(True)

    found = [delta async for delta in ended(worker(), Sampling(stop=stop))]
    assert closed, "the engine goes on writing"
    return found


async def test_a_stop_string_that_the_engine_missed_ends_the_reply() -> None:
    said = (Prefill(5, 7, 2), Token("one", (1,)), Token("\n# 北", (2, 3, 4)), Token("京", (5,)))
    *before, last, end = await told(*said, stop=("北京", "# ", ""))
    assert before == [Prefill(5, 7, 2), Token("one", (1,))]
    assert last == Token("\n")
    assert isinstance(end, Finished)
    assert (end.reason, end.stop_string, end.prompt_tokens, end.completion_tokens) == ("stop", "# ", 7, 4)


async def test_nothing_is_left_of_a_piece_that_begins_with_one() -> None:
    assert [type(delta) for delta in await told(Token("ab", (1, 2)), stop=("ab",))] == [Finished]


async def test_others_are_let_through() -> None:
    said = (Token("a", (1,)), Token("bc", (2,)))
    assert await told(*said, stop=("cb", "d")) == [*said]
