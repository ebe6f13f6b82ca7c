"""Generation parameters are checked where they come in, and told in full where they go out."""

from __future__ import annotations

import dataclasses

import pytest

from fabula.core.errors import BadParameter
from fabula.core.sampling import RANGES, Sampling


def test_values_come_from_loose_json():
    sampling = Sampling.of({"temperature": 1, "top_k": 20.0, "stop": ["\n"], "seed": 7})
    assert (sampling.temperature, sampling.top_k, sampling.stop, sampling.seed) == (1.0, 20, ("\n",), 7)


def test_openais_bias_object_is_understood():
    assert Sampling.of({"logit_bias": {"50": -100}}).logit_bias == ((50, -100.0),)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": "hot"},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": 1.5},
        {"top_k": True},
        {"ignore_eos": 1},
        {"stop": "text"},
        {"stop": [1]},
        {"logit_bias": {"a": 1}},
        {"logit_bias": [[5, False]]},
        {"logit_bias": [[1.5, 1]]},
        {"logit_bias": {"5": "3"}},
        {"logit_bias": {"-5": 3}},
        {"banned_tokens": [-1]},
        {"logit_bias": 5},
        {"max_tokens": 0},
        {"colour": "red"},
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(values: dict[str, object]):
    with pytest.raises(BadParameter) as refusal:
        Sampling.of(values)
    assert refusal.value.name == next(iter(values))
    assert refusal.value.expected


def test_only_what_was_changed_is_shown_as_changed():
    assert Sampling().changed() == {}
    assert Sampling(min_p=0.2).changed() == {"min_p": 0.2}


def test_every_range_belongs_to_a_field():
    assert RANGES.keys() <= {field.name for field in dataclasses.fields(Sampling)}
