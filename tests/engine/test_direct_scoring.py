"""Exact log-probabilities of texts, and two models compared, with the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio
from asking import is_gone
from direct_asking import GREEDY, direct, write

from bench import tiny_models
from fabula.core.errors import ContextExceeded, EngineDied, EngineRefused, ModelLoadFailed
from fabula.core.model import LocalModel
from fabula.core.scoring import Captures, Compares, Scores, Steers
from fabula.core.worker import Counts, Prompt, Spells, TakesAdapters
from fabula.engine.direct import proof, tiny
from fabula.engine.direct.worker import DirectWorker

TEXT = "Once upon a time there was a small lighthouse at the end of the world, and nobody knew who lit it."
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DirectWorker]:
    async with direct(model, tmp_path_factory.mktemp("direct")) as worker:
        yield worker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def precise(
    starter_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DirectWorker]:
    """A tiny model of 32-bit weights: with quantized ones, the engine computes a token that is read alone by
    another path than one among others."""
    folder = tmp_path_factory.mktemp("precise")
    path = tiny_models.write("gemma3", folder / "precise.gguf", starter_model)
    model = LocalModel(name="precise", path=path, size=path.stat().st_size)
    async with direct(model, folder) as worker:
        yield worker


async def test_it_declares_what_it_can(worker: DirectWorker) -> None:
    for seam in (Counts, Spells, TakesAdapters, Scores, Compares, Captures, Steers):
        assert isinstance(worker, seam)


async def test_a_tiny_model_gives_the_known_log_probabilities(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "tiny.gguf")
    model = LocalModel(name="tiny", path=path, size=path.stat().st_size)
    async with direct(model, tmp_path) as worker:
        scored = await worker.score(Prompt((proof.IDS,)))
    assert scored.logprobs == pytest.approx(proof.LOGPROBS, abs=1e-4)


async def test_a_text_has_a_log_probability_for_every_token_but_the_first(worker: DirectWorker) -> None:
    scored = await worker.score(Prompt((TEXT,)), likeliest=4)
    assert "".join(scored.texts) == TEXT
    assert len(scored.logprobs) == len(scored.ids) - 1 == len(scored.likeliest)
    for best in scored.likeliest:
        values = [choice.logprob for choice in best]
        assert values == sorted(values, reverse=True)
        assert len(values) == 4


async def test_what_is_scored_is_what_is_told_while_writing(precise: DirectWorker) -> None:
    tokens, _ = await write(precise, "Once upon a time", replace(GREEDY, logprobs=2, max_tokens=12))
    ids = [id for token in tokens for id in token.ids]
    prompt = await precise.tokenize(Prompt(("Once upon a time",)))
    scored = await precise.score(Prompt(((*prompt, *ids),)))
    told = [token.chosen.logprob for token in tokens if token.chosen]
    assert scored.logprobs[len(prompt) - 1 :] == pytest.approx(told, abs=1e-4)


async def test_continuations_read_together_are_as_those_read_one_by_one(precise: DirectWorker) -> None:
    prefix = await precise.tokenize(Prompt((TEXT,)))
    texts = [
        " It was the keeper.",
        " Nobody",
        " And so",
        " The sea took it all away in the night, they said.",
    ]
    endings = [await precise.tokenize(Prompt((text,), add_special=False)) for text in texts * 12]
    together = await precise.choices(Prompt((tuple(prefix),)), [Prompt((tuple(ids),)) for ids in endings])
    assert len(together) == 48  # more than there are sequences
    for ids, row in zip(endings[:4], together, strict=False):
        alone = await precise.score(Prompt(((*prefix, *ids),)))
        assert row == pytest.approx(alone.logprobs[len(prefix) - 1 :], abs=1e-4)
    assert together[0] == pytest.approx(together[44], abs=1e-4)


async def test_longer_than_the_context_is_told_with_both_numbers(worker: DirectWorker) -> None:
    with pytest.raises(ContextExceeded) as told:
        await worker.score(Prompt((TEXT * 40,)))
    assert told.value.context == 512 < told.value.prompt_tokens
    with pytest.raises(ContextExceeded):
        await worker.choices(Prompt((TEXT,)), [Prompt((TEXT * 40,))])


async def test_ids_that_the_model_does_not_have_are_refused(worker: DirectWorker) -> None:
    with pytest.raises(EngineRefused, match="999999"):
        await worker.score(Prompt(((5, 999_999),)))


async def test_texts_of_one_token_have_nothing_to_score(worker: DirectWorker) -> None:
    assert (await worker.score(Prompt(((5,),)))).logprobs == ()
    assert await worker.choices(Prompt((TEXT,)), [Prompt(((),))]) == [()]


async def test_a_model_is_no_distance_from_itself_and_some_from_a_steered_one(
    worker: DirectWorker, tmp_path: Path
) -> None:
    ids = await worker.tokenize(Prompt((TEXT,)))
    file = tmp_path / "rows"
    await worker.keep_rows(ids, 0, len(ids), file)
    assert file.stat().st_size == 4 * len(ids) * worker.vocabulary
    same = await worker.compare_rows(ids, 0, len(ids), file)
    assert max(row.kl for row in same) < 1e-6
    assert all(row.same_top for row in same)
    assert same[-1].first is None
    await worker.steer({15: np.ones(576).tolist()}, 0.5)
    other = await worker.compare_rows(ids, 0, len(ids), file)
    await worker.steer({})
    assert min(row.kl for row in other) > 0
    assert other[3].first == pytest.approx(same[3].first, abs=1e-4)


async def test_reading_in_pieces_changes_nothing(precise: DirectWorker, tmp_path: Path) -> None:
    ids = await precise.tokenize(Prompt((TEXT,)))
    whole = (await precise.score(Prompt((tuple(ids),)))).logprobs
    found = []
    for start in range(0, len(ids), 7):
        end = min(start + 7, len(ids))
        await precise.keep_rows(ids, start, end, tmp_path / "rows")
        found += await precise.compare_rows(ids, start, end, tmp_path / "rows")
    assert [row.second for row in found[:-1]] == pytest.approx(whole, abs=1e-4)


async def test_a_file_of_another_shape_is_refused(worker: DirectWorker, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"1234")
    with pytest.raises(EngineRefused, match="4 bytes"):
        await worker.compare_rows([1, 2, 3], 0, 3, tmp_path / "rows")


async def test_tokens_and_texts_are_those_of_the_tokenizer(worker: DirectWorker) -> None:
    assert await worker.count(["Hello world", "", "灯塔"]) == [
        2,
        0,
        len(await worker.tokenize(Prompt(("灯塔",)))),
    ]
    ids = await worker.tokenize(Prompt(("灯塔 <|im_end|>", (5, 6)), add_special=False))
    assert ids[-2:] == [5, 6]
    assert (await worker.detokenize(ids[:-2])) == "灯塔 <|im_end|>"
    literal = await worker.tokenize(Prompt(("灯塔 <|im_end|>", (5, 6)), add_special=False, literal=True))
    assert (await worker.detokenize(literal[:-2])) == "灯塔 <|im_end|>"
    assert len(literal) > len(ids)


async def test_a_file_that_is_no_model_is_told_with_the_engine_s_reason(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"GGUF" + bytes(200))
    model = LocalModel(name="no", path=tmp_path / "no.gguf", size=204)
    with pytest.raises(ModelLoadFailed) as told:
        async with direct(model, tmp_path):
            pass
    assert told.value.reason


async def test_a_killed_child_is_told_and_leaves_nothing(model: LocalModel, tmp_path: Path) -> None:
    async with direct(model, tmp_path) as worker:
        pid = worker.pid
        psutil.Process(pid).kill()
        with pytest.raises(EngineDied):
            await worker.score(Prompt((TEXT,)))
        assert not worker.alive
    assert await is_gone(pid)
