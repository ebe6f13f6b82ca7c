"""Everything that is known to make the engine fail: each is one sentence that says what to do.

The list is that of the measurements behind this house, as far as its cases can be reached through Fabula.
What `identify` finds in a file is told before any engine starts; here the engine itself meets the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_eye
from asking import collect, plan_for

from fabula.core import texts
from fabula.core.errors import BadParameter, EngineRefused, FabulaError, ModelLoadFailed
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.texts import Phrase
from fabula.engine.llamacpp.worker import LlamaCppWorker

HEADER = 8_000_000  # bytes; more than the starter's header with its vocabulary
TENSOR_COUNT, KEY_COUNT = 8, 16  # places of the two numbers behind "GGUF" and the version

Spoil = Callable[[bytearray], bytes | bytearray]


def at(place: int, number: int) -> Spoil:
    def spoil(header: bytearray) -> bytearray:
        struct.pack_into("<Q", header, place, number)
        return header

    return spoil


def key(name: bytes, number: int) -> Spoil:
    def spoil(header: bytearray) -> bytearray:
        struct.pack_into("<I", header, header.index(name) + len(name) + 4, number)  # behind its type
        return header

    return spoil


def swapped(old: bytes, new: bytes) -> Spoil:
    return lambda header: header.replace(old, new.ljust(len(old)))


FILES: list[tuple[str, Spoil | None, str]] = [
    ("missing", None, "missing"),
    ("empty", lambda header: b"", "damaged"),
    ("a text", lambda header: b"This is a shopping list.\n" * 20, "damaged"),
    ("bad magic", lambda header: b"GGML" + header[4:], "damaged"),
    ("cut in the header", lambda header: header[:20_000], "damaged"),
    ("2^40 tensors", at(TENSOR_COUNT, 2**40), "damaged memory"),
    ("-1 tensors", at(TENSOR_COUNT, 2**64 - 1), "damaged memory"),
    ("2^40 keys", at(KEY_COUNT, 2**40), "damaged memory"),
    ("flipped metadata", lambda header: header[:300] + header[900:300:-1] + header[900:], "damaged memory"),
    ("wrong embedding length", key(b"llama.embedding_length", 577), "damaged"),
    ("no heads", key(b"llama.attention.head_count", 0), "damaged crashed"),
    ("9999 layers", key(b"llama.block_count", 9999), "damaged crashed memory"),
    ("unknown architecture", swapped(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0zebra"), "newer"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "wanted"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
async def test_a_file_that_cannot_be_loaded(
    model: LocalModel, tmp_path: Path, spoil: Spoil | None, wanted: str
) -> None:
    file = tmp_path / "broken.gguf"
    if spoil:
        whole = model.path.stat().st_size
        content = spoil(bytearray(model.path.read_bytes()[:HEADER]))
        file.write_bytes(content)
        if len(content) >= HEADER:
            os.truncate(file, whole)
    await refused(replace(model, path=file), tmp_path, wanted)


async def test_a_file_that_ends_too_early(model: LocalModel, tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(model.path.read_bytes()[:-100])
    await refused(replace(model, path=file), tmp_path, "damaged")


async def test_weights_that_make_no_numbers_are_noticed_at_the_first_load(
    model: LocalModel, tmp_path: Path
) -> None:
    """They load like any others, and would write one token again and again."""
    content = bytearray(model.path.read_bytes())
    content[60_000_000:60_100_000] = b"\xff" * 100_000
    file = tmp_path / "broken.gguf"
    file.write_bytes(content)
    for _ in range(2):
        await refused(replace(model, path=file), tmp_path, "crashed")


async def test_weights_that_were_found_sound_are_not_asked_again(model: LocalModel, tmp_path: Path) -> None:
    asked = []

    class Noting(LlamaCppWorker):
        async def _post(self, path: str, body: dict[str, object]) -> object:
            asked.append(path)
            return await super()._post(path, body)

    for _ in range(2):
        worker = Noting(tmp_path)
        await worker.load(model, plan_for(model))
        await worker.close()
    assert asked == ["/tokenize", "/completion"]
    copy = tmp_path / "changed.gguf"
    copy.write_bytes(model.path.read_bytes())
    worker = Noting(tmp_path)
    await worker.load(replace(model, path=copy), plan_for(model))
    await worker.close()
    assert len(asked) == 4, "another file is"


async def test_the_engine_has_said_all_before_python_speaks(model: LocalModel, tmp_path: Path) -> None:
    """Two threads that write at once tear each other's lines, and the reason with them."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(key(b"llama.attention.head_count", 0)(bytearray(model.path.read_bytes())))
    await refused(replace(model, path=file), tmp_path / "logs", "damaged crashed")
    told = "".join(log.read_text(errors="replace") for log in (tmp_path / "logs").iterdir())
    engine, traceback, python = told.partition("Traceback (most recent call last)")
    assert " E " in engine
    assert "RuntimeError: Failed to init server" in python, traceback
    assert " E " not in python


async def test_a_projector_of_another_model(model: LocalModel, tmp_path: Path) -> None:
    narrow = tiny_eye.write(tmp_path / "mmproj.gguf", 64)
    await refused(replace(model, projector=str(narrow)), tmp_path, "projector")


async def test_a_folder(model: LocalModel, tmp_path: Path) -> None:
    await refused(replace(model, path=tmp_path), tmp_path, "damaged unreadable")


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        ({"context": 1}, "crashed options damaged"),
        ({"context": 2**25}, "memory"),  # of 2**30 it counts the cells first, until the system ends it
        ({"context": 2**31 - 1}, "memory options"),
        ({"kv_type": "i32"}, "crashed options"),
        ({"kv_type": "q6_K"}, "options crashed newer"),
        ({"kv_type": "f99"}, "options"),
        ({"slots": 300}, "options"),
        ({"options": LoadOptions(kv_type_v="q4_0", flash_attention="off")}, "flash"),
    ],
    ids=str,
)
async def test_a_plan_that_cannot_be_loaded(
    model: LocalModel, tmp_path: Path, plan: dict[str, object], wanted: str
) -> None:
    await refused(model, tmp_path, wanted, **plan)


@pytest.mark.parametrize("option", ["slots", "batch", "context"])
def test_what_would_hang_or_abort_the_engine_cannot_be_wished(option: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        LoadOptions(**{option: 0})
    reads_well(refusal.value)


@pytest.mark.parametrize("grammar", ["root ::= nothing", "root ::= root", "root", "root ::= [z-a"])
async def test_a_grammar_that_says_nothing(worker: LlamaCppWorker, grammar: str) -> None:
    with pytest.raises(EngineRefused) as refusal:
        await collect(worker, "Hello", grammar=grammar, max_tokens=2)
    reads_well(refusal.value)


async def refused(model: LocalModel, folder: Path, wanted: str, **plan: object) -> None:
    worker = LlamaCppWorker(folder, start_timeout_s=60)
    with pytest.raises(ModelLoadFailed) as failed:
        await worker.load(model, plan_for(model, **plan))
    assert not worker.alive
    assert failed.value.advice.removeprefix("models.advice.") in wanted.split(), failed.value.sentence()
    reads_well(failed.value)


def reads_well(failure: FabulaError) -> None:
    for language in texts.LANGUAGES:
        sentence = failure.sentence(language)
        assert "\n" not in sentence
        reason = getattr(failure, "reason", "")
        assert "{" not in sentence.replace(reason.say(language) if isinstance(reason, Phrase) else reason, "")
        assert "Failed to init server" not in sentence
        assert "models.advice" not in sentence
