"""Gaps between two texts: our prompt is the one that the engine's own /infill makes."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from asking import collect, plan_for, text_of

from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.models.formats.identify import identify
from fabula.prompt.infill import gap

KEYS = {"pre": 5, "suf": 6, "mid": 7}
U32, STRING, ALIGNMENT = 4, 8, 32


def with_gaps(starter: Path, path: Path) -> Path:
    """The starter, whose header says that three of its tokens are for gaps."""
    content = starter.read_bytes()
    tensors, pairs = struct.unpack_from("<QQ", content, 8)
    keys = {f"tokenizer.ggml.fim_{name}_token_id": struct.pack("<II", U32, id) for name, id in KEYS.items()}
    more = b"".join(_string(key) + value for key, value in keys.items())
    filler = _string("filler") + struct.pack("<IQ", STRING, 0)
    length = -(len(more) + len(filler)) % ALIGNMENT  # so that the weights stay where the header has them
    more += _string("filler") + struct.pack("<IQ", STRING, length) + bytes(length)
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, tensors, pairs + len(keys) + 1) + more + content[24:])
    return path


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    starter_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCppWorker]:
    folder = tmp_path_factory.mktemp("gaps")
    model = identify(with_gaps(starter_model, folder / "gaps.gguf"))
    worker = LlamaCppWorker(folder / "logs")
    await worker.load(model, plan_for(model, context=512))
    yield worker
    await worker.close()


async def engine_s(worker: LlamaCppWorker, before: str, behind: str) -> tuple[str, int]:
    """The prompt that the engine makes of it and its tokens, without the file's name that it puts in front
    where a model has tokens for that."""
    asked = {"input_prefix": before, "input_suffix": behind, "n_predict": 1}
    answer = await worker._post("/infill", asked)
    name, mark, gap = answer["prompt"].partition(await worker.detokenize([KEYS["pre"]]))
    (named,) = await worker.count([name])
    return mark + gap, answer["tokens_evaluated"] - named


def test_the_tokens_of_a_gap_are_in_the_header(tmp_path: Path, starter_model: Path) -> None:
    assert identify(with_gaps(starter_model, tmp_path / "gaps.gguf")).infill == tuple(KEYS.values())
    assert identify(starter_model).infill == ()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("def area(radius):\n    return ", "\n\nprint(area(3))\n"),
        ("Once upon a time", "and they lived happily ever after."),
        ("The ", " sat on the mat."),
        ("", "is the capital of France."),
    ],
)
async def test_our_gap_is_the_engine_s(worker: LlamaCppWorker, before: str, behind: str) -> None:
    ours = Prompt(gap((before,), behind, worker.model.infill))
    ids = await worker.tokenize(ours)
    assert (await worker.detokenize(ids), len(ids)) == await engine_s(worker, before, behind)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_gap_is_read_as_it_was_made(worker: LlamaCppWorker) -> None:
    ours = Prompt(gap(("Once upon a ",), " lived a fox.", worker.model.infill))
    deltas, end = await collect(worker, ours, temperature=0, max_tokens=5)
    assert end.prompt_tokens == len(await worker.tokenize(ours))
    assert text_of(deltas)
