"""The list of verbs, each imported only when it is called. Knows no verb's options.

A verb is a module of this package with a function of the verb's name (`list_` where Python owns the name)
and a text `cli.VERB.about`. A verb that has verbs of its own (`job`) offers `group()` instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fabula.cli import pages
from fabula.cli.mistakes import NoSuchVerb
from fabula.cli.words import say

VERBS = (
    "run",
    "serve",
    "search",
    "pull",
    "downloads",
    "scan",
    "adapter",
    "vector",
    "list",
    "show",
    "fit",
    "recommend",
    "catalog",
    "quantize",
    "imatrix",
    "direction",
    "eval",
    "verify",
    "rm",
    "ps",
    "stop",
    "engine",
    "remote",
    "key",
    "settings",
    "appearance",
    "preset",
    "character",
    "lorebook",
    "persona",
    "script",
    "template",
    "pack",
    "replies",
    "story",
    "memory",
    "chat",
    "novel",
    "notebook",
    "import",
    "prompt",
    "batch",
    "job",
    "backup",
    "restore",
    "restart",
    "doctor",
)

MODULES = {"import": "import_"}  # where Python owns the name


class Verb(TyperCommand):
    """A verb whose help page is ours."""

    def get_help(self, ctx: Any) -> str:
        return pages.command_page(self, ctx)


class Group(TyperGroup):
    """Verbs under one name, with help pages and mistakes that are ours."""

    def rows(self) -> list[tuple[str, str]]:
        return [(name, verb.help or "") for name, verb in self.commands.items() if not verb.hidden]

    def get_help(self, ctx: Any) -> str:
        lines = pages.section(say("cli.help.commands"), self.rows())
        return pages.command_page(self, ctx) + "\n" + "\n".join(lines)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            raise NoSuchVerb(args[0], near[0] if near else "", ctx.command_path)
        return super().resolve_command(ctx, args)


class Verbs(Group):
    """The verbs of `fabula`, looked up by name and imported when called."""

    def rows(self) -> list[tuple[str, str]]:
        return [(name, say(f"cli.{name}.about")) for name in VERBS]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"fabula.cli.{MODULES.get(cmd_name, cmd_name)}")
        if hasattr(module, "group"):
            return module.group()
        return verb(cmd_name, getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_"))


def verb(name: str, function: Callable[..., None]) -> Any:
    """One function as a command of its own."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    add(app, f"cli.{name}", name, function)
    return typer.main.get_command(app)


def group(
    name: str,
    functions: Sequence[tuple[str, Callable[..., None]]],
    hidden: Sequence[str] = (),
    story: str = "",
) -> Any:
    """Several functions as the verbs of `name`; those in `hidden` are for programs. `story` tells how they
    belong together."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback(
        cls=Group,
        help="\n\n".join(part for part in (say(f"cli.{name}.about"), story) if part),
        no_args_is_help=True,
        options_metavar=say("cli.help.options_metavar"),
        subcommand_metavar=say("cli.help.verb_metavar"),
    )(lambda: None)
    for name_below, function in functions:
        add(app, f"cli.{name}.{name_below}", name_below, function, hidden=name_below in hidden)
    return typer.main.get_command(app)


def add(
    app: typer.Typer, key: str, name: str, function: Callable[..., None], *, hidden: bool = False
) -> None:
    """Put a function into an app under the texts of `key`."""
    metavar = say("cli.help.options_metavar")
    about = "" if hidden else say(f"{key}.about")
    app.command(name, cls=Verb, help=about, options_metavar=metavar, hidden=hidden)(function)
