"""Quantizing with the engine's own routines: the bytes that llama.cpp's quantizer makes, and nothing lost on
the way.

`fixtures/quantize/bytes.json` holds SHA-256 over all tensors of the model that `quantizing.make` writes, as
`llama_model_quantize` made it (llama.cpp's llama-quant.cpp of the pinned engine, linked to the engine's own
library); "+" = with the importance matrix of `quantizing.importance`.
"""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
import quantizing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabula.core.errors import (
    CannotQuantize,
    ImportanceUnusable,
    ModelExists,
    NeedsImportance,
    NoDiskSpace,
    QuantizedAlready,
)
from fabula.engine.direct import proof, tiny
from fabula.engine.direct.library import Drifted, Library
from fabula.lab.quantize import job, kernels, ordering, work
from fabula.lab.quantize import ledger as ledgers
from fabula.lab.quantize.importance import read_importance
from fabula.lab.quantize.job import Wishes
from fabula.lab.quantize.kernels import Kernels
from fabula.lab.quantize.ledger import Ledger
from fabula.lab.quantize.work import Work, pieces
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf import pair_spans, read_header
from fabula.models.formats.gguf_writing import Draft
from fabula.models.formats.identify import identify
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

KNOWN = json.loads((Path(__file__).parent.parent / "fixtures" / "quantize" / "bytes.json").read_text())
SMALLEST = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M")
"""The library builds tables for them, which takes seconds: they share one test."""

