"""Every macro case of the ground truth."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from story_truth import card_of, tell, truth

from fabula.prompt.faithful.formats import FORMATS
from fabula.prompt.faithful.templates import Context, template_words
from fabula.prompt.macros.defined import MACROS
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Card, Said, Scene, Variables

TRUTH = truth("macros.json")
CASES: list[tuple[str, str]] = [(text, expected) for text, expected in TRUTH["cases"]]
STATE = Variables({"y": 3})  # set by cases that were left out of the truth
EVERYWHERE = Variables()
NOW = datetime.datetime(2026, 11, 21, 18, 35, 20, tzinfo=datetime.UTC)
PLAIN = {
    "maxprompt": "7842",
    "maxcontext": "8192",
    "maxresponse": "350",
    "model": "mock-model",
    "firstincludedmessageid": "24",
    "systemprompt": "Write {{char}}'s next reply in a fictional chat between {{char}} and {{user}}.",
    "defaultsystemprompt": "Write {{char}}'s next reply in a fictional chat between {{char}} and {{user}}.",
    "reasoningprefix": "<think>",
    "reasoningsuffix": "</think>",
    "reasoningseparator": "\n",
    **template_words(Context(example_separator="***", chat_start="***"), FORMATS["Harmony"]),
}


def examples() -> str:
    """As the instruct templates lay them out: their own tests are beside this file."""
    turns = [
        ("user", "Alex: Why so many clocks?"),
        ("char", '"Because every one of them is wrong in its own way."'),
        ("", ""),
        ("user", "Alex: Do you live alone?"),
        ("char", '*She winds a spring.* "Alone is a strong word. The sea talks."'),
        ("user", "Alex: And what does it say?"),
        ("char", '"Mostly complaints."'),
    ]
    heads = {"user": PLAIN["instructuserprefix"], "char": PLAIN["instructassistantprefix"]}
    return "***\n" + "".join(f"{heads[who]}{text}<|end|>" if who else "***\n" for who, text in turns)


def said() -> list[Said]:
    inputs = truth("text_completion_prompts.json")["inputs"]["chat"]
    return [
        Said(
            text=row["mes"],
            is_user=row["is_user"],
            is_hidden=row["is_system"],
            sent=datetime.datetime.fromisoformat(row["send_date"]),
        )
        for row in inputs
    ]


def card() -> Card:
    data = card_of()
    return Card(
        description=data["description"],
        personality=data["personality"],
        scenario=data["scenario"],
        examples=data["mes_example"],
        greetings=(data["first_mes"], *data["alternate_greetings"]),
        creator_notes=data["creator_notes"],
        version=data["character_version"],
    )


def draws() -> Iterator[float]:
    return itertools.cycle(TRUTH["rng"])


def scene(**changes: Any) -> Scene:
    numbers = draws()
    given: dict[str, Any] = {
        "user": "Alex",
        "char": "Mira",
        "card": card(),
        "persona": "Alex is a tired cartographer.",
        "messages": said(),
        "plain": PLAIN | {"mesexamples": examples()},
        "local": STATE,
        "everywhere": EVERYWHERE,
        "now": NOW,
        "draw": lambda: next(numbers),
        "chat_id": TRUTH["chatId"],
    }
    return Scene(**given | changes)


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_ground_truth_story_macros(text: str, expected: str) -> None:
    if "random" in text.lower():
        # `random` was drawn from hidden entropy: some draw must give exactly the text
        reachable = {resolved(text, scene(draw=lambda at=at: at / 20)) for at in range(20)}
        assert expected in reachable
        return
    assert resolved(text, scene()) == expected


def test_number_of_macro_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(CASES), "macro cases")


def test_ground_truth_story_macro_names_and_arguments() -> None:
    for row in TRUTH["names"]:
        macro = MACROS[row["name"].lower()]
        least, most = row["args"]
        assert (macro.least, macro.most, macro.takes_list) == (least, most, row["list"]), row["name"]
