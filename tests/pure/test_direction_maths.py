"""What two clouds of points give: a direction, how well it tells them apart, what an edit leaves of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fabula.lab.directions import ablate, maths
from fabula.lab.directions.ablate import Cut
from fabula.lab.directions.maths import Cloud

WIDTH = 24


def clouds(shift: float, seed: int = 3, offset: float = 0.0) -> tuple[Cloud, Cloud, NDArray[np.float64]]:
    """Two sides that differ along a known axis."""
    random = np.random.default_rng(seed)
    axis = maths.unit(random.standard_normal(WIDTH))
    rows = random.standard_normal((4, 200, WIDTH)) + offset
    made = [
        (side + sign * shift / 2 * axis).astype(np.float32)
        for side, sign in zip(rows, (1, 1, -1, -1), strict=True)
    ]
    return Cloud(made[0], made[1]), Cloud(made[2], made[3]), axis


def test_the_direction_is_where_the_sides_differ() -> None:
    positive, negative, axis = clouds(6.0)
    found = maths.find(positive, negative)
    assert found.direction @ axis > 0.98
    assert found.accuracy > 0.98
    assert found.separation == pytest.approx(6, abs=0.6)
    assert found.component > 0.98  # the main component of both sides finds the same
    assert found.distance == pytest.approx(6, abs=0.4)


def test_sides_that_do_not_differ_are_not_told_apart() -> None:
    found = maths.find(*clouds(0.0)[:2])
    assert 0.35 < found.accuracy < 0.65


def test_held_out_prompts_alone_are_judged_by() -> None:
    positive, negative, _ = clouds(6.0)
    swapped = maths.find(Cloud(positive.learn, negative.held), Cloud(negative.learn, positive.held))
    assert swapped.accuracy < 0.05


def test_a_projected_direction_has_nothing_along_the_negative_mean() -> None:
    positive, negative, _ = clouds(6.0, offset=2.0)
    found = maths.find(positive, negative, project=True)
    assert abs(found.direction @ maths.unit(found.negative_mean)) < 1e-12
    assert np.linalg.norm(found.direction) == pytest.approx(1)


def test_winsors_rule_cuts_each_prompt_at_its_own_quantile() -> None:
    rows = np.ones((2, 100), np.float32)
    rows[0, 3], rows[1, 7] = 500, -80
    assert np.abs(maths.clipped(rows, 0.9)).max() == 1
    assert np.abs(maths.clipped(rows, 1.0)).max() == 500


def test_massive_activations_are_noticed() -> None:
    positive, negative, _ = clouds(1.0)
    positive.learn[:, 5] += 5000
    assert maths.find(positive, negative).massive > 20
    assert maths.massive(np.ones(8)) == 1


def test_between_two_layers_the_direction_is_their_mean() -> None:
    directions = np.eye(3)
    assert maths.at(directions, 1.0) == pytest.approx([0, 1, 0])
    assert maths.at(directions, 0.5) == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert maths.at(directions, 9.0) == pytest.approx([0, 0, 1])
    assert maths.between(directions) == pytest.approx([0, 0])


def test_all_prompts_lie_on_two_components() -> None:
    positive, negative, _ = clouds(9.0)
    ours, theirs = maths.scatter(positive.learn, negative.learn)
    assert ours.shape == theirs.shape == (200, 2)
    assert abs(ours[:, 0].mean() - theirs[:, 0].mean()) > 6


# ── cutting ─────────────────────────────────────────────────────────────────────────────────────────


def cut_whole(weight: NDArray[np.float32], cut: Cut) -> NDArray[np.float32]:
    """[width, columns]"""
    made = np.empty_like(weight)

    def write(first: int, rows: NDArray[np.float32]) -> None:
        made[first : first + len(rows)] = rows

    ablate.cut_rows(lambda first, count: weight[first : first + count], write, *weight.shape, cut)
    return made


@given(st.integers(0, 1000), st.floats(-2, 2), st.booleans())
@settings(deadline=None, max_examples=30)
def test_what_is_left_of_the_direction_is_what_was_not_taken(seed: int, strength: float, keep: bool) -> None:
    random = np.random.default_rng(seed)
    weight = random.standard_normal((WIDTH, 40)).astype(np.float32)
    axis = maths.unit(random.standard_normal(WIDTH))
    made = cut_whole(weight, Cut(axis, strength, keep))
    expected = weight - strength * np.outer(axis, axis @ weight)
    if keep:
        assert np.linalg.norm(made, axis=0) == pytest.approx(np.linalg.norm(weight, axis=0), rel=1e-5)
        expected *= np.linalg.norm(weight, axis=0) / np.linalg.norm(expected, axis=0)
    assert made == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("keep", [False, True])
def test_a_whole_cut_leaves_a_millionth(keep: bool) -> None:
    random = np.random.default_rng(1)
    weight = random.standard_normal((576, 300)).astype(np.float32)
    axis = maths.unit(random.standard_normal(576))
    made = cut_whole(weight, Cut(axis, 1.0, keep))
    assert np.linalg.norm(axis @ made) <= 1e-6 * np.linalg.norm(axis @ weight)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(2).standard_normal((WIDTH, 30)).astype(np.float32)
    cut = Cut(maths.unit(np.arange(WIDTH, dtype=float)), 0.7, True)
    whole = cut_whole(weight, cut)
    monkeypatch.setattr(ablate, "PIECE", 64)
    assert cut_whole(weight, cut) == pytest.approx(whole, abs=1e-6)


def test_vectors_of_the_stream_are_cut_as_columns_are() -> None:
    weight = np.random.default_rng(4).standard_normal((WIDTH, 30)).astype(np.float32)
    cut = Cut(maths.unit(np.ones(WIDTH)), 1.3)
    assert pytest.approx(cut_whole(weight, cut), abs=1e-6) == ablate.cut_vectors(weight.T.copy(), cut).T


def test_behind_a_norm_the_direction_is_what_the_writer_must_not_write() -> None:
    random = np.random.default_rng(5)
    axis, norm = maths.unit(random.standard_normal(WIDTH)), random.standard_normal(WIDTH) + 2
    weight = random.standard_normal((WIDTH, 30)).astype(np.float32)
    made = cut_whole(weight, Cut(ablate.seen_behind(axis, norm)))
    assert np.abs(axis @ (norm[:, None] * made)).max() < 1e-5
