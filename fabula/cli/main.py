"""The command `fabula`: arguments in, one verb called, an error told in a sentence. Knows no verb's work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from fabula import __version__
from fabula.cli import mistakes
from fabula.cli.options import HomeOption
from fabula.cli.verbs import Verbs
from fabula.cli.words import language, say
from fabula.core.errors import FabulaError

VersionOption = Annotated[bool, typer.Option("--version", help=say("cli.options.version"))]
DebugOption = Annotated[bool, typer.Option("--debug", help=say("cli.options.debug"))]


def root(
    context: typer.Context,
    home: HomeOption = None,
    debug: DebugOption = False,
    version: VersionOption = False,
) -> None:
    """What stands before the verb. Without a verb: the first run."""
    if home:
        os.environ["FABULA_HOME"] = str(home.expanduser().absolute())
    if version:
        typer.echo(f"fabula {__version__}")
    elif context.invoked_subcommand is None:
        from fabula.cli.first import first

        first()


def command() -> Any:
    """The whole command line, with no verb imported yet."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback(
        cls=Verbs,
        invoke_without_command=True,
        help=say("cli.about"),
        options_metavar=say("cli.help.options_metavar"),
        subcommand_metavar=say("cli.help.verb_metavar"),
    )(root)
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command line and leaves: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C."""
    words, debug = take_debug(sys.argv[1:] if arguments is None else list(arguments))
    try:
        status = command().main(args=words, prog_name="fabula", standalone_mode=False)
    except typer.TyperException as mistake:
        leave(mistakes.sentence(mistake), mistake.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        leave("", 130)
    except FabulaError as error:
        if debug:
            raise
        leave(error.sentence(language()), 1)
    except Exception as error:
        if debug:
            raise
        leave(say("cli.internal", reason=f"{type(error).__name__}: {error}"), 1)
    sys.exit(status if isinstance(status, int) else 0)


def take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """`--debug` is understood in any place before a lone `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words = [word for word in arguments[:end] if word != "--debug"]
    return words + arguments[end:], len(words) < end


def leave(sentence: str, status: int) -> NoReturn:
    if sentence:
        typer.echo(sentence, err=True)
    sys.exit(status)
