"""What every worker keeps, whatever its engine: a file of tests derives a class and gives it a worker.

    class TestMine(WorkerSuite):
        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def suited(self) -> AsyncIterator[Suited]: …

What an engine cannot do it declares by name, and that is all that is left out: "ids" (it tells no token ids),
"reuse" (it tells nothing of its cache), "logprobs", "seed", "bans", "grammar", "schema", "greedy" (it does
not write by probabilities), "numbers" (it counts no prompt), "text" (what it writes is not the starter's).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from asking import collect, ids_of, text_of

from fabula.core.errors import FabulaError
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill, Token
from fabula.core.worker import Counts, Prompt, Spells, Worker
from fabula.engine.sampling.knobs import tried
from fabula.engine.sampling.needs import NEEDS

COUNTING = "1, 2, 3, 4,"
STORY = "The old lighthouse keeper climbed the stairs every evening to light the lamp. " * 12


def raw(text: str) -> Prompt:
    return Prompt((text,))


@dataclass(frozen=True)
class Suited:
    """`prompt` writes a text as this worker is asked; `counted` is how it goes on from COUNTING at
    temperature 0; `cannot` is what it declares."""

    worker: Worker
    cannot: frozenset[str] = frozenset()
    prompt: Callable[[str], Prompt] = raw
    counted: str = " 5, 6, 7, 8,"

    def needs(self, *abilities: str) -> None:
        for ability in abilities:
            if ability in self.cannot:
                pytest.skip(f"this worker declares that it cannot: {ability}")

    async def ask(self, text: str, **sampling: Any) -> tuple[str, tuple[int, ...], Finished]:
        deltas, end = await collect(self.worker, self.prompt(text), **sampling)
        return text_of(deltas), ids_of(deltas), end


class WorkerSuite:
    async def test_a_stream_ends_with_its_facts(self, suited: Suited) -> None:
        text, _, end = await suited.ask(COUNTING, temperature=0, max_tokens=12)
        assert text.startswith(suited.counted[:3])
        assert end.engine == suited.worker.engine
        assert end.effective
        assert end.reused_tokens + end.processed_tokens == end.prompt_tokens
        if "numbers" not in suited.cannot:
            assert end.prompt_tokens > 0
            assert 0 < end.completion_tokens <= 12

    async def test_the_likeliest_tokens_are_always_the_same(self, suited: Suited) -> None:
        suited.needs("greedy", "text")
        assert (await suited.ask(COUNTING, temperature=0, max_tokens=12))[0] == suited.counted

    async def test_a_limit_is_kept_and_told(self, suited: Suited) -> None:
        text, ids, end = await suited.ask(COUNTING, temperature=0, max_tokens=4)
        assert end.reason == "length"
        assert 0 < len(text) < len(suited.counted)
        if "ids" not in suited.cannot:
            assert len(ids) == end.completion_tokens == 4

    async def test_a_stop_string_ends_the_text_before_it(self, suited: Suited) -> None:
        stop = suited.counted[4:8]
        text, _, end = await suited.ask(COUNTING, temperature=0, max_tokens=40, stop=(stop,))
        assert (text, end.reason) == (suited.counted[:4], "stop")

    async def test_text_held_back_for_a_stop_string_that_never_comes_is_given(self, suited: Suited) -> None:
        suited.needs("text")
        text, _, end = await suited.ask(COUNTING, temperature=0, max_tokens=12, stop=("8, 10",))
        assert (text, end.reason) == (suited.counted, "length")

    async def test_one_seed_writes_one_text(self, suited: Suited) -> None:
        suited.needs("seed")
        asked = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": 24}
        first, _, end = await suited.ask("Once", **asked)
        seed = (end.effective or {})["seed"]
        again = (await suited.ask("Once", **asked, seed=seed))[0]
        other = (await suited.ask("Once", **asked, seed=seed ^ 1))[0]
        assert first == again != other

    async def test_ids_are_those_of_the_text(self, suited: Suited) -> None:
        suited.needs("ids")
        assert isinstance(suited.worker, Counts)
        assert isinstance(suited.worker, Spells)
        text, ids, _ = await suited.ask(COUNTING, temperature=0, max_tokens=12)
        assert await suited.worker.tokenize(Prompt((text,), add_special=False)) == list(ids)
        assert await suited.worker.detokenize(ids) == text

    async def test_characters_of_several_tokens_come_whole(self, suited: Suited) -> None:
        suited.needs("text")
        text, ids, _ = await suited.ask("🌍🌟🌍🌟🌍🌟🌍🌟", temperature=0, max_tokens=12)
        assert "\ufffd" not in text
        if "ids" not in suited.cannot:
            assert isinstance(suited.worker, Counts)
            assert await suited.worker.tokenize(Prompt((text,), add_special=False)) == list(ids)

    async def test_texts_are_counted_alone_and_together(self, suited: Suited) -> None:
        suited.needs("ids")
        assert isinstance(suited.worker, Counts)
        counts = await suited.worker.count(["1, 2", "", "lighthouse"])
        alone = [len(await suited.worker.tokenize(Prompt((text,), add_special=False))) for text in ("1, 2",)]
        assert (counts[0], counts[1]) == (alone[0], 0)

    async def test_ids_and_text_can_be_mixed_in_a_prompt(self, suited: Suited) -> None:
        suited.needs("ids", "greedy")
        assert isinstance(suited.worker, Counts)
        ids = tuple(await suited.worker.tokenize(Prompt(("1, 2, 3,",))))
        deltas, _ = await collect(suited.worker, Prompt((ids, " 4,")), temperature=0, max_tokens=4)
        whole, _ = await collect(suited.worker, raw(COUNTING), temperature=0, max_tokens=4)
        assert text_of(deltas) == text_of(whole)

    async def test_the_second_turn_reads_only_what_is_new(self, suited: Suited) -> None:
        suited.needs("reuse")
        beginning = "By the sea. " + STORY
        _, _, first = await suited.ask(beginning, max_tokens=1, temperature=0)
        _, _, second = await suited.ask(beginning + "One night", max_tokens=1, temperature=0)
        assert second.reused_tokens >= first.prompt_tokens - 2

    async def test_what_is_reused_changes_no_token(self, suited: Suited) -> None:
        suited.needs("reuse", "greedy")
        asked = {"max_tokens": 16, "temperature": 0}
        cold = (await suited.ask("Far away. " + STORY + "One night,", **asked))[0]
        await suited.ask("Another prompt. " + STORY, max_tokens=1)
        await suited.ask("Far away. " + STORY, max_tokens=1)
        assert (await suited.ask("Far away. " + STORY + "One night,", **asked))[0] == cold

    async def test_log_probabilities_belong_to_their_tokens(self, suited: Suited) -> None:
        suited.needs("logprobs")
        deltas, _ = await collect(
            suited.worker, suited.prompt(COUNTING), temperature=0, max_tokens=6, logprobs=3
        )
        tokens = [delta for delta in deltas if isinstance(delta, Token)]
        assert "".join(token.chosen.text for token in tokens if token.chosen) == text_of(deltas)
        for token in tokens:
            assert token.chosen
            assert token.likeliest[0].text == token.chosen.text
            assert [choice.logprob for choice in token.likeliest] == sorted(
                (choice.logprob for choice in token.likeliest), reverse=True
            )

    async def test_a_banned_token_does_not_come(self, suited: Suited) -> None:
        suited.needs("bans", "ids")
        _, ids, _ = await suited.ask(COUNTING, temperature=0, max_tokens=6)
        _, without, _ = await suited.ask(COUNTING, temperature=0, max_tokens=6, banned_tokens=(ids[1],))
        assert ids[1] not in without

    async def test_a_grammar_is_kept(self, suited: Suited) -> None:
        suited.needs("grammar")
        text, _, _ = await suited.ask("A colour:", max_tokens=20, grammar='root ::= " " ("red" | "green")')
        assert text in (" red", " green")

    async def test_a_schema_is_kept(self, suited: Suited) -> None:
        suited.needs("schema")
        schema = '{"type":"object","properties":{"n":{"type":"integer","maximum":9}},"required":["n"]}'
        text, _, end = await suited.ask("A number as JSON:", max_tokens=60, temperature=0, json_schema=schema)
        assert end.reason == "length" or "n" in json.loads(text)

    async def test_nothing_that_is_asked_for_is_lost_in_silence(self, suited: Suited) -> None:
        """It is in force, or told as ignored."""
        for name, value in {"tfs": 0.9, "top_k": 7, "banned_strings": ("x",), "no_repeat_ngram": 3}.items():
            effective, ignored = suited.worker.honours(Sampling(**{name: value}))
            assert (effective[name] == value) != (name in ignored), name

    async def test_what_does_nothing_by_itself_is_told_and_not_claimed(self, suited: Suited) -> None:
        for name, needed in NEEDS.items():
            value = tried(name)[name]
            effective, ignored = suited.worker.honours(Sampling.of({name: value}))
            assert name in ignored, name
            assert effective.get(name) != value, name
            assert not set(needed) & set(ignored)

    async def test_a_reader_who_leaves_stops_the_engine(self, suited: Suited) -> None:
        stream = suited.worker.stream(
            suited.prompt("Once upon a time"), Sampling(max_tokens=1000, ignore_eos=True)
        )
        async with aclosing(stream):
            async for delta in stream:
                if not isinstance(delta, Prefill):
                    break
        text, _, _ = await suited.ask(COUNTING, temperature=0, max_tokens=4)
        assert text

    async def test_two_at_a_time_each_get_their_own(self, suited: Suited) -> None:
        asked = [suited.ask(COUNTING, temperature=0, max_tokens=8) for _ in range(2)]
        (one, _, _), (two, _, _) = await asyncio.gather(*asked)
        assert one == two == suited.counted[: len(one)]

    async def test_a_prompt_that_is_too_long_is_refused(self, suited: Suited) -> None:
        suited.needs("text")
        with pytest.raises(FabulaError) as refused:
            await suited.ask("word " * 6000, max_tokens=4)
        assert refused.value.status == 400
