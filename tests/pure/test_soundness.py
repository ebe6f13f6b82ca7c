"""Whether weights make numbers, as the engine tells it of one sentence, and what is remembered of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.core.errors import AdapterUnusable, ModelLoadFailed
from fabula.engine.llamacpp import soundness


def told(*logprobs: float | None) -> dict[str, object]:
    rows = [{"id": id, "logprob": logprob} for id, logprob in enumerate(logprobs)]
    return {"completion_probabilities": [{"id": 0, "top_logprobs": rows}]}


@pytest.mark.parametrize(
    "answer",
    [
        told(-0.1, -3.0),
        told(-0.1, None),  # no chance at all: an honest −∞
        told(),
        {},
        {"completion_probabilities": []},
        {"completion_probabilities": [{"content": "a", "probs": [{"tok_str": "a", "prob": 0.9}]}]},  # of 2024
    ],
)
def test_what_has_numbers_or_tells_none_is_let_be(answer: dict[str, object]) -> None:
    soundness.require("tiny", answer)


def test_where_the_likeliest_token_has_none_the_load_is_refused() -> None:
    with pytest.raises(ModelLoadFailed):
        soundness.require("tiny", told(None, None))
    with pytest.raises(AdapterUnusable) as refused:
        soundness.require("tiny", told(None, None), "words")
    assert refused.value.adapter == "words"


def test_what_was_found_sound_is_remembered_and_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "KEPT", 3)
    folder = tmp_path / "logs"
    assert not soundness.is_known(folder, "a")
    for weights in "abcd":
        soundness.remember(folder, weights)
    assert [soundness.is_known(folder, weights) for weights in "abcd"] == [False, True, True, True]
