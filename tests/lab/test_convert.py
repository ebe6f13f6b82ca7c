"""Folders of Hugging Face's kind become GGUF files in which the engine finds what transformers finds."""

from __future__ import annotations

import json
from pathlib import Path

import converting
import numpy as np
import pytest

from fabula.core.errors import CannotConvert
from fabula.lab.convert import spelling, weights
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.convert.vocabulary import vocabulary
from fabula.lab.quantize import job, ordering
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.gguf import read_header
from fabula.models.formats.identify import identify
from fabula.store.home import Home
from fabula.store.job_child import Report

IDS = [5, 17, 300, 42, 99, 7, 250, 33, 64, 12, 81, 150, 3, 3, 201, 77, 340, 18, 29, 111]


def converted(folder: Path, file: Path, type_: str = "F32") -> Path:
    convert(folder_of(identify_folder(folder)), file, type_, lambda done, total: None)
    assert identify(file).problem == ""
    return file


@pytest.mark.parametrize("kind", converting.SHAPES)
async def test_the_engine_finds_each_familys_next_tokens_as_likely_as_transformers(
    kind: str, tmp_path: Path
) -> None:
    folder = converting.folder(tmp_path / kind, kind)
    async with converting.engine(converted(folder, tmp_path / f"{kind}.gguf"), tmp_path) as worker:
        found = await converting.rows(worker, IDS, tmp_path / "rows")
    expected = converting.theirs(folder, IDS)
    assert np.abs(expected).max() > 3  # not all the same
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", converting.ROPES)
async def test_stretched_contexts_are_stretched_in_the_engine_too(kind: str, tmp_path: Path) -> None:
    rope = {"rope_type": kind, "rope_theta": 10000.0, **converting.ROPES[kind]}
    folder = converting.folder(tmp_path / kind, "llama", rope_parameters=rope)
    async with converting.engine(converted(folder, tmp_path / f"{kind}.gguf"), tmp_path) as worker:
        found = await converting.rows(worker, IDS, tmp_path / "rows")
    assert found == pytest.approx(converting.theirs(folder, IDS), abs=1e-3)


# ── tokenizers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", converting.PATTERNS)
def test_how_texts_are_cut_is_found_by_trying(way: str, tmp_path: Path) -> None:
    size = converting.cut_by(tmp_path, converting.PATTERNS[way])
    found = spelling.spelled(vocabulary(tmp_path, "model", size, False), tmp_path, "model")
    assert found.pre == way


def test_words_that_are_tokens_are_never_merged_where_the_tokenizer_says_so(tmp_path: Path) -> None:
    size = converting.cut_by(tmp_path, converting.PATTERNS["llama-bpe"], ignore_merges=True)
    found = spelling.spelled(vocabulary(tmp_path, "model", size, False), tmp_path, "model")
    assert found.pre == "llama-bpe"


def test_a_way_that_the_engine_does_not_know_is_refused_with_a_text_that_differs(tmp_path: Path) -> None:
    size = converting.cut_by(tmp_path, r"[aeiou]+|[^aeiou]+")
    with pytest.raises(CannotConvert, match="cut texts as its tokenizer does"):
        spelling.spelled(vocabulary(tmp_path, "model", size, False), tmp_path, "model")


def test_pieces_with_scores_become_the_same_tokens(tmp_path: Path) -> None:
    converting.pieces(tmp_path)
    found = spelling.spelled(vocabulary(tmp_path, "model", 1204, True), tmp_path, "model")
    assert (found.kind, found.tokens[:4]) == ("llama", ("<unk>", "<s>", "</s>", "<0x00>"))
    assert (found.tokens[1203], found.types[1203]) == ("[PAD1203]", 5)  # the embedding is larger
    assert found.ids == {"bos": 1, "eos": 2, "unknown": 0}
    assert (found.adds_bos, found.adds_space) == (True, True)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────


