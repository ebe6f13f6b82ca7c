"""What an edit of a folder cost, read layer by layer: the figures are those of the whole models in memory."""

from __future__ import annotations

import contextlib
import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_folders
import tiny_models
from test_direction_write import direction

from fabula.core.errors import ModelExists
from fabula.core.model import LocalModel
from fabula.lab.directions import cost, cost_streamed, heads, replies, residual, streaming, write
from fabula.lab.directions.folder_engine import FolderEngine
from fabula.lab.directions.saying import texts
from fabula.lab.directions.skeleton import Skeleton
from fabula.lab.directions.write import Writing
from fabula.lab.quantize import quality
from fabula.lab.quantize.quality import Pair, Text
from fabula.lab.quantize.texts import FEWEST_MEASURED
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.safetensors import read_tensors
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

SHAPES: dict[str, dict[str, Any]] = tiny_models.KINDS | {
    "gemma2": {"head_dim": 32, "sliding_window": 8, "pad_token_id": 0, "final_logit_softcapping": 3.0},
    "granite": {"logits_scaling": 4.0, "embedding_multiplier": 2.0},
    "phi3": {"pad_token_id": 0},
}
"""The last ones change logits behind the head, scale embeddings, or join what others keep apart."""
TOKENS = 3  # of a reply


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few words, and pieces of the vocabulary so small that there are several."""
    monkeypatch.setattr(cost, "REPLY", TOKENS)
    monkeypatch.setattr(heads, "TOKENS", 150)
    monkeypatch.setattr(heads, "PLACES", 100)
    monkeypatch.setattr(quality, "WINDOW", 128)


def pair(place: Path, kind: str = "llama", noise: float = 0.02) -> Pair:
    """A model, and the same with other weights."""
    import torch

    one = tiny_folders.folder(place / "one", kind, **SHAPES[kind])
    shutil.copytree(one, place / "other")
    model = tiny_models.model(one)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + noise * torch.randn_like(parameter))
    model.save_pretrained(place / "other", safe_serialization=True)
    return Pair(identify_folder(one), identify_folder(place / "other"))


def measured(models: Pair, folder: Path, report: Report | None = None) -> dict[str, Any]:
    return cost_streamed.measured(models, folder, report or Report(), 2)


# ── against the whole models ────────────────────────────────────────────────────────────────────────


def answer(model: Any, read: Any, text: str) -> str:
    """By transformers' own way to write."""
    import torch

    ids = torch.tensor([read(text, add_special_tokens=True)["input_ids"]])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS)
    return str(read.decode(made[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def rows(model: Any, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Log-probabilities [tokens, vocabulary]."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0].double()
    return np.asarray(torch.log_softmax(logits, -1).numpy())


def expected(models: Pair, said: list[Text]) -> dict[str, float]:
    read = streaming.tokenizer(models.source)
    whole = [tiny_models.model(model.path) for model in (models.source, models.made)]
    found: list[tuple[float, float, float, bool]] = []
    for text in said:
        ids = read(text.text, add_special_tokens=False)["input_ids"]
        windows = [ids[at : at + quality.WINDOW] for at in range(0, len(ids), quality.WINDOW)]
        for window in [one for one in windows if len(one) >= FEWEST_MEASURED][: text.windows]:
            first, second = (rows(model, window) for model in whole)
            kl = (np.exp(first) * (first - second)).sum(1)
            same = first.argmax(1) == second.argmax(1)
            told = [[side[at, id] for at, id in enumerate(window[1:])] + [np.nan] for side in (first, second)]
            found += zip(kl, *told, same, strict=True)
    table = np.array(found, np.float64)
    return {
        "tokens": len(table),
        "kl": float(table[:, 0].mean()),
        "source_perplexity": float(np.exp(-np.nanmean(table[:, 1]))),
        "perplexity": float(np.exp(-np.nanmean(table[:, 2]))),
        "same_top": float(table[:, 3].mean()),
    }


@pytest.mark.parametrize("kind", SHAPES)
def test_the_figures_and_replies_are_those_of_the_whole_models(kind: str, tmp_path: Path) -> None:
    models = pair(tmp_path, kind)
    found = measured(models, tmp_path / "work")
    asked = cost.prompts()
    said = texts(models.source, asked)
    read = streaming.tokenizer(models.source)
    for model, side in ((models.source, "before"), (models.made, "after")):
        whole = tiny_models.model(model.path)
        assert [sample[side] for sample in found["samples"]] == [answer(whole, read, text) for text in said]
    before = [sample["before"] for sample in found["samples"]]
    wanted = [Text("replies", text + reply) for text, reply in zip(said, before, strict=True)]
    for name, value in expected(models, [*wanted, *quality.neutral()]).items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    assert found["streamed"]["why"] == "written"
    assert not (tmp_path / "work").exists()


def test_a_model_is_not_apart_from_itself(tmp_path: Path) -> None:
    models = pair(tmp_path, noise=0.0)
    found = measured(models, tmp_path / "work")
    assert found["kl"] <= 1e-9
    assert (found["same_top"], found["perplexity"]) == (1.0, found["source_perplexity"])
    assert [text["text"] for text in found["texts"]] == ["replies", *quality.LANGUAGES]


def spoken(model: LocalModel, prompts: list[list[int]], ends: set[int]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in prompts]
    with contextlib.closing(Skeleton(model, 2)) as skeleton:
        for _ in replies.written(skeleton, prompts, found, 4, frozenset(ends), lambda share: None):
            pass
    return found


def test_a_reply_that_ended_waits_for_the_others_which_go_on_as_before(tmp_path: Path) -> None:
    model = identify_folder(tiny_models.folder(tmp_path / "one", "gemma3_text"))
    prompts = [[5, 17, 300], [42, 99, 7, 250, 33, 64, 12, 81, 150], [9]]
    whole = spoken(model, prompts, set())
    end = whole[1][1]
    cut = [reply[: reply.index(end) + 1] if end in reply else reply for reply in whole]
    assert spoken(model, prompts, {end}) == cut
    assert len(cut[1]) == 2


# ── without replies ─────────────────────────────────────────────────────────────────────────────────


def test_where_a_token_takes_too_long_there_are_no_replies_and_the_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "REPLIES_S", 0.0)
    found = measured(pair(tmp_path), tmp_path / "work")
    assert (found["streamed"]["why"], found["streamed"]["tokens"], found["samples"]) == ("slow", 0, [])
    assert found["texts"][0]["text"] == "prompts"
    assert found["kl"] > 0


def test_where_what_is_kept_of_a_text_would_not_fit_there_are_none_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_streamed, "IN_MEMORY", 1000)
    found = measured(pair(tmp_path), tmp_path / "work")
    assert (found["streamed"]["why"], found["samples"]) == ("large", [])


# ── cut off ─────────────────────────────────────────────────────────────────────────────────────────


class StopsAt(Report):
    """Cancelled when so many bytes are read, or so many tokens written."""

    def __init__(self, unit: str, share: float) -> None:
        super().__init__()
        self._unit, self._share = unit, share

    def check(self) -> None:
        now = self.current
        is_ours = now.note in (streaming.READING, cost.ANSWERING) and now.unit == self._unit
        if is_ours and now.done >= self._share * now.total:
            raise Cancelled


def test_what_was_cut_off_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "NOTE_S", 0.0)
    models, work = pair(tmp_path), tmp_path / "work"
    whole = measured(models, tmp_path / "whole")
    for stop in (StopsAt("tokens", 0.4), StopsAt("bytes", 0.3), StopsAt("bytes", 0.6), StopsAt("bytes", 0.8)):
        with pytest.raises(Cancelled):
            measured(models, work, stop)
    assert json.loads((work / "replies.json").read_text())["limit"] == TOKENS
    assert [json.loads((work / side / "passed.json").read_text())["done"] for side in "01"] == [3, 3]
    again = measured(models, work)
    assert again | {"streamed": None} == whole | {"streamed": None}


def test_the_residual_stream_may_lie_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = pair(tmp_path)
    whole = measured(models, tmp_path / "memory")
    monkeypatch.setattr(residual, "IN_MEMORY", 0)
    assert measured(models, tmp_path / "disk") | {"streamed": None} == whole | {"streamed": None}


def test_the_job_measures_a_folder_that_does_not_fit_and_goes_on_with_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderEngine, "fits", lambda self, model: False)
    home = Home(tmp_path / "home").create()
    tiny_models.folder(home.models / "tiny", "llama")
    direction(home, 3)
    wishes = Writing.of({"direction": "trait", "model": "tiny", "name": "new"}).arguments()
    with pytest.raises(Cancelled):
        write.run(home, wishes, StopsAt("bytes", 0.6))
    assert identify_folder(home.models / "new").layers == 3
    made = write.run(home, wishes, Report())
    assert made["measured"]["kl"] > 0
    assert made["measured"]["streamed"]["tokens"] == TOKENS
    assert not list((home.models / write.WORKSHOP).iterdir())
    assert write.run(home, wishes, Report()) == made | {"again": True}
    with pytest.raises(ModelExists):
        write.run(home, wishes | {"strength": 0.5}, Report())


