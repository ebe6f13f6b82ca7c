"""Every lorebook case of the ground truth: what was activated, in which order, and where it stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from story_truth import Counted, tell, truth

from fabula.prompt.lore.activate import Activation, Occasion, activate, ordered
from fabula.prompt.lore.entry import SOURCES, Entry, Position, entry_of
from fabula.prompt.lore.placing import Placed, placed
from fabula.prompt.lore.settings import settings_of
from fabula.prompt.lore.timed import Timers
from fabula.prompt.macros.chance import Draw
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene

TRUTH = truth("lorebook.json")
CASES = TRUTH["cases"]
SCANNED = {ours: theirs for theirs, ours in SOURCES.items()}


def draws(numbers: list[float] | None) -> Draw:
    rolled: Iterator[float] = itertools.cycle(numbers or [0.5])
    return lambda: next(rolled)


def occasion(case: dict[str, Any], chat: list[str]) -> Occasion:
    settings = settings_of(case["settings"])
    scene = Scene(user=case["user"], char=case["char"])
    found = {
        source: case["scan"].get(field[len("match")].lower() + field[len("match") + 1 :], "")
        for source, field in SCANNED.items()
    }
    return Occasion(
        messages=chat[::-1],
        budget=settings.tokens(case["max_context"]),
        settings=settings,
        sources=found,
        trigger=case["scan"].get("trigger", "normal"),
        character=f"default_{case['char']}",
        tags=frozenset(),
        resolve=lambda text: resolved(text, scene),
    )


def shown(activation: Activation) -> dict[str, Any]:
    found: Placed = placed(activation.entries)
    return {
        "activated": [int(entry.uid) for entry in activation.entries],
        "worldInfoBefore": "\n".join(found.before),
        "worldInfoAfter": "\n".join(found.after),
        "EMEntries": [
            {"position": int(where == Position.EXAMPLES_BOTTOM), "content": text}
            for where, text in found.examples
        ],
        "WIDepthEntries": [
            {"depth": at.depth, "entries": list(at.texts), "role": at.role} for at in found.depths
        ],
        "ANBeforeEntries": list(found.note_top),
        "ANAfterEntries": list(found.note_bottom),
        "outletEntries": {name: list(texts) for name, texts in found.outlets},
        "timed": activation.timers.all(),
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_ground_truth_story_lore(case: dict[str, Any]) -> None:
    book = f"case_{case['name']}"
    entries = ordered(1, everywhere=[entry_of(row, book) for row in case["entries"]])
    timers, draw = Timers(), draws(case["rng"])
    for turn in case["turns"]:
        found = activate(entries, occasion(case, turn["chat"]), timers, Counted(), draw)
        assert isinstance(found, Activation)
        assert shown(found) == {key: value for key, value in turn.items() if key != "chat"}
        assert len(found.verdicts) == len(entries)
        assert {verdict.entry.id for verdict in found.verdicts if verdict.fired} == {
            entry.id for entry in found.entries
        }
        timers = found.timers


def lettered(letter: str, *orders: int) -> list[Entry]:
    rows = [
        TRUTH["entry_template"]
        | {"key": ["king"], "order": order, "content": f"{letter}{order}", "uid": number}
        for number, order in enumerate(orders)
    ]
    return [entry_of(row, letter) for row in rows]


@pytest.mark.parametrize("case", TRUTH["multi_source"], ids=str)
def test_ground_truth_story_lore_of_four_books(case: dict[str, Any]) -> None:
    settings = settings_of(CASES[0]["settings"] | {"world_info_budget_cap": case["budget_cap"]})
    entries = ordered(
        case["strategy"],
        everywhere=lettered("G", 10, 300),
        character=lettered("C", 20, 200),
        chat=lettered("H", 5, 400),
        persona=lettered("P", 15, 250),
    )
    turn = Occasion(messages=["Alex: king"], budget=settings.tokens(8192), settings=settings)
    found = activate(entries, turn, Timers(), Counted(), draws(None))
    assert isinstance(found, Activation)
    assert [entry.content for entry in found.entries] == case["activation_order"]
    assert "\n".join(placed(found.entries).before) == case["worldInfoBefore"]


def test_number_of_lore_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(CASES) + len(TRUTH["multi_source"]), "lorebook cases")