def test_bf16_stays_as_it_is_and_other_types_are_rounded(tmp_path: Path) -> None:
    folder = converting.folder(tmp_path / "llama", "llama")
    files = {kind: converted(folder, tmp_path / f"{kind}.gguf", kind) for kind in ("F32", "BF16", "F16")}
    sizes = {kind: file.stat().st_size for kind, file in files.items()}
    assert sizes["BF16"] == sizes["F16"] < sizes["F32"]
    assert [identify(file).quantization for file in files.values()] == ["F32", "BF16", "F16"]
    assert values(files["BF16"]) == pytest.approx(values(files["F32"]), rel=2**-8)
    assert values(files["F16"]) == pytest.approx(values(files["F32"]), rel=2**-10, abs=1e-6)


def values(file: Path) -> np.ndarray:
    """Of one matrix, as numbers."""
    header = read_header(file)
    tensor = next(tensor for tensor in header.tensors if tensor.name == "blk.1.ffn_up.weight")
    with file.open("rb") as opened:
        opened.seek(header.data_start + tensor.offset)
        return weights.numbers(opened.read(tensor.size or 0), tensor.type)


def test_template_licence_and_special_tokens_come_along(tmp_path: Path) -> None:
    folder = converting.folder(tmp_path / "tiny", "llama")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: someone/base\n---\n# Tiny\n")
    found = identify(converted(folder, tmp_path / "tiny.gguf"))
    assert (found.architecture, found.licence, found.layers) == ("llama", "apache-2.0", 2)
    assert found.chat_template == identify_folder(folder).chat_template != ""
    assert found.eos_token == "<|end|>"


def test_other_families_and_incomplete_folders_are_refused_with_the_reason(tmp_path: Path) -> None:
    other = converting.folder(tmp_path / "gpt2", "gpt_neox")
    with pytest.raises(CannotConvert, match="gpt_neox"):
        folder_of(identify_folder(other))
    folder = converting.folder(tmp_path / "llama", "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(CannotConvert, match=r"blk\.2\."):
        converted(folder, tmp_path / "llama.gguf")
    assert not list(tmp_path.glob("*.gguf"))


# ── on the shelf ────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_is_quantized_through_a_file_that_goes_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    converting.folder(home.models / "tiny", "qwen2", hidden_size=128)
    result = job.run(
        home, job.Wishes(model="tiny", type="Q8_0", threads=2, probes=False).arguments(), Report()
    )
    assert (result["name"], result["source_bits"]) == ("tiny-Q8_0", 32.0)
    assert 0 < result["measured"]["kl"] < 0.2
    assert (
        json.loads((home.models / "tiny-Q8_0.quantized.json").read_text())["measured"] == result["measured"]
    )
    names = {file.name for file in home.models.iterdir()}
    assert names == {"tiny", "tiny-Q8_0.gguf", "tiny-Q8_0.quantized.json", ".quantize", ".index.json"}
    assert {file.name for file in (home.models / ".quantize").iterdir()} == {"made", "tiny-Q8_0.lock"}


def test_a_plain_type_is_the_conversion_itself(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    converting.folder(home.models / "tiny", "llama")
    offers = {row["type"]: row["size"] for row in ordering.offers(identify_folder(home.models / "tiny"))}
    result = job.run(home, job.Wishes(model="tiny", type="F16").arguments(), Report())
    assert (result["name"], result["pre"], result["size"]) == ("tiny-F16", "gpt-2", offers["F16"])
    assert identify(home.models / "tiny-F16.gguf").quantization == "F16"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gemma2", {"query_pre_attn_scalar": 144}),
        ("gemma3_text", {"layer_types": ["full_attention"] * 6}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}}),
        (
            "llama",
            {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "beta_fast": 8}},
        ),
    ],
)
def test_what_the_engine_would_compute_otherwise_is_refused(
    kind: str, changes: dict[str, object], tmp_path: Path
) -> None:
    folder = converting.folder(tmp_path / kind, kind)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(CannotConvert):
        converted(folder, tmp_path / "made.gguf")
