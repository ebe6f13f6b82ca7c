"""Folders of safetensors that are not here yet: what they are, from a few kilobytes of each file."""

from __future__ import annotations

import json
import struct
from collections.abc import Generator

import pytest
from models_stand_ins import Shelf, serve

from fabula.cli.main import main
from fabula.core.errors import NotAModel
from fabula.models.sources import peek_folder as peeking
from fabula.models.sources.peek_folder import peek_folder

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 4096,
    "vocab_size": 1000,
}


def weights(**tensors: tuple[str, list[int]]) -> bytes:
    """A file of safetensors of zeros."""
    rows, at = {}, 0
    for name, (kind, shape) in tensors.items():
        size = {"BF16": 2, "I32": 4, "F16": 2}[kind] * shape[0] * shape[1]
        rows[name.replace("__", ".")] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(rows).encode()
    return struct.pack("<Q", len(header)) + header + bytes(at)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Generator[Shelf]:
    shelf = Shelf()
    server = serve(shelf)
    monkeypatch.setenv("HF_ENDPOINT", shelf.address)
    yield shelf
    server.shutdown()
    server.server_close()


def offer(shelf: Shelf, **more: bytes) -> None:
    files = {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": b"{" + b" " * 5_000_000 + b"}",
        "tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}).encode(),
        "model-00001-of-00002.safetensors": weights(a__weight=("BF16", [1000, 512])),
        "model-00002-of-00002.safetensors": weights(b__weight=("BF16", [500, 512])),
    }
    shelf.add_to_hub("someone/Tiny", files | {name.replace("__", "."): data for name, data in more.items()})


def sent(shelf: Shelf) -> int:
    spans = (span.removeprefix("bytes=").split("-") for span in shelf.ranges_asked())
    return sum(int(last) - int(first) + 1 for first, last in spans)


def test_it_tells_what_the_folder_is_without_its_weights(shelf: Shelf) -> None:
    offer(shelf)
    found = peek_folder("hf:someone/Tiny")
    model = found.inspection.model
    assert (model.architecture, model.parameters, model.quantization) == ("llama", 768_000, "BF16")
    assert (model.trained_context, model.chat_template, model.problem) == (4096, "{{ messages }}", "")
    assert found.inspection.bits == 16
    assert model.size > 2 * 768_000
    assert found.requests == 4  # two small files, two of weights


def test_fabula_show_tells_it(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    offer(shelf)
    with pytest.raises(SystemExit, match="0"):
        main(["show", "hf:someone/Tiny", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["model"]["architecture"], told["types"][0]["name"]) == ("llama", "BF16")


def test_a_long_header_takes_a_second_request(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peeking, "FIRST", 16)
    offer(shelf)
    found = peek_folder("hf:someone/Tiny")
    assert (found.inspection.model.parameters, found.requests) == (768_000, 6)


def test_packed_weights_are_told_with_their_method(shelf: Shelf) -> None:
    told = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    packed = weights(q__qweight=("I32", [64, 512]), q__scales=("F16", [4, 512]))
    offer(shelf)
    shelf.add_to_hub(
        "someone/Tiny-GPTQ",
        {
            "config.json": json.dumps(CONFIG | {"quantization_config": told}).encode(),
            "model.safetensors": packed,
        },
    )
    found = peek_folder("hf:someone/Tiny-GPTQ").inspection
    assert (found.method, found.bits, found.group_size) == ("gptq", 4, 128)
    assert found.model.parameters == 64 * 8 * 512


def test_a_header_of_absurd_length_is_told_as_damaged(shelf: Shelf) -> None:
    bad = struct.pack("<Q", 1 << 50) + bytes(1000)
    shelf.add_to_hub("someone/Bad", {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": bad})
    assert peek_folder("hf:someone/Bad").inspection.model.problem == "models.problem.damaged"


def test_a_repository_of_gguf_files_is_no_such_folder(shelf: Shelf) -> None:
    shelf.add_to_hub("someone/Other", {"Tiny-Q4_0.gguf": b"GGUF" + bytes(100)})
    with pytest.raises(NotAModel):
        peek_folder("hf:someone/Other")
