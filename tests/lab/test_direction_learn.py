"""A direction is learned from a folder and from a GGUF of the same numbers, and is the same direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
from probing import ask_only

from fabula.core.errors import BadParameter, DirectionExists, DirectionUnfit, TooCoarse
from fabula.engine.vectors import Vectors
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import from_gguf, learn, offer, write
from fabula.lab.directions.recipe import Recipe, load
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.write import Writing
from fabula.lab.quantize import job as quantizing
from fabula.lab.quantize.ordering import Wishes
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import identify_folder
from fabula.store.home import Home
from fabula.store.job_child import Report


@pytest.fixture(scope="module")
def home(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny Llama as a folder, as `tiny-F32` in GGUF with the same numbers, and as `tiny-Q4_0`."""
    import converting

    home = Home(tmp_path_factory.mktemp("learn") / "home").create()
    folder = converting.folder(
        home.models / "tiny", "llama", num_hidden_layers=4, max_position_embeddings=256
    )
    convert(
        folder_of(identify_folder(folder)), home.models / "tiny-F32.gguf", "F32", lambda done, total: None
    )
    asked = Wishes(model="tiny-F32", type="Q4_0", measure=False, threads=1)
    quantizing.run(home, asked.arguments(), Report())
    return home


def learned(home: Home, model: str, name: str, **wishes: object) -> tuple[Direction, dict[str, object]]:
    told = {"model": model, "positive": "formal-casual", "name": name, "limit": 9, "threads": 1, **wishes}
    result = learn.run(home, Recipe.of(told).arguments(), Report())
    return Shelf(home.directions).find(name), result


def test_both_ways_of_reading_give_one_direction(home: Home) -> None:
    folder, told = learned(home, "tiny", "of-folder")
    file, told_of_file = learned(home, "tiny-F32", "of-file")
    cosines = np.einsum("ld,ld->l", folder.direction, file.direction)
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.99
    assert (told["adapter"], told_of_file["adapter"]) == ("of-folder", "of-file")
    assert told["vector"] == "of-folder"


def test_a_result_says_where_it_comes_from_and_what_was_found(home: Home) -> None:
    direction, result = learned(home, "tiny", "told")
    told = direction.told
    assert told["model"]["fingerprint"].startswith("sha256:")
    assert told["prompts"]["learned"] == [6, 6]
    assert told["prompts"]["held_out"] == [3, 3]
    assert set(told["versions"]) == {"fabula", "method", "engine"}
    assert len(told["layers"]) == direction.layers == 4
    assert np.linalg.norm(direction.direction, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert [plot["kind"] for plot in result["plots"]] == ["lines", "lines", "lines", "scatter", "scatter"]  # type: ignore[attr-defined]
    assert not (home.directions / learn.WORK).exists() or not list((home.directions / learn.WORK).iterdir())


def test_a_recipe_makes_the_same_bytes_again(home: Home) -> None:
    direction, _ = learned(home, "tiny", "again", winsor=0.98, project="once")
    before = direction.path.read_bytes()
    recipe = Recipe.of(load(home.directions / "again.yaml"))
    direction.path.unlink()
    learn.run(home, recipe.arguments(), Report())
    assert direction.path.read_bytes() == before


def test_a_name_is_never_overwritten(home: Home) -> None:
    learned(home, "tiny", "mine")
    with pytest.raises(DirectionExists, match="fabula direction rm mine"):
        learned(home, "tiny", "mine", winsor=0.9)


def test_coarse_weights_are_refused_with_what_is_lost_unless_forced(home: Home) -> None:
    figure = f"{from_gguf.LOST['Q4_0']:.3f}"
    with pytest.raises(TooCoarse, match=rf"are Q4_0; this needs Q8_0 or finer.*cosine of only {figure} "):
        learned(home, "tiny-Q4_0", "coarse")
    direction, _ = learned(home, "tiny-Q4_0", "coarse", force=True)
    assert direction.told["recipe"]["force"] is True


def test_only_measured_figures_are_told() -> None:
    assert "0." not in from_gguf.how_far("IQ1_S").say()
    assert "has not been measured for IQ1_S" in from_gguf.how_far("IQ1_S").say()
    assert "has not been measured for IQ1_S" in write.how_much("IQ1_S").say()
    docs = (Path(__file__).parents[2] / "docs" / "directions.md").read_text(encoding="utf-8")
    for type_, cosine in from_gguf.LOST.items():
        assert f"| {type_} | {cosine:.3f} |" in docs
    for type_, share in write.STAYS.items():
        assert f"{share:.1%}".replace("%", " %") in docs.split(f"| {type_} |")[1].splitlines()[0]


def test_what_is_added_at_a_layer_is_a_control_vector_of_the_studio(home: Home) -> None:
    direction, _ = learned(home, "tiny", "added")
    vector = Vectors(home.vectors).find("added")
    assert vector.width == direction.width
    first, last = direction.band
    assert vector.layers == tuple(range(max(first, 1), last + 1))


def test_a_control_vector_of_ones_own_is_never_replaced(home: Home) -> None:
    direction, _ = learned(home, "tiny", "own")
    vectors = Vectors(home.vectors)
    assert vectors.find("own").is_learned
    learned(home, "tiny", "own")  # the same again makes its own vector anew
    vectors.remove("own")
    mine = vectors.make("own", {1: [1.0] * direction.width})
    before = mine.path.read_bytes()
    with pytest.raises(BadParameter, match=r"own.*a name that is not taken"):
        learned(home, "tiny", "own")
    exporting = offer.Exporting(direction="own", model="tiny", form="vector")
    with pytest.raises(BadParameter, match="a name that is not taken"):
        offer.run(home, exporting.arguments(), Report())
    assert mine.path.read_bytes() == before
    assert offer.run(home, {**exporting.arguments(), "name": "other"}, Report())["name"] == "other"


def test_a_direction_of_another_shape_is_refused_with_both(home: Home, tmp_path: Path) -> None:
    direction, _ = learned(home, "tiny", "shaped")
    other = identify_folder(tiny_models.folder(tmp_path / "other", "llama"))
    with pytest.raises(DirectionUnfit, match="learned from 4 layers of width 64, and this model has 3 of 64"):
        direction.require_fit(other)
    direction.require_fit(Catalog(home.models).find("tiny-F32"))


@pytest.mark.parametrize("model", ["tiny", "tiny-F32"], ids=["of a folder", "of GGUF"])
def test_what_an_edit_cost_is_told_with_replies_and_probes_before_and_after(
    model: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_only(monkeypatch, "en/facts/france", "en/reading/keys", "zh-Hant/open/walk")
    learned(home, model, f"costly-{model}")
    told = {"direction": f"costly-{model}", "model": model, "name": f"dear-{model}"}
    result = write.run(home, Writing.of(told).arguments(), Report())
    measured = result["measured"]
    assert "error" not in measured
    assert measured["kl"] > 0
    assert measured["perplexity"] > 1
    assert {text["text"] for text in measured["texts"]} == {"replies", "en", "zh-Hant", "zh-Hans"}
    assert len(measured["samples"]) == 4
    assert all(sample["prompt"] and sample["before"] for sample in measured["samples"])
    assert result["size"] == result["source_size"]
    assert "error" not in measured["probes"], measured["probes"]
    assert (measured["probes"]["asked"], measured["probes"]["left_out"]) == (3, 0)
    assert [row["count"] for row in measured["probes"]["groups"]] == [1, 1, 1, 1]
