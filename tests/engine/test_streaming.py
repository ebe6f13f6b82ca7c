"""What a loaded model writes, and what is told about it."""

from __future__ import annotations

import asyncio
import json

import pytest
from asking import collect, ids_of, text_of

from fabula.core.errors import ContextExceeded, EngineRefused
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill, Token
from fabula.core.worker import Counts, KeepsSlots, Prompt
from fabula.engine.llamacpp.connection import request
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.turn.endings import ended

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNTING = "1, 2, 3, 4,"
STORY = "The old lighthouse keeper climbed the stairs every evening to light the lamp. " * 12


async def test_text_comes_in_pieces_with_the_ids_that_were_sampled(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, COUNTING, temperature=0, max_tokens=8)
    assert text_of(deltas) == " 5, 6, 7"
    assert list(ids_of(deltas)) == await worker.tokenize(Prompt((" 5, 6, 7",), add_special=False))
    assert (finished.reason, finished.completion_tokens, finished.prompt_tokens) == ("length", 8, 11)
    assert finished.engine.startswith("llama.cpp (xllamacpp ")


async def test_ids_and_text_can_be_mixed_in_a_prompt(worker: LlamaCppWorker) -> None:
    ids = tuple(await worker.tokenize(Prompt(("1, 2, 3,",))))
    deltas, finished = await collect(worker, Prompt((ids, " 4,")), temperature=0, max_tokens=4)
    assert (text_of(deltas), finished.prompt_tokens) == (" 5, ", 11)


async def test_the_end_of_the_reply_is_not_part_of_it(worker: LlamaCppWorker) -> None:
    asked = "<|im_start|>user\nSay only: yes.<|im_end|>\n<|im_start|>assistant\n"
    deltas, finished = await collect(worker, asked, temperature=0, max_tokens=200)
    assert finished.reason == "stop"
    assert finished.stop_string == ""
    assert len(ids_of(deltas)) == finished.completion_tokens - 1
    assert list(ids_of(deltas)) == await worker.tokenize(Prompt((text_of(deltas),), add_special=False))


async def test_a_stop_string_ends_the_text_before_it(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, COUNTING, temperature=0, max_tokens=40, stop=("7, 8",))
    assert (text_of(deltas), finished.reason, finished.stop_string) == (" 5, 6, ", "stop", "7, 8")
    assert list(ids_of(deltas)) == await worker.tokenize(Prompt((" 5, 6, ",), add_special=False))


async def test_a_stop_string_before_a_character_of_several_tokens_is_seen(worker: LlamaCppWorker) -> None:
    prompt, sampling = (
        Prompt(("请用中文介绍北京。北京是",)),
        Sampling(temperature=0, max_tokens=60, stop=("# ",)),
    )
    deltas = [delta async for delta in ended(worker.stream(prompt, sampling), sampling)]
    assert "# " not in text_of(deltas)
    end = deltas[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.stop_string) == ("stop", "# ")


async def test_text_held_back_for_a_stop_string_that_never_came_is_not_lost(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, COUNTING, temperature=0, max_tokens=9, stop=("7, 8",))
    assert (text_of(deltas), finished.reason) == (" 5, 6, 7,", "length")
    assert len(ids_of(deltas)) == 9


async def test_held_back_text_keeps_its_ids_when_it_is_no_stop_string(worker: LlamaCppWorker) -> None:
    deltas, _ = await collect(worker, COUNTING, temperature=0, max_tokens=12, stop=("7, 9",))
    assert text_of(deltas) == " 5, 6, 7, 8,"
    assert len(ids_of(deltas)) == 12


async def test_a_character_of_several_tokens_keeps_all_its_ids(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, "🌍🌟🌍🌟🌍🌟🌍🌟", temperature=0, max_tokens=12)
    assert any(len(delta.ids) > 1 for delta in deltas if isinstance(delta, Token))
    assert list(ids_of(deltas)) == await worker.tokenize(Prompt((text_of(deltas),), add_special=False))
    assert len(ids_of(deltas)) == finished.completion_tokens


async def test_the_same_seed_writes_the_same_and_the_seed_is_told(worker: LlamaCppWorker) -> None:
    first, finished = await collect(worker, "Once", temperature=1.2, max_tokens=16)
    seed = (finished.effective or {})["seed"]
    again, _ = await collect(worker, "Once", temperature=1.2, max_tokens=16, seed=seed)
    other, _ = await collect(worker, "Once", temperature=1.2, max_tokens=16, seed=seed ^ 1)
    assert ids_of(first) == ids_of(again) != ids_of(other)


async def test_log_probabilities_belong_to_the_ids_beside_them(worker: LlamaCppWorker) -> None:
    deltas, _ = await collect(worker, COUNTING, temperature=0, max_tokens=12, stop=("7, 9",), logprobs=3)
    tokens = [delta for delta in deltas if isinstance(delta, Token)]
    assert all(token.chosen and (token.chosen.id,) == token.ids for token in tokens)
    assert "".join(token.chosen.text for token in tokens if token.chosen) == text_of(deltas)
    assert all(token.likeliest[0] == token.chosen and len(token.likeliest) == 3 for token in tokens)


