"""A derived model in a turn: its parameters under the request's own, its words before the conversation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fabula.core.load import LoadOptions, Wish
from fabula.core.messages import Message
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.models.derived import Derived, DerivedModels
from fabula.turn.deriving import resolved
from fabula.turn.request import TurnRequest
from fabula.turn.seeds import alternatives

MARIO = Derived(
    name="mario",
    base="tiny",
    sampling={"temperature": 0.2, "stop": ("END",)},
    load=LoadOptions(context=1024),
    system="You are Mario.",
    messages=(Message(role="user", text="Hi"), Message(role="assistant", text="It's-a me!")),
)
HELLO = Message(role="user", text="Hello")


def asked(**more: object) -> TurnRequest:
    return resolved(TurnRequest(**{"model": "mario", "messages": (HELLO,), **more}), MARIO)  # type: ignore[arg-type]


def test_its_parameters_hold_where_the_request_says_nothing() -> None:
    request = asked(sampling=Sampling.of({"top_k": 5}))
    assert (request.model, request.sampling.top_k) == ("tiny", 5)
    assert (request.sampling.temperature, request.sampling.stop) == (0.2, ("END",))
    assert request.wish.options.context == 1024


def test_what_the_request_says_holds_even_when_it_is_the_usual_value() -> None:
    usual = Sampling().temperature
    assert asked(sampling=Sampling.of({"temperature": usual})).sampling.temperature == usual
    wish = Wish(LoadOptions(context=512))
    assert asked(wish=wish).wish.options.context == 512


def seeds(said: dict[str, object], own: int | None = 3, count: int = 1) -> list[int | None]:
    model = dataclasses.replace(MARIO, sampling={"seed": own})
    request = TurnRequest(model="mario", messages=(HELLO,), sampling=Sampling.of(said))
    return [resolved(one, model).sampling.seed for one in alternatives(request, count)]


def test_its_seed_holds_for_all_alternatives() -> None:
    assert seeds({}) == [3]
    assert seeds({}, count=3) == [3, 4, 5]
    assert seeds({}, own=SEED_LIMIT - 1, count=2) == [SEED_LIMIT - 1, 0]


def test_a_seed_that_is_said_goes_before_its_own_also_a_random_one() -> None:
    assert seeds({"seed": 9}, count=2) == [9, 10]
    assert seeds({"seed": None}) != seeds({"seed": None})


def test_its_words_stand_before_the_conversation() -> None:
    texts = [message.text for message in asked().messages]
    assert texts == ["You are Mario.", "Hi", "It's-a me!", "Hello"]


def test_a_system_prompt_of_the_request_takes_its_place() -> None:
    own = Message(role="system", text="You are Luigi.")
    texts = [message.text for message in asked(messages=(own, HELLO)).messages]
    assert texts == ["You are Luigi.", "Hi", "It's-a me!", "Hello"]


def test_a_raw_prompt_stays_as_it_is() -> None:
    request = asked(messages=(), prompt=("Once",))
    assert (request.messages, request.prompt, request.sampling.temperature) == ((), ("Once",), 0.2)


# ── the shelf ───────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_kept_and_found_by_its_name_in_any_case_and_with_latest(tmp_path: Path) -> None:
    DerivedModels(tmp_path / "derived").save(MARIO)
    shelf = DerivedModels(tmp_path / "derived")
    assert shelf.all() == [MARIO]
    assert shelf.find("Mario:latest") == shelf.find("mario") == MARIO
    assert shelf.find("mari") is None
    assert shelf.of("tiny") == ["mario"]


def test_one_takes_the_place_of_another_of_its_name_and_is_removed(tmp_path: Path) -> None:
    shelf = DerivedModels(tmp_path / "derived")
    shelf.save(MARIO)
    shelf.save(Derived(name="mario", base="other"))
    assert [told.base for told in shelf.all()] == ["other"]
    shelf.remove("mario")
    assert shelf.all() == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 9}', '{"version": 1, "messages": [{}]}'])
def test_a_damaged_file_is_passed_over(tmp_path: Path, text: str) -> None:
    shelf = DerivedModels(tmp_path)
    shelf.save(MARIO)
    (tmp_path / "other.json").write_text(text)
    assert DerivedModels(tmp_path).all() == [MARIO]


def test_a_mere_other_name_has_the_digest_of_its_base() -> None:
    assert Derived(name="luigi", base="tiny").digest("abc") == "abc"
    assert MARIO.digest("abc") not in ("abc", MARIO.digest("abd"))
