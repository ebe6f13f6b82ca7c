"""The picture of the next word: our samplers on what the engine tells, against the engine's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapter_making import changes_of, write_gguf
from adapting import loaded
from direct_asking import PLAIN, direct

from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.llamacpp import wire
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.sampling.picture import applied, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The sea, the sea, the old grey sea. By the sea there was a house, and in the house there was a"
SHOWN = 300
EXACT, HOT = 2e-5, 1e-3  # heat brings back the unlikely rest, which is estimated

SETTINGS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "a high temperature": {"temperature": 1.7},
    "top_k": {"top_k": 10},
    "top_p": {"top_p": 0.8},
    "min_p": {"min_p": 0.02},
    "typical_p": {"typical_p": 0.7},
    "top_n_sigma": {"top_n_sigma": 1.2},
    "xtc": {"xtc_probability": 1.0, "xtc_threshold": 0.02},
    "dry": {"dry_multiplier": 2.0, "dry_allowed_length": 1},
    "penalties": {"repetition_penalty": 1.3, "repetition_window": 20, "frequency_penalty": 0.2},
    "presence": {"presence_penalty": 0.7},
    "dynatemp": {"dynatemp_range": 0.5},
    "order": {"temperature": 2.0, "min_p": 0.1, "sampler_order": ("temperature", "min_p")},
    "defaults": Sampling().all(),
    "greedy": {"temperature": 0.0},
}


async def engines_own(worker: LlamaCppWorker, ids: tuple[int, ...], sampling: Sampling) -> dict[int, float]:
    """Probabilities after its samplers, as it tells them."""
    used, _ = worker.honours(sampling)
    asked = wire.body(Prompt((ids,), add_special=False), sampling, used)
    asked |= {"n_predict": 1, "n_probs": SHOWN, "post_sampling_probs": True, "stream": False, "id_slot": 0}
    answer = await worker._post("/completion", asked)
    return {row["id"]: row["prob"] for row in answer["completion_probabilities"][0]["top_probs"]}


@pytest.mark.parametrize("name", SETTINGS)
async def test_it_is_what_the_engine_draws_from(worker: LlamaCppWorker, name: str) -> None:
    sampling = replace(PLAIN, **SETTINGS[name])
    outlook = await worker.outlook(Prompt((TEXT,)), sampling)
    theirs = await engines_own(worker, outlook.prompt, sampling)
    ours, _ = applied(outlook, sampling)
    tolerance = HOT if sampling.temperature > 1 else EXACT
    assert len(theirs) > 1 or not sampling.temperature
    assert max(abs(ours[token] - chance) for token, chance in theirs.items()) < tolerance
    assert int((ours > 0).sum()) == len(theirs) or len(theirs) == SHOWN


async def test_what_was_read_for_it_is_not_read_again(worker: LlamaCppWorker) -> None:
    outlook = await worker.outlook(Prompt((TEXT,)), Sampling())
    deltas = [delta async for delta in worker.stream(Prompt((TEXT,)), Sampling(max_tokens=1))]
    assert deltas[-1].processed_tokens == 1
    assert deltas[-1].prompt_tokens == len(outlook.prompt)


async def test_the_exact_engine_tells_all_of_it(
    worker: LlamaCppWorker, model: LocalModel, tmp_path: Path
) -> None:
    served = await worker.outlook(Prompt((TEXT,)), replace(PLAIN, repetition_penalty=1.1))
    async with direct(model, tmp_path) as other:
        exact = await other.outlook(Prompt((TEXT,)), PLAIN)
    assert len(exact.tokens) == exact.vocabulary
    assert np.exp(np.asarray(exact.logprobs)).sum() == pytest.approx(1, abs=1e-5)
    drawn = picture(exact, replace(PLAIN, top_k=5), 12)
    assert drawn.tokens == 5
    assert [step.name for step in drawn.steps] == ["top_k"]
    assert sum(bar.after for bar in drawn.bars) == pytest.approx(1)
    assert (served.prompt, served.tokens[0]) == (exact.prompt, exact.tokens[0])
    assert served.pieces[served.tokens[0]] == exact.pieces[exact.tokens[0]]
    assert served.offset == pytest.approx(exact.offset, abs=0.5)  # quantized weights take another path


async def test_a_trait_changes_what_comes_next_and_back(
    starter_model: Path, model: LocalModel, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "one.gguf", changes_of(starter_model, ("attn_output", "ffn_down"), 1, "one"))
    async with loaded(model, tmp_path, tmp_path / "kv", names=("one",)) as worker:
        seen = [
            await worker.outlook(Prompt((TEXT,)), Sampling(adapters=(("one", scale),)))
            for scale in (0.0, 1.5, 0.0)
        ]
    plain, strong, again = (dict(zip(one.tokens, one.logprobs, strict=True)) for one in seen)
    likeliest = list(plain)[:20]
    assert max(abs(plain[token] - again[token]) for token in likeliest) < 1e-3
    assert max(abs(plain[token] - strong.get(token, -30)) for token in likeliest) > 0.05