same_processor = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="the bytes were recorded on x86-64"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With the trial model as `trial-F32`, and its importance matrix in both formats beside the home."""
    home = Home(tmp_path_factory.mktemp("quantize") / "home").create()
    quantizing.make(home.models / "trial-F32.gguf")
    quantizing.write_old(home.path / "old.dat")
    quantizing.write_new(home.path / "new.gguf")
    return home


def quickly(**wishes: object) -> Wishes:
    """Without measuring what it cost."""
    return Wishes(measure=False, **wishes)  # type: ignore[arg-type]


def ordered(home: Home, type_: str, source: str = "trial-F32", **wishes: object) -> job.Order:
    wished = Wishes(model=source, type=type_, **wishes)  # type: ignore[arg-type]
    return job.order(identify(home.models / f"{source}.gguf"), wished, home.models)


def made(home: Home, type_: str, **wishes: object) -> str:
    """The digest of what the job makes; the model is removed again."""
    asked = quickly(model=wishes.pop("source", "trial-F32"), type=type_, threads=2, **wishes)
    result = job.run(home, asked.arguments(), Report())
    file = home.models / f"{result['name']}.gguf"
    assert file.stat().st_size == result["file_size"]
    found = quantizing.digest(file)
    file.unlink()
    return found


# ── the bytes ───────────────────────────────────────────────────────────────────────────────────────


@same_processor
@pytest.mark.parametrize("mix", [name for name in KNOWN["F32"] if name.rstrip("+") not in (*SMALLEST, "F32")])
def test_tensors_are_those_of_llama_cpp_byte_by_byte(home: Home, mix: str) -> None:
    importance = str(home.path / "new.gguf") if mix.endswith("+") else ""
    assert made(home, mix.rstrip("+"), name=f"made-{mix}", importance=importance) == KNOWN["F32"][mix]


@same_processor
def test_so_are_those_of_the_smallest_types(home: Home) -> None:
    old = str(home.path / "old.dat")
    found = {f"{name}+": made(home, name, importance=old) for name in SMALLEST}
    assert found == {name: KNOWN["F32"][name] for name in found}


@same_processor
@pytest.mark.parametrize("mix", ["Q8_0", "Q4_0", "Q6_K", "Q4_K_M", "IQ4_XS"])
@pytest.mark.parametrize("source", ["F16", "BF16", "tied"])
def test_the_source_may_have_16_bits_or_no_output_matrix(home: Home, source: str, mix: str) -> None:
    types = {"F16": quantizing.F16, "BF16": quantizing.BF16, "tied": quantizing.F32}
    name = f"{source}-source"
    quantizing.make(home.models / f"{name}.gguf", types[source], tied=source == "tied")
    assert made(home, mix, source=name) == KNOWN[source][mix]


@same_processor
def test_a_model_in_several_files_becomes_one_file(home: Home) -> None:
    (home.models / "split").mkdir()
    quantizing.make_split(home.models / "split")
    assert made(home, "Q4_K_M", source="split", name="joined") == KNOWN["F32"]["Q4_K_M"]
    shutil.rmtree(home.models / "split")


# ── the file ────────────────────────────────────────────────────────────────────────────────────────


def test_metadata_is_copied_as_it_stands_and_only_the_types_are_told_anew(home: Home) -> None:
    result = job.run(home, quickly(model="trial-F32", type="Q4_K_M").arguments(), Report())
    source, file = home.models / "trial-F32.gguf", home.models / f"{result['name']}.gguf"
    before, after = (raw_pairs(path) for path in (source, file))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"general.file_type", "general.quantization_version"}
    assert (identify(file).quantization, identify(file).problem) == ("Q4_K_M", "")
    assert result["bits"] < result["source_bits"] == 32
    file.unlink()


def raw_pairs(path: Path) -> dict[str, bytes]:
    content = path.read_bytes()
    return {name: content[start:end] for name, (start, end) in pair_spans(path).items()}


def test_a_file_made_with_an_importance_matrix_says_which(home: Home) -> None:
    asked = quickly(model="trial-F32", type="Q4_0", importance=str(home.path / "old.dat"))
    file = home.models / f"{job.run(home, asked.arguments(), Report())['name']}.gguf"
    told = read_header(file).metadata
    assert told["quantize.imatrix.file"] == "old.dat"
    assert (told["quantize.imatrix.dataset"], told["quantize.imatrix.chunks_count"]) == ("trial.txt", 7)
    file.unlink()


def test_the_engine_runs_what_was_made_and_finds_texts_about_as_likely(home: Home) -> None:
    tiny.write(home.models / "proof.gguf")
    result = job.run(home, quickly(model="proof", type="Q8_0").arguments(), Report())
    file, library = home.models / f"{result['name']}.gguf", Library()
    params = library.model_default_params()
    params.n_gpu_layers = 0
    model = library.model_load_from_file(str(file).encode(), params)
    assert model, library.complaint()
    found = proof.logprobs(library, model, proof.IDS)
    library.model_free(model)
    assert np.allclose(found, proof.LOGPROBS, atol=0.2)
    assert not np.allclose(found, proof.LOGPROBS, atol=1e-5)  # it is another model
    file.unlink()


def test_every_type_is_offered_with_the_size_that_it_really_gets(home: Home) -> None:
    offers = {row["type"]: row for row in ordering.offers(identify(home.models / "trial-F32.gguf"))}
    result = job.run(home, quickly(model="trial-F32", type="IQ4_NL").arguments(), Report())
    (home.models / f"{result['name']}.gguf").unlink()
    assert (offers["IQ4_NL"]["size"], offers["IQ4_NL"]["bits"]) == (result["size"], result["bits"])
    assert offers["IQ2_XS"]["needs_importance"]
    assert not offers["Q4_K_M"]["needs_importance"]


# ── stopping and going on ───────────────────────────────────────────────────────────────────────────


@same_processor
def test_a_cancelled_job_goes_on_where_it_was(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "VALUES", 1 << 12)  # many small pieces
    report, arguments = (
        Stopping(after=300_000),
        quickly(model="trial-F32", type="Q6_K", threads=2).arguments(),
    )
    with pytest.raises(Cancelled):
        job.run(home, arguments, report)
    assert not (home.models / "trial-Q6_K.gguf").exists()
    assert json.loads((home.models / job.WORKSHOP / "trial-Q6_K.json").read_text())["done"] > 0
    again = Stopping(after=1 << 40)
    job.run(home, arguments, again)
    assert again.told[0] > 300_000 / 2
    assert quantizing.digest(home.models / "trial-Q6_K.gguf") == KNOWN["F32"]["Q6_K"]
    (home.models / "trial-Q6_K.gguf").unlink()


class Stopping(Report):
    """Is cancelled after so many bytes."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.told = after, list[float]()

    def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
        super().progress(done, total, unit, note)
        if done:
            self.told.append(done)
        if done > self.after:
            self.cancel()


@same_processor
def test_what_a_killed_process_left_can_be_gone_on_with(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "VALUES", 1 << 12)
    monkeypatch.setattr(ledgers, "NOTE_S", 0.0)
    asked = ordered(home, "Q4_K_M")
    target, note, part = asked.target(), tmp_path / "note.json", tmp_path / "part"
    left = tmp_path / "left"
    left.mkdir()

    def leave_as_it_is(done: int, total: int) -> None:
        if done < total / 2 and note.exists():
            shutil.copy(note, left / "note.json")
            shutil.copy(part, left / "part")

    Work(asked.source, target, Kernels()).write(part, Ledger.read(note, "x"), 1, leave_as_it_is)
    ledger = Ledger.read(left / "note.json", "x")
    assert 0 < ledger.done < sum(1 for _ in pieces(asked.source, target))
    Work(asked.source, target, Kernels()).write(left / "part", ledger, 2, lambda done, total: None)
    assert (left / "part").read_bytes() == part.read_bytes()


