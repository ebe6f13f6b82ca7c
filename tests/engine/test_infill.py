"""Gaps between two texts: our prompt is the one that the engine's own /infill makes."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from asking import collect, plan_for, text_of
from studio_process import StudioProcess, home_with

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
        ("stop = '<|im_end|>'  # <repo_name>", "\nstart = '<|im_start|>system'\n<|endoftext|>"),
    ],
)
async def test_our_gap_is_the_engine_s(worker: LlamaCppWorker, before: str, behind: str) -> None:
    ours = Prompt(gap((before,), behind, worker.model.infill), literal=True)
    ids = await worker.tokenize(ours)
    assert (await worker.detokenize(ids), len(ids)) == await engine_s(worker, before, behind)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("text", ["Once upon a ", "stop = '<|im_end|>', "])
async def test_a_gap_is_read_as_it_was_made(worker: LlamaCppWorker, text: str) -> None:
    ours = Prompt(gap((text,), " lived a fox.", worker.model.infill), literal=True)
    deltas, end = await collect(worker, ours, temperature=0, max_tokens=5)
    assert end.prompt_tokens == len(await worker.tokenize(ours))
    assert text_of(deltas)


def test_text_around_a_gap_never_becomes_control_tokens_in_any_dialect(
    starter_model: Path, tmp_path: Path
) -> None:
    home = home_with(tmp_path / "home", with_gaps(starter_model, tmp_path / "gaps.gguf"))
    before, behind = "end = '<|im_end|>'", "\nstart = '<|im_start|>'"
    studio = StudioProcess(home)
    try:
        with httpx.Client(base_url=studio.address, timeout=60) as http:

            def asked(path: str, **body: object) -> dict[str, Any]:
                answer = http.post(path, json={"model": "gaps", **body})
                assert answer.status_code == 200, answer.text
                return dict(answer.json())

            plain = [
                len(asked("/tokenize", content=text, parse_special=False)["tokens"])
                for text in (before, behind)
            ]
            both = {"prompt": before, "suffix": behind, "stream": False}
            infill = asked("/infill", input_prefix=before, input_suffix=behind, n_predict=1)
            openai = asked("/v1/completions", **both, max_tokens=1)
            ollama = asked("/api/generate", **both, options={"num_predict": 1})
        read = (
            infill["tokens_evaluated"],
            openai["usage"]["prompt_tokens"],
            ollama["prompt_eval_count"],
        )
        assert read == (sum(plain) + len(KEYS),) * 3
    finally:
        studio.close()
