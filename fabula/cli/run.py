"""`fabula run MODEL [PROMPT]`: answer once, or chat. Knows how to ask and show, not how a model is run."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import reply
from fabula.cli.client import Client
from fabula.cli.getting import here
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, ModelArgument, YesOption
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling

PromptArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[PROMPT]", help=say("cli.run.prompt"), show_default=False)
]
SystemOption = Annotated[str, typer.Option("--system", "-s", metavar="TEXT", help=say("cli.run.system"))]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature", "-t", metavar="NUMBER", help=say("cli.run.temperature"))
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", "-n", metavar="TOKENS", help=say("cli.run.max_tokens"))
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="NUMBER", help=say("cli.run.seed"))]
StopOption = Annotated[list[str] | None, typer.Option("--stop", metavar="TEXT", help=say("cli.run.stop"))]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=say("cli.run.set"))]

CharacterOption = Annotated[
    str, typer.Option("--character", "-c", metavar="NAME", help=say("cli.run.character"), show_default=False)
]
AsOption = Annotated[str, typer.Option("--as", metavar="NAME", help=say("cli.run.as"), show_default=False)]


def run(
    model: ModelArgument,
    prompt: PromptArgument = None,
    system: SystemOption = "",
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
    seed: SeedOption = None,
    stop: StopOption = None,
    sets: SetOption = None,
    character: CharacterOption = "",
    as_: AsOption = "",
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    given = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed, "stop": stop}
    sampling = {name: value for name, value in given.items() if value not in (None, [])}
    sampling |= dict(read_setting(*text.partition("=")[::2]) for text in sets or [])
    check(sampling)
    text = question(" ".join(prompt or []), read_piped())
    if not text and not sys.stdin.isatty():
        raise WrongUsage(say("cli.run.nothing"))
    if as_ and not character:
        raise WrongUsage(say("cli.run.as_whom"))
    with connect(home) as studio:
        name = here(studio, model, yes=yes)
        if text and not character:
            answer(studio, name, text, system, sampling)
        else:
            _talk(studio, name, system, sampling, _story(studio, character, as_), text, home)


def _story(studio: Client, character: str, person: str) -> dict[str, Any]:
    """What a chat with a character is made with besides; nothing for one with the model itself."""
    if not character:
        return {}
    from fabula.cli.character import found

    return {"character_id": found(studio, character)["id"], "persona": {"name": person, "description": ""}}


def _talk(
    studio: Client,
    model: str,
    system: str,
    sampling: dict[str, Any],
    story: dict[str, Any],
    text: str,
    home: Path | None,
) -> None:
    """With a text, one turn of a new chat; without, a chat until the person leaves."""
    from fabula.cli.talk import Talk, talk

    conversation = Talk(studio, model, system, sampling, story)
    if text:
        conversation.say(text)
    else:
        talk(conversation, home)


def check(sampling: dict[str, Any]) -> None:
    """Before anything is started."""
    try:
        Sampling.of(sampling)
    except BadParameter as error:
        raise WrongUsage(error.sentence(language())) from error


def answer(studio: Client, model: str, text: str, system: str, sampling: dict[str, Any]) -> None:
    """One question, one answer; nothing is stored."""
    messages = [{"role": "system", "text": system}] if system else []
    messages.append({"role": "user", "text": text})
    body = {"model": model, "messages": messages, "sampling": sampling}
    reply.tell_facts(reply.show(studio.stream("POST", "/generate", body)))


def question(prompt: str, piped: str) -> str:
    """The prompt, then what came through the pipe."""
    return "\n\n".join(part for part in (prompt, piped.rstrip("\n")) if part)


def read_piped() -> str:
    """What stdin holds when it is a pipe or a file; a terminal, a socket or a device is not read."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or not a file at all
        return ""
    return sys.stdin.read() if stat.S_ISFIFO(mode) or stat.S_ISREG(mode) else ""


def read_setting(name: str, value: str) -> tuple[str, Any]:
    """A sampling parameter as typed: numbers, true, false and JSON lists are understood, all else is text."""
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()
