"""`fabula notebook …`: raw text and its probabilities. Knows no prompt and no table."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from fabula.cli import documents, reply, screen, verbs
from fabula.cli.client import segment
from fabula.cli.documents import (
    AgainOption,
    CountOption,
    MaxTokensOption,
    ModelOption,
    NumberArgument,
    Room,
    TitleArgument,
    TrashedOption,
    WhichArgument,
)
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

ROOM: Room = "notebooks"
TextArgument = Annotated[
    str, typer.Argument(metavar="[TEXT]", help=say("cli.notebook.text"), show_default=False)
]
AddOption = Annotated[
    str, typer.Option("--add", metavar="TEXT", help=say("cli.notebook.add"), show_default=False)
]
TokenArgument = Annotated[
    int, typer.Argument(metavar="TOKEN", help=say("cli.notebook.token"), min=1, show_default=False)
]
OtherArgument = Annotated[
    int, typer.Argument(metavar="ALTERNATIVE", help=say("cli.notebook.other"), min=1, show_default=False)
]
TokensOption = Annotated[bool, typer.Option("--tokens", help=say("cli.notebook.tokens"))]
ForeverOption = Annotated[bool, typer.Option("--forever", help=say("cli.chat.forever"))]
SHOWN = 5  # alternatives of a token in a list


def group() -> Any:
    functions = (
        ("new", new),
        ("list", list_),
        ("show", show),
        ("write", write),
        ("pick", pick),
        ("passages", passages),
        ("choose", choose),
        ("undo", undo),
        ("redo", redo),
        ("rm", rm),
        ("restore", restore),
    )
    return verbs.group("notebook", functions)


def new(
    title: TitleArgument, text: TextArgument = "", model: ModelOption = "", home: HomeOption = None
) -> None:
    with connect(home) as studio:
        made = studio.post("/notebooks", {"title": title, "text": text, "model": model})
    screen.line(say("cli.novel.made", title=title, id=made["id"]))


def list_(trashed: TrashedOption = False, home: HomeOption = None, json: JsonOption = False) -> None:
    documents.show_list(home, ROOM, json=json, trashed=trashed)


def show(
    which: WhichArgument, tokens: TokensOption = False, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        note = documents.found(studio, ROOM, which)
        told = studio.get(f"/notebooks/{segment(note['id'])}/text")
    if json:
        screen.json_lines([told])
    elif tokens:
        _tell(_tokens(told))
    else:
        screen.line(reply.printable(told["text"]))


def write(
    which: WhichArgument,
    add: AddOption = "",
    count: CountOption = 1,
    again: AgainOption = False,
    model: ModelOption = "",
    max_tokens: MaxTokensOption = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Goes on with the bare text; --add puts a text of one's own behind it first."""
    with connect(home) as studio:
        note = documents.found(studio, ROOM, which)
        if add:
            path = f"/notebooks/{segment(note['id'])}/text"
            end = len(studio.get(path)["text"])
            body = {"revision": note["revision"], "text": add, "start": end, "end": end}
            note = studio.put(path, body)["novel"]
        at = documents.again(studio, ROOM, note, "") if again else {}
        documents.run(studio, ROOM, note, documents.wish(count, model, max_tokens) | at, json=json)


def pick(which: WhichArgument, token: TokenArgument, other: OtherArgument, home: HomeOption = None) -> None:
    """By the numbers that `show --tokens` tells. What followed goes; undo brings it back."""
    with connect(home) as studio:
        note = documents.found(studio, ROOM, which)
        found = _tokens(studio.get(f"/notebooks/{segment(note['id'])}/text"))
        if token > len(found):
            raise BadParameter("TOKEN", f"{token}", phrase("expected.whole_range", low=1, high=len(found)))
        at, row = found[token - 1]
        others = row["alternatives"]
        if other > len(others):
            expected = phrase("expected.whole_range", low=1, high=len(others))
            raise BadParameter("ALTERNATIVE", f"{other}", expected)
        body = {"revision": note["revision"], "at": at, "token_id": others[other - 1]["id"]}
        studio.post(f"/notebooks/{segment(note['id'])}/pick", body)


def _tokens(told: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Those whose probabilities were kept, with the place where each begins."""
    found, at = [], 0
    for run in told["runs"]:
        place = at
        for token in run["tokens"]:
            found.append((place, token))
            place += len(token["text"])
        at += len(run["text"])
    return found


def _tell(tokens: list[tuple[int, dict[str, Any]]]) -> None:
    titles = [
        (say("cli.columns.number"), "right"),
        (say("cli.columns.token"), "left"),
        (say("cli.columns.chance"), "right"),
        (say("cli.columns.others"), "left"),
    ]
    rows = [
        (f"{number}", repr(one["text"]), _chance(one["logprob"]), _others(one))
        for number, (_, one) in enumerate(tokens, 1)
    ]
    screen.table(titles, rows)  # type: ignore[arg-type]


def _others(token: dict[str, Any]) -> str:
    told = enumerate(token["alternatives"][:SHOWN], 1)
    return "  ".join(f"{number} {one['text']!r} {_chance(one['logprob'])}" for number, one in told)


def _chance(logprob: float) -> str:
    return f"{math.exp(logprob):.1%}"


def undo(which: WhichArgument, home: HomeOption = None) -> None:
    documents.back(home, ROOM, which, "undo")


def redo(which: WhichArgument, home: HomeOption = None) -> None:
    documents.back(home, ROOM, which, "redo")


def rm(which: WhichArgument, forever: ForeverOption = False, home: HomeOption = None) -> None:
    documents.remove(home, ROOM, which, forever=forever)


def passages(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    documents.show_passages(home, ROOM, which, json=json)


def choose(which: WhichArgument, number: NumberArgument, home: HomeOption = None) -> None:
    """By its number in the list of passages."""
    documents.choose(home, ROOM, which, number)


def restore(which: WhichArgument, home: HomeOption = None) -> None:
    documents.restore(home, ROOM, which)