# ── what cannot be read, and memory ─────────────────────────────────────────────────────────────────


def test_an_output_that_is_no_number_is_told_and_nothing_is_raised(tmp_path: Path) -> None:
    models = pair(tmp_path)
    file = models.made.path / "model.safetensors"
    with file.open("r+b") as opened:
        opened.seek(read_tensors(file)["lm_head.weight"].start)
        opened.write(b"\x00\x00\xc0\x7f")  # NaN
    found = measured(models, tmp_path / "work")
    assert found["error"]["code"] == "weights_unusable"
    assert "lm_head.weight" in found["error"]["message"]


def test_however_many_layers_there_are_one_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Python's and numpy's memory, into which weights are read; torch computes with one more layer."""
    monkeypatch.setattr(replies, "REPLIES_S", 0.0)
    monkeypatch.setattr(quality, "neutral", list)
    shape = {"hidden_size": 128, "intermediate_size": 2048, "max_position_embeddings": 512}
    model = identify_folder(tiny_folders.folder(tmp_path / "one", "llama", **shape, num_hidden_layers=8))
    Skeleton(model, 2).close()  # what is imported is none of it
    tracemalloc.start()
    try:
        measured(Pair(model, model), tmp_path / "work")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    layer = model.size / 8
    assert layer < most <= 2 * layer
