"""Replies written exactly: with every parameter, going back where something is banned, keeping to a form."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from asking import collect, plan_for, text_of
from direct_asking import CHAT, GREEDY, PLAIN, direct, text, write

from fabula.core.errors import ContextExceeded, EngineRefused
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.engine.direct.worker import DirectWorker
from fabula.engine.llamacpp.worker import LlamaCppWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")
WARM = replace(PLAIN, temperature=0.9, top_p=0.95, max_tokens=24, seed=11)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DirectWorker]:
    async with direct(model, tmp_path_factory.mktemp("direct")) as worker:
        yield worker


async def test_without_chance_it_writes_what_the_server_writes(
    worker: DirectWorker, model: LocalModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = LlamaCppWorker(tmp_path_factory.mktemp("server"))
    try:
        options = LoadOptions(flash_attention="off")
        await server.load(model, plan_for(model, context=512, kv_type="f32", options=options))
        theirs, _ = await collect(server, CHAT, temperature=0, max_tokens=32)
    finally:
        await server.close()
    ours, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=32))
    assert text(ours) == text_of(theirs)


async def test_a_seed_fixes_the_reply(worker: DirectWorker) -> None:
    one, _ = await write(worker, CHAT, WARM)
    same, _ = await write(worker, CHAT, WARM)
    other, _ = await write(worker, CHAT, replace(WARM, seed=12))
    assert text(one) == text(same) != text(other)


async def test_the_facts_of_a_reply(worker: DirectWorker) -> None:
    tokens, facts = await write(worker, CHAT, replace(WARM, max_tokens=5))
    again, second = await write(worker, CHAT, replace(WARM, max_tokens=5))
    assert facts.reason == "length"
    assert facts.completion_tokens == sum(len(token.ids) for token in tokens) == 5
    assert facts.prompt_tokens == len(await worker.tokenize(Prompt((CHAT,))))
    assert second.reused_tokens == facts.prompt_tokens - 1
    assert second.cache == "slot"
    assert facts.engine.startswith("llama.cpp exact")
    assert text(again) == text(tokens)


async def test_every_parameter_together_is_honoured(worker: DirectWorker) -> None:
    asked = Sampling(
        seed=4,
        max_tokens=20,
        temperature=1.1,
        top_k=60,
        top_p=0.97,
        min_p=0.01,
        typical_p=0.98,
        top_n_sigma=4.0,
        tfs=0.98,
        top_a=0.02,
        epsilon_cutoff=1.0,
        eta_cutoff=1.0,
        xtc_probability=0.3,
        xtc_threshold=0.2,
        dynatemp_range=0.3,
        smoothing_factor=0.1,
        smoothing_curve=1.2,
        repetition_penalty=1.05,
        repetition_slope=0.8,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        encoder_repetition_penalty=1.02,
        no_repeat_ngram=4,
        dry_multiplier=0.5,
        adaptive_target=0.4,
        guidance_scale=1.2,
        negative_prompt="Something sad.",
        banned_strings=("lighthouse",),
        logit_bias=((11, 1.0),),
        sampler_order=("temperature", "top_k", "dry"),
    )
    effective, ignored = worker.honours(asked)
    tokens, facts = await write(worker, CHAT, asked)
    assert ignored == ()
    assert {name: effective[name] for name in asked.changed() if name not in ("logit_bias", "seed")} == {
        name: value for name, value in asked.changed().items() if name not in ("logit_bias", "seed")
    }
    assert facts.completion_tokens == 20
    assert "lighthouse" not in text(tokens).lower()


# ── what must not occur ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
async def test_no_banned_text_is_left(worker: DirectWorker, seed: int) -> None:
    words = (" the", " and", " was", " of", "his", " a ", "\n")
    sampling = replace(
        WARM, seed=seed, banned_strings=words, banned_regexes=(r"\b[A-Z]\w+ [A-Z]\w+",), max_tokens=40
    )
    tokens, facts = await write(worker, CHAT, sampling)
    written = text(tokens)
    left = [word for word in words if word in written.lower()]
    assert facts.bans is not None
    assert left == [] or facts.bans.unavoided
    assert facts.bans.count > 0
    assert facts.completion_tokens == sum(len(token.ids) for token in tokens)


async def test_going_back_leaves_the_memory_as_if_it_had_never_been_written(worker: DirectWorker) -> None:
    """The tokens that stand, read anew as a text, have the log-probabilities that were told."""
    sampling = replace(GREEDY, banned_strings=(" lighthouse", "town"), max_tokens=24, logprobs=0)
    tokens, facts = await write(worker, CHAT, sampling)
    ids = [id for token in tokens for id in token.ids]
    prompt = await worker.tokenize(Prompt((CHAT,)))
    told = [token.chosen.logprob for token in tokens if token.chosen]
    await worker.score(Prompt(((1, 2, 3),)))
    plain = replace(GREEDY, max_tokens=1, logprobs=0)
    for place in (8, 16, 23):
        (again, *_), _ = await write(
            worker, (*prompt, *ids[:place]), replace(plain, logit_bias=((ids[place], 99.0),))
        )
        assert again.chosen
        assert again.ids[0] == ids[place]
        assert again.chosen.logprob == pytest.approx(told[place], abs=0.35)  # read together, not alone
    assert facts.bans is not None
    assert facts.bans.count >= 2


async def test_a_stop_string_ends_the_reply_and_is_not_shown(worker: DirectWorker) -> None:
    whole, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=24))
    stop = text(whole)[20:26]
    tokens, facts = await write(worker, CHAT, replace(GREEDY, max_tokens=24, stop=(stop,)))
    assert text(tokens) == text(whole)[: text(whole).index(stop)]
    assert (facts.reason, facts.stop_string) == ("stop", stop)


async def test_tokens_that_are_forbidden_or_favoured(worker: DirectWorker) -> None:
    whole, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=4))
    first = whole[0].ids[0]
    other, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=4, banned_tokens=(first,)))
    favoured, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=3, logit_bias=((77, 500.0),)))
    assert other[0].ids[0] != first
    assert [id for token in favoured for id in token.ids] == [77, 77, 77]


async def test_a_reply_may_not_end_before_its_least_length(worker: DirectWorker) -> None:
    (end,) = await worker.tokenize(Prompt(("<|im_end|>",), add_special=False))
    longing = replace(GREEDY, logit_bias=((end, 1000.0),), max_tokens=9)
    empty, facts = await write(worker, CHAT, longing)
    later, _ = await write(worker, CHAT, replace(longing, min_tokens=5))
    never, _ = await write(worker, CHAT, replace(longing, ignore_eos=True))
    assert (empty, facts.reason) == ([], "stop")
    assert sum(len(token.ids) for token in later) == 5
    assert sum(len(token.ids) for token in never) == 9


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_grammar_is_kept(worker: DirectWorker) -> None:
    grammar = 'root ::= ("yes" | "no") ", " [a-z]{4}'
    tokens, facts = await write(worker, CHAT, replace(WARM, grammar=grammar))
    assert re.fullmatch(r"(yes|no), [a-z]{4}", text(tokens))
    assert facts.reason == "stop"


async def test_a_grammar_and_banned_strings_hold_together(worker: DirectWorker) -> None:
    grammar = 'root ::= [a-c]+ " " [a-c]+ "."'
    sampling = replace(WARM, grammar=grammar, banned_strings=("a", "cc"), max_tokens=40, seed=5)
    tokens, facts = await write(worker, CHAT, sampling)
    assert re.fullmatch(r"[bc]+ ?[bc]*\.?", text(tokens))
    assert "cc" not in text(tokens)
    assert facts.bans is not None
    assert not facts.bans.unavoided


async def test_a_grammar_may_begin_with_a_word(worker: DirectWorker) -> None:
    grammar = 'root ::= "<call>" [0-9]{3}'
    start = "I call now: <call>"
    ids = await worker.tokenize(Prompt((start,), add_special=False))
    pushed = replace(GREEDY, grammar=grammar, max_tokens=30, logit_bias=())
    tokens, _ = await write(worker, f"{CHAT}Say it.\n", pushed, triggers=("<call>",))
    assert text(tokens)  # no trigger was written, so anything may be
    assert ids


async def test_a_regex_is_the_whole_reply(worker: DirectWorker) -> None:
    for pattern in (r"[A-Z]{2}-\d{3}", r"灯塔?[\u4e00-\u9fff]{2}", r"(ha){2,4}!"):
        tokens, facts = await write(worker, CHAT, replace(WARM, regex=pattern))
        assert re.fullmatch(pattern, text(tokens)), text(tokens)
        assert facts.reason == "stop"


async def test_a_schema_is_kept(worker: DirectWorker) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    tokens, _ = await write(worker, CHAT, replace(WARM, json_schema=json.dumps(schema), max_tokens=60))
    assert set(json.loads(text(tokens))) == {"name", "age"}


async def test_a_grammar_that_is_none_is_refused(worker: DirectWorker) -> None:
    with pytest.raises(EngineRefused, match="grammar"):
        await write(worker, CHAT, replace(WARM, grammar='root ::= "a'))
    assert await write(worker, CHAT, replace(WARM, max_tokens=2))


# ── the rest ────────────────────────────────────────────────────────────────────────────────────────


async def test_guidance_of_1_changes_nothing_and_more_leads_away(worker: DirectWorker) -> None:
    plain, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=16))
    same, _ = await write(
        worker, CHAT, replace(GREEDY, max_tokens=16, guidance_scale=1.0, negative_prompt="No.")
    )
    away, facts = await write(
        worker, CHAT, replace(GREEDY, max_tokens=16, guidance_scale=3.0, negative_prompt=CHAT + "In the")
    )
    assert text(plain) == text(same) != text(away)
    assert facts.completion_tokens == 16


async def test_log_probabilities_are_told_for_each_token(worker: DirectWorker) -> None:
    tokens, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=6, logprobs=3))
    for token in tokens:
        assert token.chosen
        assert len(token.ids) == 1
        assert len(token.likeliest) == 3
        assert token.chosen.id == token.likeliest[0].id
        assert token.chosen.logprob == token.likeliest[0].logprob < 0


async def test_characters_of_several_tokens_are_shown_whole(worker: DirectWorker) -> None:
    asked = replace(GREEDY, regex="灯🗼", max_tokens=30)
    tokens, facts = await write(worker, CHAT, asked)
    told, _ = await write(worker, CHAT, replace(asked, logprobs=0))
    assert text(tokens) == text(told) == "灯🗼"
    assert all("\ufffd" not in token.text for token in tokens)
    assert facts.completion_tokens == sum(len(token.ids) for token in tokens) == len(told)


async def test_special_tokens_have_no_text_unless_they_are_shown(worker: DirectWorker) -> None:
    (mark,) = await worker.tokenize(Prompt(("<|im_start|>",), add_special=False))
    forced = replace(GREEDY, logit_bias=((mark, 1000.0),), max_tokens=2)
    hidden, _ = await write(worker, CHAT, forced)
    shown, _ = await write(worker, CHAT, forced, shown=("<|im_start|>",))
    assert text(hidden) == ""
    assert text(shown) == "<|im_start|>" * 2


async def test_a_reply_ends_where_the_context_does(worker: DirectWorker) -> None:
    long = await worker.tokenize(Prompt(("word " * 505,)))
    _, facts = await write(worker, long[:505], replace(GREEDY, ignore_eos=True))
    assert facts.reason == "length"
    assert facts.completion_tokens == 7
    with pytest.raises(ContextExceeded):
        await write(worker, long[:500] * 2)


async def test_leaving_early_stops_the_work_and_the_next_request_is_served(worker: DirectWorker) -> None:
    stream = worker.stream(Prompt((CHAT,)), replace(GREEDY, ignore_eos=True))
    async for delta in stream:
        if isinstance(delta, Token):
            break
    await stream.aclose()
    async with asyncio.timeout(30):
        tokens, _ = await write(worker, CHAT, replace(GREEDY, max_tokens=2))
    assert tokens


async def test_what_is_infinite_is_said_as_json_can(worker: DirectWorker) -> None:
    effective, _ = worker.honours(Sampling(logit_bias=((5, -math.inf),)))
    assert json.loads(json.dumps(effective))["logit_bias"] == [[5, "-inf"]]
