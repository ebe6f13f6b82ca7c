"""Reading headers of GGUF files, whole, damaged and hostile."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models_stand_ins import tiny_gguf

from fabula.core import texts
from fabula.models.fit.anatomy import LAYERS_LIMIT, anatomy
from fabula.models.fit.rough import guess
from fabula.models.formats import gguf
from fabula.models.formats.gguf import BadHeader, read_header, string_at
from fabula.models.formats.identify import identify, problem_sentence


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Tiny-F32.gguf"
    path.write_bytes(tiny_gguf())
    return path


def reason_for(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BadHeader) as caught:
        read_header(path)
    return caught.value.reason


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_tells_metadata_and_tensors(file: Path, version: int) -> None:
    file.write_bytes(tiny_gguf(version=version))
    header = read_header(file)
    assert header.text("general.name") == "Tiny"
    assert header.tensors[0].shape == (64, 16)
    assert header.data_end == header.file_size


def test_a_model_is_described_by_its_own_header(file: Path) -> None:
    model = identify(file)
    assert (model.name, model.title, model.quantization) == ("Tiny-F32", "Tiny", "F32")
    assert (model.parameters, model.layers, model.kv_heads, model.key_length) == (1024, 2, 2, 16)
    assert (model.bos_token, model.eos_token, model.adds_bos) == ("<s>", "</s>", True)
    assert (model.licence, model.languages, model.vocabulary) == ("cc0-1.0", ("en", "zh"), 4)
    assert not model.problem


def test_equal_vocabularies_have_equal_tokenizer_hashes(tmp_path: Path) -> None:
    one, same, other = (tmp_path / f"{name}.gguf" for name in ("one", "same", "other"))
    one.write_bytes(tiny_gguf())
    same.write_bytes(tiny_gguf(rows=32, general__name="Another"))
    other.write_bytes(tiny_gguf(tokenizer__ggml__merges=["b a"]))
    assert identify(one).tokenizer == identify(same).tokenizer != identify(other).tokenizer


def test_a_large_vocabulary_is_walked_over_and_not_kept(file: Path) -> None:
    words = [f"word{n}" for n in range(5000)]
    file.write_bytes(tiny_gguf(tokenizer__ggml__tokens=words))
    header = read_header(file)
    assert header.length("tokenizer.ggml.tokens") == 5000
    assert string_at(header, "tokenizer.ggml.tokens", 4321) == "word4321"
    kept = read_header(file, keep=["tokenizer.ggml.tokens"])
    assert kept.texts("tokenizer.ggml.tokens") == tuple(words)


def test_what_is_not_a_gguf_is_named(file: Path) -> None:
    whole = tiny_gguf()
    assert reason_for(file, b"") == "empty"
    assert reason_for(file, b"<!doctype html>") == "not_gguf"
    assert reason_for(file, b"GG") == "truncated"
    assert reason_for(file, whole[:100]) == "truncated"
    assert reason_for(file, struct.pack("<I", 0x67676A74) + b"\0" * 100) == "old_format"
    assert reason_for(file, b"GGUF" + struct.pack(">I", 3) + whole[8:]) == "big_endian"
    assert reason_for(file, b"GGUF" + struct.pack("<I", 9) + whole[8:]) == "version"


def test_absurd_counts_are_refused_before_anything_is_allocated(file: Path) -> None:
    whole, huge = tiny_gguf(), struct.pack("<Q", 1 << 40)
    assert reason_for(file, whole[:8] + huge + whole[16:]) == "damaged"
    assert reason_for(file, whole[:16] + huge + whole[24:]) == "damaged"
    assert reason_for(file, whole[:24] + huge + whole[32:]) == "damaged"
    assert reason_for(file, whole[:8] + struct.pack("<Q", 1 << 15) + whole[16:]) == "truncated"


def test_absurd_numbers_in_a_sound_header_are_planned_without_memory_for_them(file: Path) -> None:
    file.write_bytes(tiny_gguf(llama__block_count=(1 << 32) - 1, llama__attention__head_count=(1 << 31)))
    tracemalloc.start()
    assert len(anatomy([read_header(file)]).layers) == LAYERS_LIMIT
    assert len(guess(identify(file)).layers) == LAYERS_LIMIT
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_missing_end_of_the_data_is_seen(file: Path) -> None:
    file.write_bytes(tiny_gguf()[:-1])
    assert identify(file).problem == "models.problem.truncated"


def test_a_model_that_holds_no_text_is_told_before_it_is_loaded(file: Path) -> None:
    """The engine loads it, and aborts at the first prompt."""
    file.write_bytes(tiny_gguf(llama__context_length=0))
    assert identify(file).problem == "models.problem.no_context"
    file.write_bytes(tiny_gguf(llama__context_length=1))
    assert identify(file).problem == ""


@pytest.mark.parametrize("kind", ["adapter", "mmproj", "imatrix"])
def test_helpers_of_models_are_not_taken_for_models(file: Path, kind: str) -> None:
    file.write_bytes(tiny_gguf(general__type=kind))
    model = identify(file)
    assert model.problem == f"models.problem.{kind}"
    assert {problem_sentence(model, language) for language in texts.LANGUAGES}.isdisjoint({model.problem})


def test_a_split_with_a_missing_part_is_no_model(tmp_path: Path) -> None:
    first = tmp_path / "Big-00001-of-00002.gguf"
    first.write_bytes(tiny_gguf())
    assert identify(first).problem == "models.problem.parts_missing"
    (tmp_path / "Big-00002-of-00002.gguf").write_bytes(tiny_gguf())
    whole = identify(first)
    assert (whole.name, whole.problem, whole.parameters) == ("Big", "", 2048)


def test_thousands_of_damaged_headers_crash_nothing_and_allocate_little(file: Path) -> None:
    whole, rng = tiny_gguf(), random.Random(7)
    tracemalloc.start()
    for _ in range(3000):
        damaged = bytearray(whole[: rng.randrange(8, len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(min(len(damaged), 900))
            damaged[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        file.write_bytes(damaged)
        identify(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


HOSTILE = {
    "a long string": struct.pack("<IQ", 8, 31 << 20),
    "a string of 1 GiB": struct.pack("<IQ", 8, 1 << 30),
    "an array of 1 Gi numbers": struct.pack("<IIQ", 9, 0, 1 << 30),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_claims_much_of_a_large_file_takes_little_memory(file: Path, value: bytes) -> None:
    key = struct.pack("<Q", 3) + b"key"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + value)
    os.truncate(file, 2 << 30)
    tracemalloc.start()
    assert identify(file).problem
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_list_of_texts_without_end_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "HEADER_LIMIT", 1 << 20)
    key = struct.pack("<Q", 3) + b"key" + struct.pack("<IIQ", 9, 8, 100 << 20)
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key)
    os.truncate(file, 2 << 30)
    assert identify(file).problem == "models.problem.damaged"


def test_many_small_things_are_no_way_around_the_limits(file: Path) -> None:
    pair = struct.pack("<IIQ", 9, 0, 1000) + bytes(1000)
    pairs = b"".join(struct.pack("<Q", 5) + b"%05d" % n + pair for n in range(5000))
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 5000) + pairs)
    tracemalloc.start()
    header = read_header(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(header.metadata["00000"], tuple)
    assert header.length("04999") == 1000
    assert peak < 64 << 20


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(b"GGUF\3\0\0\0" + content)
    assert identify(file).path == file
