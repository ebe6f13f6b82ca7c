"""Which type each tensor gets, against what llama.cpp's own quantizer decides.

`fixtures/quantize/types.json` holds, for each model and mix ("+" = with an importance matrix), the start of a
SHA-256 over the lines "tensor TYPE" in the quantizer's order. They were recorded from dry runs of
`llama_model_quantize` (llama.cpp's llama-quant.cpp of the pinned engine, linked to the engine's own library)
over these headers.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import random
from pathlib import Path

import pytest

from fabula.core.errors import BadParameter
from fabula.lab.quantize.mixes import MIXES, mix_named, name_for
from fabula.lab.quantize.rules import Choice, anatomy, choose, in_order
from fabula.models.formats.gguf import Header, Tensor, read_header
from fabula.models.formats.types import TENSOR_TYPES

FIXTURES = Path(__file__).parent.parent / "fixtures"
KNOWN: dict[str, dict[str, str]] = json.loads((FIXTURES / "quantize" / "types.json").read_text())
FOLDERS = [FIXTURES / "fit" / "headers", FIXTURES / "fit_more" / "headers"]


@functools.cache
def packed(model: str) -> Path:
    files = sorted(file for folder in FOLDERS for file in folder.glob(f"{model}.*.gguf-header.gz"))
    exact = [file for file in files if file.name.removesuffix(".gguf-header.gz").rsplit(".", 1)[0] == model]
    return next((file for file in exact if ".F16." in file.name), exact[0])


def header_of(model: str, folder: Path) -> Header:
    file = folder / "model.gguf"
    file.write_bytes(gzip.decompress(packed(model).read_bytes()))
    return read_header(file)


def digest(choices: list[Choice]) -> str:
    lines = (f"{choice.tensor.name} {TENSOR_TYPES[choice.type].name}" for choice in choices)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("model", KNOWN)
def test_every_tensor_gets_the_type_that_llama_cpp_gives_it(model: str, tmp_path: Path) -> None:
    header = header_of(model, tmp_path)
    shape, tensors = anatomy(header), in_order(header.tensors)
    ours = {
        name: digest(choose(shape, tensors, MIXES[name.rstrip("+")], informed=name.endswith("+")))
        for name in KNOWN[model]
    }
    assert len(ours) >= 2 * (len(MIXES) - 1)
    assert ours == KNOWN[model]


def test_the_order_of_tensors_in_the_file_makes_no_difference(tmp_path: Path) -> None:
    header = header_of("llama-2-7b", tmp_path)
    mixed = list(header.tensors)
    random.Random(1).shuffle(mixed)
    found = choose(anatomy(header), in_order(mixed), MIXES["Q4_K_M"], informed=False)
    assert digest(found) == KNOWN["llama-2-7b"]["Q4_K_M"]


def test_rows_that_no_block_divides_stay_numbers_of_16_bits(tmp_path: Path) -> None:
    header = header_of("llama-2-7b", tmp_path)
    odd = [Tensor("blk.0.attn_q.weight", (40, 8), 0, 0)]
    (choice,) = choose(anatomy(header), odd, MIXES["Q4_K_M"], informed=False)
    assert (TENSOR_TYPES[choice.type].name, choice.narrow) == ("F16", True)


@pytest.mark.parametrize(
    ("written", "meant"), [("q4_k_m", "Q4_K_M"), ("Q4_K", "Q4_K_M"), ("iq4-xs", "IQ4_XS"), ("F16", "F16")]
)
def test_types_are_understood_as_people_write_them(written: str, meant: str) -> None:
    assert mix_named(written).name == meant


def test_an_unknown_type_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BadParameter, match="Q4_K_M"):
        mix_named("Q9_Z")


@pytest.mark.parametrize(
    ("model", "made"),
    [
        ("Tiny-F16", "Tiny-Q4_K_M"),
        ("folder/Tiny.fp16", "Tiny-Q4_K_M"),
        ("Qwen3-8B", "Qwen3-8B-Q4_K_M"),
        ("F16", "F16-Q4_K_M"),
    ],
)
def test_a_new_model_is_named_after_the_old_one(model: str, made: str) -> None:
    assert name_for(model, MIXES["Q4_K_M"]) == made
