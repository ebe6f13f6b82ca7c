"""Control vectors as files: made, taken in, named in a sampling; what is none is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabula.core.errors import BadParameter, VectorNotFound
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.engine.direct.pointing import matrix
from fabula.engine.direct.weights import Refused
from fabula.engine.vectors import Vectors

MODEL = LocalModel(name="m", path=Path(), size=0, embedding=3)
CALM = {2: [1.0, 2.0, 3.0], 4: [0.5, 0.0, -0.5]}


@pytest.fixture
def vectors(tmp_path: Path) -> Vectors:
    return Vectors(tmp_path / "vectors")


def test_directions_become_a_file_that_can_be_taken_in_elsewhere(vectors: Vectors, tmp_path: Path) -> None:
    made = vectors.make("calm", CALM)
    assert (made.layers, made.width) == ((2, 4), 3)
    others = Vectors(tmp_path / "others")
    assert others.take("平靜", made.path).layers == (2, 4)
    assert [one.name for one in others.list()] == ["平靜"]
    assert others.find("平靜").path.read_bytes() == made.path.read_bytes()


def test_several_are_summed_within_their_layers(vectors: Vectors) -> None:
    vectors.make("calm", CALM)
    vectors.make("loud", {2: [1.0, 1.0, 1.0], 9: [9.0] * 3})
    sampling = Sampling.of({"control_vectors": [["calm", 2.0, 3, 0], ["loud", -1.0]]})
    found = matrix(vectors.asked(sampling, MODEL), layers=6, width=3)
    assert found.tolist() == [[0, 0, 0], [-1, -1, -1], [0, 0, 0], [1, 0, -1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"calm": 0.5}, (("calm", 0.5, 0, 0),)),
        ([["calm", 1]], (("calm", 1.0, 0, 0),)),
        ([["calm", 1, 3, 9]], (("calm", 1.0, 3, 9),)),
        (
            [{"name": "calm", "scale": -1, "layers": [3, 9]}, {"name": "b"}],
            (("calm", -1.0, 3, 9), ("b", 1.0, 0, 0)),
        ),
    ],
)
def test_a_sampling_names_them_in_several_ways(said: Any, read: tuple[Any, ...]) -> None:
    assert Sampling.of({"control_vectors": said}).control_vectors == read
    assert Sampling.of(Sampling.of({"control_vectors": said}).changed()).control_vectors == read


@pytest.mark.parametrize(
    "said", ["calm", ["calm"], [["calm", "x"]], {"calm": 1000}, [["calm", 1, 2]], [{"scale": 1}], [["", 1]]]
)
def test_what_names_none_is_refused(said: Any) -> None:
    with pytest.raises(BadParameter):
        Sampling.of({"control_vectors": said})


def test_those_that_are_not_here_are_told_and_those_of_another_width_refused(vectors: Vectors) -> None:
    vectors.make("calm", CALM)
    vectors.make("wide", {1: [1.0] * 8})
    asked = Sampling(control_vectors=(("calm", 0.0, 0, 0), ("gone", 1.0, 0, 0)))
    assert vectors.asked(asked, MODEL) == []
    assert vectors.ignored(asked) == ("control_vectors.gone",)
    with pytest.raises(BadParameter, match="8"):
        vectors.asked(Sampling(control_vectors=(("wide", 1.0, 0, 0),)), MODEL)


def test_names_and_directions_that_cannot_be_are_refused(vectors: Vectors, tmp_path: Path) -> None:
    vectors.make("calm", CALM)
    for name in ("../calm", "", "a/b", "calm", "x" * 90):
        with pytest.raises(BadParameter):
            vectors.make(name, CALM)
    for directions in ({}, {0: [1.0]}, {1: [1.0], 2: [1.0, 2.0]}, {1: []}):
        with pytest.raises(BadParameter):
            vectors.make("other", directions)
    (tmp_path / "text.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(BadParameter):
        vectors.take("other", tmp_path / "text.gguf")
    assert [one.name for one in vectors.list()] == ["calm"]


def test_one_that_was_removed_is_gone(vectors: Vectors) -> None:
    asked = vectors.make("calm", CALM)
    rows = vectors.asked(Sampling(control_vectors=(("calm", 1.0, 0, 0),)), MODEL)
    vectors.remove("calm")
    with pytest.raises(VectorNotFound, match="calm"):
        vectors.remove(asked.name)
    with pytest.raises(Refused, match="calm"):
        matrix(rows, layers=6, width=3)
