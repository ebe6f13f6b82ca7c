"""Images by the real engine: the starter sees noise through a tiny projector made on the spot."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import tiny_eye
from asking import collect, plan_for, text_of

from fabula.core.errors import EngineRefused
from fabula.core.messages import IMAGE
from fabula.core.worker import Prompt
from fabula.engine.cache.shelf import Shelf
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.models.formats.identify import identify

pytestmark = pytest.mark.asyncio(loop_scope="module")


def png(*color: int) -> bytes:
    """One color, as large as the projector looks."""
    rows = (b"\0" + bytes(color) * tiny_eye.SIDE) * tiny_eye.SIDE
    header = struct.pack(">IIBBBBB", tiny_eye.SIDE, tiny_eye.SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


RED, BLUE = png(255, 0, 0), png(0, 0, 255)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    starter_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCppWorker]:
    folder = tmp_path_factory.mktemp("seeing")
    model = identify(starter_model)
    eye = tiny_eye.write(folder / "mmproj.gguf", model.embedding)
    assert identify(eye).problem == "models.problem.mmproj"
    worker = LlamaCppWorker(folder / "logs", shelf=Shelf(folder / "kv", 1 << 30))
    await worker.load(dataclasses.replace(model, projector=str(eye)), plan_for(model, context=512))
    yield worker
    await worker.close()


async def logprob(worker: LlamaCppWorker, *images: bytes) -> tuple[float, int]:
    """How likely the first token is after these images, and the tokens of the prompt."""
    prompt = Prompt((f"Look: {IMAGE * len(images)} This is",), images=images)
    deltas, end = await collect(worker, prompt, temperature=0, max_tokens=1, logprobs=1)
    chosen = [delta.chosen.logprob for delta in deltas if getattr(delta, "chosen", None)]
    return chosen[0], end.prompt_tokens


async def test_a_model_with_a_projector_sees(worker: LlamaCppWorker) -> None:
    assert worker.sees_images
    red, blue, again = [await logprob(worker, image) for image in (RED, BLUE, RED)]
    assert red[0] == pytest.approx(again[0], abs=0.05)
    assert abs(red[0] - blue[0]) > 0.05


async def test_each_image_takes_the_tokens_of_its_patches(worker: LlamaCppWorker) -> None:
    one, two = [(await logprob(worker, *images))[1] for images in ((RED,), (RED, BLUE))]
    assert two - one == tiny_eye.PATCHES


async def test_a_damaged_image_is_refused_by_the_engine(worker: LlamaCppWorker) -> None:
    with pytest.raises(EngineRefused):
        await logprob(worker, RED[:40])


async def test_text_alone_is_read_as_always(worker: LlamaCppWorker) -> None:
    _, end = await collect(worker, "Hello there", temperature=0, max_tokens=3)
    assert end.completion_tokens == 3


async def test_banned_texts_stay_out_of_what_is_said_of_an_image(worker: LlamaCppWorker) -> None:
    """What stands so far is given as text then: the engine takes images beside nothing else."""
    banned = (" the", " a", " of", "e ", " is")
    prompt = Prompt((f"Look: {IMAGE} This is",), images=(RED,))
    deltas, end = await collect(worker, prompt, seed=1, max_tokens=24, banned_strings=banned)
    assert end.bans
    assert end.bans.count > 0
    assert not [text for text in banned if text in text_of(deltas)]
