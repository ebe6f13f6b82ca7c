"""`fabula appearance …`: how the app looks on all devices. Knows no colour."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.settings import told
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help=say("cli.appearance.name"), show_default=False)
]
ValueArgument = Annotated[
    str, typer.Argument(metavar="VALUE", help=say("cli.appearance.value"), show_default=False)
]
StyleArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help=say("cli.appearance.css_file"), show_default=False)
]
PictureArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help=say("cli.appearance.picture_file"), show_default=False)
]


def group() -> Any:
    rows = (("show", show), ("set", set_), ("css", css), ("background", background), ("reset", reset))
    return verbs.group("appearance", rows)


def show(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        look = studio.get("/appearance")
    if json:
        screen.json_lines([look])
        return
    if look["shared"] is None:
        screen.note(say("cli.appearance.each"))
    values = look["shared"] or look["defaults"]
    titles = ("name", "value", "choices")
    rows = [(name, told(value), _span(look, name)) for name, value in values.items()]
    screen.table([(say(f"cli.columns.{title}"), "left") for title in titles], rows)


def set_(name: NameArgument, value: ValueArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        usual = studio.get("/appearance")["defaults"].get(name)
        look = studio.put("/appearance", {name: _read(value, usual)})
    screen.note(say("cli.appearance.now", name=name, value=told(look["shared"][name])))


def css(file: StyleArgument = None, home: HomeOption = None) -> None:
    """Without a file the style sheet is taken away."""
    style = _content(file).decode("utf-8", "replace") if file else ""
    with connect(home) as studio:
        studio.put("/appearance/style", {"style": style})
    screen.note(say("cli.appearance.dressed" if style.strip() else "cli.appearance.undressed"))


def background(file: PictureArgument = None, home: HomeOption = None) -> None:
    """Without a file there is none."""
    with connect(home) as studio:
        id = studio.send("/appearance/pictures", _content(file))["id"] if file else ""
        studio.put("/appearance", {"background": id})
    screen.note(say("cli.appearance.now", name="background", value=told(id)))


def reset(home: HomeOption = None) -> None:
    """Pictures and the style sheet stay."""
    with connect(home) as studio:
        studio.delete("/appearance")
    screen.note(say("cli.appearance.each"))


def _content(file: Path) -> bytes:
    """Raises BadParameter."""
    try:
        return file.read_bytes()
    except OSError as wrong:
        reason = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("file", str(file), reason) from wrong


def _read(value: str, usual: Any) -> Any:
    """A number or a switch where the default is one; what is neither is refused by the studio."""
    words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
    if isinstance(usual, bool):
        return words.get(value.lower(), value)
    try:
        return float(value) if isinstance(usual, float) else value
    except ValueError:
        return value


def _span(look: dict[str, Any], name: str) -> str:
    choice = look["choices"][name]
    if names := choice.get("names"):
        return ", ".join(names)
    return f"{choice['low']:g}–{choice['high']:g}" if choice else "–"
