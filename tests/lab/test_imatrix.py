"""An importance matrix that the engine computes, against the sums that torch finds in the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import converting
import numpy as np
import pytest

from fabula.core.errors import BadParameter
from fabula.lab.quantize import job, statistics
from fabula.lab.quantize.importance import read_importance
from fabula.lab.quantize.statistics import Wishes
from fabula.models.formats.gguf import read_header
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

HF = {
    "attn_q": "self_attn.q_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TEXT = "The quick brown fox jumps over the lazy dog, 1, 2, 3. " * 100


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a small model as a folder and as `tiny-F32`, and a text of some pieces."""
    home = Home(tmp_path_factory.mktemp("imatrix") / "home").create()
    converting.folder(home.models / "tiny", "qwen2", hidden_size=128, max_position_embeddings=1024)
    job.run(home, job.Wishes(model="tiny", type="F32").arguments(), Report())
    (home.path / "text.txt").write_text(TEXT)
    return home


def computed(home: Home, **wishes: Any) -> dict[str, Any]:
    asked = Wishes(model="tiny-F32", text=str(home.path / "text.txt"), threads=2, **wishes)
    return statistics.run(home, asked.arguments(), Report())


def by_torch(folder: Path, chunks: int) -> dict[str, np.ndarray]:
    """Mean squares of what each matrix is multiplied with, over the same pieces of the same text."""
    import torch
    import transformers
    from tokenizers import Tokenizer

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found: dict[str, Any] = {}
    for layer, block in enumerate(model.model.layers):
        for ours, theirs in HF.items():
            block.get_submodule(theirs).register_forward_pre_hook(adding(found, f"blk.{layer}.{ours}.weight"))
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT).ids
    with torch.no_grad():
        for start in range(0, chunks * statistics.CHUNK, statistics.CHUNK):
            model(torch.tensor([ids[start : start + statistics.CHUNK]]))
    return {name: np.asarray(total / (chunks * statistics.CHUNK)) for name, total in found.items()}


def adding(found: dict[str, Any], name: str) -> Callable[[Any, Any], None]:
    def add(module: Any, inputs: Any) -> None:
        found[name] = found.get(name, 0) + (inputs[0][0].double() ** 2).sum(0)

    return add


def test_it_holds_the_mean_squares_of_what_each_weight_is_multiplied_with(home: Home) -> None:
    made = computed(home, chunks=2)
    assert (made["chunks"], made["tokens"], made["unused"]) == (2, 1024, 0)
    read = read_importance(Path(made["file"]))
    assert (read.chunks, read.dataset) == (2, "text.txt")
    tensors = {tensor.name: tensor for tensor in read_header(home.models / "tiny-F32.gguf").tensors}
    expected = by_torch(home.models / "tiny", 2)
    for name, values in expected.items():
        found = read.values(tensors[name])
        assert found is not None
        assert found[0] == pytest.approx(values, rel=1e-4)
    assert len(expected) == len(HF) * 2


def test_the_same_text_and_model_are_not_read_twice(home: Home) -> None:
    first = computed(home, chunks=1)
    stamp = Path(first["file"]).stat().st_mtime_ns
    assert computed(home, chunks=1) | {"seconds": 0} == first | {"seconds": 0}
    assert Path(first["file"]).stat().st_mtime_ns == stamp


def test_a_job_that_was_cut_off_goes_on_with_what_was_summed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "NOTE_S", 0.0)
    whole = computed(home, out=str(home.path / "whole.gguf"))
    told = computed(home, out=str(home.path / "whole.gguf"))  # it was killed before it could tell
    assert told | {"seconds": 0} == whole | {"seconds": 0}
    report = Stopping()
    asked = Wishes(model="tiny-F32", text=str(home.path / "text.txt"), out=str(home.path / "cut.gguf"))
    with pytest.raises(Cancelled):
        statistics.run(home, asked.arguments(), report)
    assert not (home.path / "cut.gguf").exists()
    statistics.run(home, asked.arguments(), again := Stopping(after=1 << 30))
    assert again.first >= 512
    tensors = read_header(home.models / "tiny-F32.gguf").tensors
    one, other = read_importance(home.path / "whole.gguf"), read_importance(home.path / "cut.gguf")
    assert whole["chunks"] == other.chunks > 2
    for tensor in tensors:
        if tensor.name in one.entries:
            assert other.values(tensor) == pytest.approx(one.values(tensor), rel=1e-5)


class Stopping(Report):
    """Is cancelled when so many tokens were read; `first` is where it began."""

    def __init__(self, after: int = 1024) -> None:
        super().__init__()
        self.after, self.first = after, -1.0

    def progress(self, done: float, total: float = 0, unit: str = "", note: str = "") -> None:
        super().progress(done, total, unit, note)
        if total and self.first < 0:
            self.first = done
        if done >= self.after:
            self.cancel()


def test_no_file_is_overwritten_and_a_text_must_have_some_words(home: Home) -> None:
    with pytest.raises(BadParameter, match="does not exist yet"):
        computed(home, out=str(home.path / "text.txt"))
    (home.path / "short.txt").write_text("Too short.")
    asked = Wishes(model="tiny-F32", text=str(home.path / "short.txt"))
    with pytest.raises(BadParameter, match="at least 32 tokens"):
        statistics.run(home, asked.arguments(), Report())
    assert not list((home.path / "imatrix").glob("*short*"))


def test_quantizing_takes_a_text_and_the_lowest_types_become_possible(home: Home) -> None:
    text = str(home.path / "text.txt")
    asked = job.Wishes(model="tiny-F32", type="IQ4_NL", importance_from=text, threads=2, measure=False)
    result = job.run(home, asked.arguments(), Report())
    assert result["importance"].startswith("tiny-F32.text.")
    assert read_header(home.models / "tiny-IQ4_NL.gguf").text("quantize.imatrix.dataset") == "text.txt"
