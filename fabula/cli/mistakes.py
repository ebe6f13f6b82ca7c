"""What was wrong with a command line, in the person's language. Knows no verb."""

from __future__ import annotations

from typing import Any

import typer

from fabula.cli.words import say


class WrongUsage(typer.TyperException):
    """A command line that cannot be meant; the message is a whole sentence already."""

    exit_code = 2


class NoSuchVerb(WrongUsage):
    """A word that is no verb; `near` is the closest one, or ""."""

    def __init__(self, word: str, near: str, command: str) -> None:
        key = "cli.usage.verb_near" if near else "cli.usage.verb"
        super().__init__(say(key, word=word, near=near, command=command))


def sentence(mistake: typer.TyperException) -> str:
    """What was wrong, and where to read more."""
    if isinstance(mistake, WrongUsage):
        return mistake.message
    if type(mistake).__name__ == "NoArgsIsHelpError":  # its message is the help page
        return mistake.message
    context = getattr(mistake, "ctx", None)
    path = context.command_path if context else "fabula"
    return say("cli.usage.wrong", reason=_reason(mistake), command=path)


def _reason(mistake: Any) -> str:
    """Typer says these in English only; what it says of rarer mistakes is passed on as it is."""
    kind = type(mistake).__name__
    parameter = getattr(mistake, "param", None)
    if kind == "NoSuchOption":
        return say("cli.usage.option", name=mistake.option_name)
    if kind == "MissingParameter" and parameter is not None:
        return say("cli.usage.missing", name=parameter.metavar)
    if kind == "BadParameter" and parameter is not None:
        return say("cli.usage.value", name=" / ".join(parameter.opts), reason=mistake.message.rstrip("."))
    return str(mistake.format_message())
