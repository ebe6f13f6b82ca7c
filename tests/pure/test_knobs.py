"""The controls of the sampling: every parameter has one, with a range that is allowed and words for it."""

from __future__ import annotations

import pytest

from fabula.core import texts
from fabula.core.sampling import NAMES, SAMPLERS, Sampling
from fabula.engine.llamacpp import wire
from fabula.engine.sampling.knobs import APART, BY_NAME, FAMILIES, KNOBS, tried
from fabula.engine.sampling.order import OFF, order


def test_every_parameter_has_a_knob_or_is_known_to_need_none() -> None:
    assert set(BY_NAME) | APART == set(NAMES)
    assert not set(BY_NAME) & APART


def test_seven_are_for_every_day_and_come_first() -> None:
    assert [knob.everyday for knob in KNOBS] == [True] * 7 + [False] * (len(KNOBS) - 7)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_slider_stays_within_what_is_accepted(knob) -> None:
    if knob.high is not None:
        least, most = knob.limits
        assert least <= knob.low < knob.high <= most
        Sampling(**{knob.name: type(knob.default)(knob.high)})


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_knob_and_family_has_words(language: str) -> None:
    known = texts.catalogue(language)
    wanted = [f"sampling.{knob.name}.{part}" for knob in KNOBS for part in ("title", "about")]
    wanted += [f"sampling.families.{family}" for family in FAMILIES]
    assert [key for key in wanted if key not in known] == []


def test_at_their_neutral_values_no_sampler_runs() -> None:
    neutral = {knob.name: knob.neutral for knob in KNOBS if knob.neutral is not None}
    assert order(Sampling.of(neutral)) == ()
    assert {name for values in OFF.values() for name in values} <= set(neutral)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_an_engine_can_be_asked_about_each(knob) -> None:
    """With the values that are tried, the engine heeds the knob or says that it does not."""
    asked = Sampling.of(tried(knob.name))
    assert getattr(asked, knob.name) != knob.default
    assert (knob.name in wire.ignored(asked)) == (knob.name in wire.NOT_HONOURED)


def test_every_step_can_be_named_by_its_knob() -> None:
    assert set(OFF) == set(SAMPLERS)
