"""Help pages: plain, aligned, in 80 columns, wide characters included. Knows no verb by name."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from fabula.cli.words import say

if TYPE_CHECKING:
    from typer.core import TyperCommand, TyperGroup

NAMES = 28
"""Columns of the names at the left; a longer name gets a line of its own."""

Rows = Sequence[tuple[str, str]]


def columns(text: str) -> int:
    """How many terminal columns a text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces and between wide characters."""
    lines = [""]
    for piece in _pieces(text):
        if columns(lines[-1] + piece.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> list[str]:
    """The parts of a text between which a line may be broken, closing punctuation kept with its word."""
    pieces: list[str] = []
    for char in text:
        wide = unicodedata.east_asian_width(char) in "WF"
        closing = unicodedata.category(char) in ("Pe", "Pf", "Po") or char in ",.;:"
        starts = not pieces or pieces[-1].endswith(" ") or (wide and not closing)
        after_wide = bool(pieces) and columns(pieces[-1][-1]) == 2 and not closing
        if starts or after_wide:
            pieces.append(char)
        else:
            pieces[-1] += char
    return pieces


def section(title: str, rows: Rows) -> list[str]:
    """A titled list of names and what they mean."""
    if not rows:
        return []
    left = min(max(columns(name) for name, _ in rows) + 2, NAMES)
    width = min(shutil.get_terminal_size().columns, 80) - left - 2
    lines = ["", typer.style(title, bold=True)]
    for name, meaning in rows:
        first, *rest = wrap(meaning, width)
        gap = " " * (left - columns(name))
        lines += [f"  {name}{gap}{first}"] if gap else [f"  {name}", " " * (left + 2) + first]
        lines += [" " * (left + 2) + line for line in rest]
    return lines


def command_page(command: TyperCommand | TyperGroup, context: typer.Context) -> str:
    """The whole help page of a verb, without the list of verbs that a group adds."""
    parameters = command.get_params(context)
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    below = getattr(command, "subcommand_metavar", None)
    pieces = [command.options_metavar, *(_metavar(argument) for argument in arguments), below]
    lines = [" ".join([say("cli.help.usage"), context.command_path, *(piece for piece in pieces if piece)])]
    for paragraph in (command.help or "").split("\n"):
        lines += ["", *wrap(paragraph, 79)] if paragraph else []
    lines += section(say("cli.help.arguments"), [(_metavar(row), _help(row)) for row in arguments])
    lines += section(say("cli.help.options"), [_option(row, context) for row in options if not _hidden(row)])
    return "\n".join(lines)


def _option(parameter: Any, context: typer.Context) -> tuple[str, str]:
    """Names with what they take, and the meaning."""
    name: str = parameter.get_help_record(context)[0]
    return name, say("cli.help.help") if "--help" in parameter.opts else _help(parameter)


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar)


def _help(parameter: Any) -> str:
    return str(parameter.help or "")


def _hidden(parameter: Any) -> bool:
    return bool(parameter.hidden)
