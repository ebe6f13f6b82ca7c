"""Options of a command that would not be heard beside another: they are refused by name. Knows no command."""

from __future__ import annotations

import typer

from fabula.cli.mistakes import WrongUsage
from fabula.cli.words import say

EVERYWHERE = ("home", "json", "debug", "help")


def only(context: typer.Context, option: str, heard: tuple[str, ...]) -> None:
    """Raises WrongUsage where more was given than `option` and what is heard beside it, by the names that the
    command's function has for them."""
    refuse(context, option, tuple(set(context.params) - {option, *heard, *EVERYWHERE}))


def refuse(context: typer.Context, option: str, unheard: tuple[str, ...], value: str = "") -> None:
    """Raises WrongUsage where one of `unheard` was given, if only as what it is anyway."""
    spoken = {one.name: one for one in context.command.params}
    given = [name for name in spoken if name in unheard and _is_given(context, name)]
    if given:
        told = [_said(spoken[name]) for name in given]
        beside = f"{_said(spoken[option])} {value}".rstrip()
        raise WrongUsage(say("cli.usage.unheard", options=", ".join(told), beside=beside))


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _said(parameter: object) -> str:
    """An option by its name, a place by its word."""
    names = [name for name in getattr(parameter, "opts", ()) if name.startswith("--")]
    return names[0] if names else f"{getattr(parameter, 'metavar', '')}"