async def test_zero_log_probabilities_are_those_of_the_chosen_tokens(worker: LlamaCppWorker) -> None:
    deltas, _ = await collect(worker, COUNTING, temperature=0, max_tokens=2, logprobs=0)
    tokens = [delta for delta in deltas if isinstance(delta, Token)]
    assert [(token.likeliest, token.chosen is None) for token in tokens] == [((), False)] * 2


async def test_reading_a_long_prompt_shows_progress(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, "Long ago. " + STORY * 5, max_tokens=1)
    progress = [delta for delta in deltas if isinstance(delta, Prefill)]
    assert len(progress) > 2
    assert progress[-1] == Prefill(finished.prompt_tokens, finished.prompt_tokens, 0)


async def test_the_second_turn_reads_only_what_is_new(worker: LlamaCppWorker) -> None:
    beginning = "By the sea. " + STORY
    _, first = await collect(worker, beginning, max_tokens=1, temperature=0)
    _, second = await collect(worker, beginning + "One night", max_tokens=1, temperature=0)
    assert first.reused_tokens == 0
    assert second.reused_tokens >= first.prompt_tokens - 2
    assert second.processed_tokens == second.prompt_tokens - second.reused_tokens


async def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(worker: LlamaCppWorker) -> None:
    with pytest.raises(ContextExceeded) as refused:
        await collect(worker, "word " * 3000)
    assert refused.value.fields == {"prompt_tokens": 3001, "context": 2048}


async def test_what_the_engine_refuses_is_told_in_its_words(worker: LlamaCppWorker) -> None:
    with pytest.raises(EngineRefused, match="invalid tokens"):
        await collect(worker, Prompt(((10**7,),)))


async def test_every_parameter_reaches_the_engine(worker: LlamaCppWorker) -> None:
    asked = Sampling(
        temperature=0.7, top_k=0, top_p=0.9, min_p=0.1, typical_p=0.8, top_n_sigma=1.5, xtc_probability=0.2,
        xtc_threshold=0.2, dynatemp_range=0.1, dynatemp_exponent=1.1, repetition_penalty=1.1,
        repetition_window=-1, presence_penalty=0.1, frequency_penalty=0.2, dry_multiplier=0.8, dry_base=1.6,
        dry_allowed_length=3, dry_window=-1, dry_sequence_breakers=(), mirostat_tau=4.0, mirostat_eta=0.2,
        logit_bias=((5, 1.5), (6, float("-inf"))), ignore_eos=True, seed=7, max_tokens=3, stop=("", "zz"),
    )  # fmt: skip
    *_, finished = [delta async for delta in worker.stream(Prompt(("Once",)), asked)]
    effective, ignored = worker.honours(asked)
    assert finished.effective == effective
    assert (effective["repetition_window"], effective["dry_window"]) == (2048, 2048)
    assert ignored == ("mirostat_tau", "mirostat_eta")


async def test_a_grammar_is_kept_and_a_bad_one_refused(worker: LlamaCppWorker) -> None:
    deltas, finished = await collect(worker, "Is it?", grammar='root ::= "yes 你好"', max_tokens=40)
    assert (text_of(deltas), finished.reason) == ("yes 你好", "stop")
    with pytest.raises(EngineRefused, match="failed to parse grammar"):
        await collect(worker, "Is it?", grammar="root ::= nothing", max_tokens=40)


async def test_leaving_a_stream_stops_the_engine(worker: LlamaCppWorker) -> None:
    stream = worker.stream(Prompt(("Once upon a time",)), Sampling(ignore_eos=True))
    async for delta in stream:
        if isinstance(delta, Token):
            break
    await stream.aclose()
    while (await slots(worker))[0]["is_processing"]:
        await asyncio.sleep(0.05)


async def test_texts_are_counted_each_on_its_own(worker: LlamaCppWorker) -> None:
    assert isinstance(worker, Counts)
    texts = ["Hello there", "", "你好", "<|im_end|>", "Hello there"]
    singly = [len(await worker.tokenize(Prompt((text,), add_special=False))) for text in texts]
    assert await worker.count(texts) == singly == [2, 0, 4, 1, 2]
    assert await worker.count([]) == []


async def test_a_slot_can_be_put_aside_and_taken_back(worker: LlamaCppWorker) -> None:
    assert isinstance(worker, KeepsSlots)
    _, first = await collect(worker, STORY, max_tokens=1, temperature=0)
    saved = await worker.save_slot(0, "story.kv")
    await collect(worker, "Something else entirely", max_tokens=1)
    assert await worker.restore_slot(0, "story.kv") == saved == first.prompt_tokens
    _, again = await collect(worker, STORY + "One night", max_tokens=1, temperature=0)
    assert again.reused_tokens >= first.prompt_tokens - 2


async def slots(worker: LlamaCppWorker) -> list[dict[str, bool]]:
    process = worker._process
    assert process
    async with request(process.address, process.key, "/slots") as answer:
        return list(json.loads(await answer.body()))