def test_what_was_left_by_other_work_is_not_gone_on_with(home: Home, tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    note.write_text('{"about": "one", "done": 5}')
    assert (Ledger.read(note, "one").done, Ledger.read(note, "other").done) == (5, 0)
    note.write_text("[")
    assert Ledger.read(note, "one").done == 0


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────


def test_a_quantized_source_is_refused_unless_it_is_wanted_all_the_same(home: Home) -> None:
    job.run(home, quickly(model="trial-F32", type="Q4_0").arguments(), Report())
    with pytest.raises(QuantizedAlready, match="Q4_0"):
        ordered(home, "Q5_0", source="trial-Q4_0")
    result = job.run(home, quickly(model="trial-Q4_0", type="Q5_0", force=True).arguments(), Report())
    assert result["from_quantized"] == "Q4_0"
    for name in ("trial-Q4_0", "trial-Q5_0"):
        (home.models / f"{name}.gguf").unlink()


@pytest.mark.parametrize("type_", ["IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M", "Q2_K_S", "IQ3_XS"])
def test_types_of_few_bits_need_an_importance_matrix(home: Home, type_: str) -> None:
    with pytest.raises(NeedsImportance, match=type_):
        ordered(home, type_)


def test_no_model_is_overwritten(home: Home) -> None:
    with pytest.raises(ModelExists):
        ordered(home, "F32")
    with pytest.raises(ModelExists):
        ordered(home, "Q8_0", name="trial-F32")


def test_a_source_that_is_cut_off_is_refused(home: Home) -> None:
    whole = (home.models / "trial-F32.gguf").read_bytes()
    (home.models / "cut.gguf").write_bytes(whole[:-100])
    with pytest.raises(CannotQuantize, match="cut off"):
        ordered(home, "Q8_0", source="cut")
    (home.models / "cut.gguf").unlink()


def test_a_weight_that_is_no_number_ends_the_work_with_its_name(home: Home) -> None:
    values = np.ones((8, 256), np.float32)
    values[3, 7] = np.nan
    draft = Draft("blk.0.attn_q.weight", (256, 8), 0, values.nbytes, values.tobytes)
    with (home.models / "broken.gguf").open("wb") as file:
        gguf_writing.write(file, quantizing.METADATA, [draft])
    with pytest.raises(CannotQuantize, match=r"blk\.0\.attn_q"):
        job.run(home, quickly(model="broken", type="Q8_0").arguments(), Report())
    assert not (home.models / "broken-Q8_0.gguf").exists()
    (home.models / "broken.gguf").unlink()


def test_a_full_disk_is_told_before_anything_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SPARE", 1 << 60)
    with pytest.raises(NoDiskSpace):
        job.run(home, quickly(model="trial-F32", type="Q5_K_M").arguments(), Report())
    assert not (home.models / job.WORKSHOP / "trial-Q5_K_M.part").exists()


def test_a_library_that_gives_back_other_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernels.OFF, "Q4_K", 0.01)
    with pytest.raises(Drifted, match="Q4_K gives back"):
        Kernels().prepare([0], [12])
    monkeypatch.setitem(kernels._FUNCTIONS, "ggml_no_such_function", (None, []))
    with pytest.raises(Drifted, match="no_such_function"):
        Kernels()


# ── importance matrices ─────────────────────────────────────────────────────────────────────────────


def test_both_formats_of_importance_say_the_same(home: Home) -> None:
    old, new = (read_importance(home.path / name) for name in ("old.dat", "new.gguf"))
    tensors = {tensor.name: tensor for tensor in read_header(home.models / "trial-F32.gguf").tensors}
    assert old.entries.keys() == new.entries.keys() == quantizing.importance().keys()
    for name, values in quantizing.importance().items():
        for found in (old.values(tensors[name]), new.values(tensors[name])):
            assert found is not None
            assert np.array_equal(found.ravel(), values)
    assert old.values(tensors["token_embd.weight"]) is None


def test_an_importance_matrix_of_another_model_is_refused(home: Home, tmp_path: Path) -> None:
    tiny.write(home.models / "other.gguf")
    renamed = quantizing.write_old(tmp_path / "other.dat").read_bytes()
    (tmp_path / "other.dat").write_bytes(renamed.replace(b"blk.0.attn_k", b"blk.0.ffn_up"))
    with pytest.raises(ImportanceUnusable, match="another model"):
        ordered(home, "Q4_0", source="other", importance=str(tmp_path / "other.dat"))


def test_a_file_that_is_no_importance_matrix_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "text.dat").write_text("This is a text and nothing else.")
    for file in (tmp_path / "text.dat", tmp_path / "missing.dat", home.models / "trial-F32.gguf"):
        with pytest.raises(ImportanceUnusable):
            read_importance(file)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_importance_matrices_are_read_or_refused_and_nothing_else(
    home: Home, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray((home.path / data.draw(st.sampled_from(["old.dat", "new.gguf"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 6000)))
        content[at] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = read_importance(file)
    except ImportanceUnusable:
        return
    assert all(0 <= entry.start <= len(content) for entry in read.entries.values())
