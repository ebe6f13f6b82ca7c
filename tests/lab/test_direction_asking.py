"""What is asked wrongly is told in one sentence before anything begins, and nothing is written anywhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import steering_models
from test_direction_write import direction

from fabula.cli import direction as cli
from fabula.cli import direction_try
from fabula.cli.mistakes import WrongUsage
from fabula.core.errors import BadParameter, ImportanceUnusable, PromptsUnusable, VectorNotFound
from fabula.core.model import LocalModel
from fabula.lab import product
from fabula.lab.directions import contrasts, offer, recipe
from fabula.lab.directions.offer import Exporting
from fabula.lab.directions.saved import Shelf
from fabula.lab.directions.search.recipe import Searching
from fabula.lab.directions.use import Use
from fabula.lab.quantize import quality, statistics, texts
from fabula.lab.quantize.importance import read_importance
from fabula.lab.quantize.quality import Pair, Text
from fabula.store.home import Home
from fabula.store.job_child import Report


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home").create()
    direction(made, 3)
    return made


def prompts(file: Path, word: str, count: int = 9) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(f"Write something {word} about {number}." for number in range(count)))
    return str(file)


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_ones_own_needs_the_other_side(tmp_path: Path) -> None:
    with pytest.raises(PromptsUnusable, match="one side only"):
        contrasts.contrast(prompts(tmp_path / "心 情.txt", "sunny"))


def test_two_sides_that_are_the_same_are_refused_in_whatever_order(tmp_path: Path) -> None:
    one, other = prompts(tmp_path / "one.txt", "sunny"), tmp_path / "other.txt"
    other.write_text("\n".join(reversed(Path(one).read_text().splitlines())))
    with pytest.raises(PromptsUnusable, match="same prompts"):
        contrasts.contrast(one, str(other))
    assert contrasts.contrast(one, prompts(other, "dark")).positive


def test_a_folder_that_is_no_dataset_is_not_read_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        prompts(tmp_path / f"{number}" / "a.txt", f"{number}")
    assert len(contrasts.read(str(tmp_path))) == 4 * 9
    monkeypatch.setattr(contrasts, "MOST_FILES", 3)
    with pytest.raises(PromptsUnusable, match="more than 3 files"):
        contrasts.read(str(tmp_path))


def test_hidden_folders_are_not_read_and_a_file_that_goes_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(tmp_path / "a.txt", "sunny")
    prompts(tmp_path / ".cache" / "b.txt", "dark")
    assert len(contrasts.read(str(tmp_path))) == 9
    os.symlink(tmp_path / "gone", tmp_path / "link.txt")
    with pytest.raises(PromptsUnusable, match=r"link\.txt cannot be read"):
        contrasts.read(str(tmp_path))


# ── figures and names ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("threads", [-1, 1025, 100_000])
def test_more_threads_than_a_process_can_start_are_refused(threads: int) -> None:
    with pytest.raises(BadParameter, match="from 0 to 1024"):
        recipe.Recipe(model="m", positive="p", threads=threads)
    with pytest.raises(BadParameter, match="from 0 to 1024"):
        Searching(direction="d", model="m", threads=threads)


@pytest.mark.parametrize("layer", [-0.5, 2.5, 77, float("nan"), float("inf")])
def test_a_layer_that_the_model_has_not_is_refused(layer: float, home: Home) -> None:
    found = Shelf(home.directions).find("trait")
    with pytest.raises(BadParameter, match=r"layer is .* from 0 to 2"):
        Use(layer=layer).span(found)
    assert Use(layer=1.5).span(found) == (0, 2)


@pytest.mark.parametrize("form", ["adapter", "vector", "peft"])
@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "a/b",
        "/elsewhere/evil",
        "..",
        "a\\b",
        ".hidden",
        "trait.safetensors",
        "a\ud800",
        "prompts",
    ],
)
def test_what_is_exported_stays_on_its_shelf(form: Any, name: str, home: Home) -> None:
    """It went where the name said, anywhere on the disk."""
    with pytest.raises(BadParameter, match="name is"):
        offer.ready(home, Exporting(direction="trait", model="tiny", form=form, name=name))


@pytest.mark.parametrize("out", ["~nobody-of-that-name/x", "a\0b", "x" * 300])
def test_a_folder_for_peft_that_cannot_be_is_told(out: str, home: Home) -> None:
    with pytest.raises(BadParameter, match="out is"):
        offer.ready(home, Exporting(direction="trait", model="tiny", form="peft", out=out))


@pytest.mark.parametrize(
    ("name", "wishes"), [("strength", {"strength": 0.0}), ("layers", {"first": 0, "last": 0})]
)
def test_a_vector_that_would_add_nothing_is_told(name: str, wishes: dict[str, Any], home: Home) -> None:
    """A vector of nothing was made, or none at all, and it was said to be there."""
    steering_models.make(home.models / "small.gguf", "llama")
    direction(home, steering_models.LAYERS, steering_models.WIDTH)
    with pytest.raises(BadParameter, match=name):
        offer.ready(home, Exporting(direction="trait", model="small", form="vector", **wishes))


def test_no_adapter_of_somebody_else_is_replaced(home: Home, tmp_path: Path) -> None:
    """It was, and nothing was said."""
    steering_models.make(home.models / "small.gguf", "llama")
    direction(home, steering_models.LAYERS, steering_models.WIDTH)
    asked = {"direction": "trait", "model": "small", "form": "peft", "out": str(tmp_path / "other")}
    for _ in range(2):
        offer.run(home, asked, Report())  # what a direction made is made anew
    config = tmp_path / "other" / "adapter_config.json"
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (config.parent / name).write_text("{}")
        with pytest.raises(BadParameter, match="other"):
            offer.run(home, asked, Report())
    assert config.read_text() == "{}"


@pytest.mark.parametrize("source", ["~nobody-of-that-name/x", "a\0b", "x" * 300, "x/" * 3000])
def test_what_no_file_can_be_called_is_told_as_a_file_that_is_not_there(source: str, home: Home) -> None:
    """It was told as a fault of ours."""
    for negative in ("", source):
        with pytest.raises(PromptsUnusable):
            contrasts.contrast(source, negative)
    with pytest.raises(BadParameter):
        texts.read_text(source)
    with pytest.raises(ImportanceUnusable):
        read_importance(Path(source))
    with pytest.raises(BadParameter):
        statistics._new_file(source, "")


@pytest.mark.parametrize("name", ["中" * 150, "x" * 300, "é" * 200])
def test_a_name_leaves_room_for_what_is_written_behind_it(name: str) -> None:
    short = product.short(name)
    assert name.startswith(short)
    assert 100 < len(short.encode()) <= product.LONGEST_NAME


def test_a_recipe_without_a_direction_is_told(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("model: tiny\n")
    with pytest.raises(BadParameter, match="direction is –"):
        recipe.load_use(file)
    file.write_text("model: tiny\ndirection: trait\n")
    assert recipe.load_use(file) == ("trait", {"model": "tiny"})


# ── the command line ────────────────────────────────────────────────────────────────────────────────


class Vectors:
    def get(self, path: str) -> dict[str, Any]:
        return {"vectors": [{"name": "calm"}]}


def test_a_direction_without_a_vector_is_not_tried_as_if_it_had_one() -> None:
    """Three times the same reply told nothing."""
    direction_try.require_vector(Vectors(), "calm")  # type: ignore[arg-type]
    with pytest.raises(VectorNotFound, match=r"nosuch.*calm"):
        direction_try.require_vector(Vectors(), "nosuch")  # type: ignore[arg-type]


@pytest.mark.parametrize("scales", ["", "a", "1,,2", ","])
def test_no_scales_are_refused(scales: str) -> None:
    with pytest.raises(WrongUsage):
        direction_try.numbers(scales)


def test_a_command_that_is_told_can_be_pasted_whatever_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "name": "good mood",
        "model": "a b",
        "vector": "good mood",
        "massive": [],
        "best": 1,
        "band": [1, 2],
    }
    cli.tell(told | {"accuracy": 1.0, "separation": 2.0, "seconds": 1.0})
    assert "fabula direction try 'good mood' 'a b'" in capsys.readouterr().err


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_that_cannot_be_long_enough_is_refused_before_anything_begins(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("x" * 31)
    with pytest.raises(BadParameter, match="at least 32 tokens"):
        texts.read_text(str(file), texts.FEWEST)
    file.write_text("x" * 32)
    assert texts.read_text(str(file), texts.FEWEST)


def test_the_importance_of_a_folder_is_refused_instead_of_calling_it_damaged(
    home: Home, tmp_path: Path
) -> None:
    model = LocalModel(name="tiny", path=tmp_path, size=1, format="safetensors")
    wishes = statistics.Wishes(model="tiny", text=prompts(tmp_path / "t.txt", "sunny"))
    with pytest.raises(BadParameter, match="model is tiny, but must be a model in GGUF"):
        statistics.task(model, wishes, home)


def test_a_text_too_short_to_measure_by_is_told_and_no_perplexity_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*asked: Any) -> list[tuple[int, ...]]:
        return []

    class Plan:
        context = 64

    class Engine:
        plan = Plan()

        @contextlib.asynccontextmanager
        async def load(self, *asked: Any) -> AsyncIterator[Any]:
            yield self

    monkeypatch.setattr(quality, "windows", none)
    model = LocalModel(name="tiny", path=tmp_path, size=1)
    engine: Any = Engine()
    found = quality.run(Pair(model, model), [Text("short.txt", "x")], engine, tmp_path, Report())
    assert found["error"]["code"] == "bad_parameter"
    assert "perplexity" not in found
