"""`fabula settings …`: config.toml without an editor. Knows how settings are shown, and none by name."""

from __future__ import annotations

import json as json_lines
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import SettingUnknown

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help=say("cli.settings.name"), show_default=False)
]
ValueArgument = Annotated[
    str, typer.Argument(metavar="VALUE", help=say("cli.settings.value"), show_default=False)
]
WordsArgument = Annotated[
    str, typer.Argument(metavar="WORDS", help=say("cli.settings.words"), show_default=False)
]


def group() -> Any:
    return verbs.group("settings", (("list", list_), ("set", set_), ("reset", reset)))


def list_(words: WordsArgument = "", home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        rows = [row for row in studio.get("/settings")["settings"] if fits(row, words)]
    if json:
        screen.json_lines(rows)
        return
    titles = ("setting", "value", "default", "from", "about")
    screen.table([(say(f"cli.columns.{title}"), "left") for title in titles], map(shown, rows))


def set_(name: NameArgument, value: ValueArgument, home: HomeOption = None) -> None:
    _change(name, value, home)


def reset(name: NameArgument, home: HomeOption = None) -> None:
    _change(name, None, home)


def _change(name: str, value: str | None, home: Any) -> None:
    with connect(home) as studio:
        row = found(studio.get("/settings")["settings"], name)
        changed = found(studio.patch("/settings", {name: read(value, row)})["settings"], name)
    screen.note(say("cli.settings.now", name=name, value=told(changed["value"])))
    if changed["where"] in ("environment", "flag"):
        screen.note(say(f"cli.settings.over_{changed['where']}", name=changed["environment"]))
    elif studio.stays and changed["waits"]:
        screen.note(say("cli.settings.restart"))


def fits(row: dict[str, Any], words: str) -> bool:
    text = f"{row['name']} {row['about']}".lower()
    return all(word in text for word in words.lower().split())


def found(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Raises SettingUnknown."""
    for row in rows:
        if row["name"] == name:
            return row
    raise SettingUnknown(name, say("cli.settings.command_line"))


def read(value: str | None, row: dict[str, Any]) -> Any:
    """What was typed, as the studio takes it: true, false and numbers as such, text as it is."""
    if value is None or isinstance(row["default"], str) or row["is_time"]:
        return value
    try:
        return json_lines.loads(value.lower())
    except ValueError:
        return value  # refused by the studio, with what it would accept


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    where = say(f"cli.settings.from_{row['where']}")
    return (row["name"], told(row["value"]), told(row["default"]), where, row["about"])


def told(value: Any) -> str:
    return "–" if value == "" else f"{value}".lower() if isinstance(value, bool) else f"{value}"
