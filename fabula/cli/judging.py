"""`fabula chat why`, `fabula chat distribution`: how it is shown and tried. Knows not how it is found."""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

import typer

from fabula.cli import chat as chats
from fabula.cli import screen
from fabula.cli.client import Client, error_of, segment
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.reply import printable
from fabula.cli.run import read_setting
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

WhichArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.chat.which"), show_default=False)]
MessageOption = Annotated[
    str, typer.Option("--message", metavar="ID", help=say("cli.chat.why_message"), show_default=False)
]
TryOption = Annotated[
    str, typer.Option("--try", metavar="RULE", help=say("cli.chat.why_try"), show_default=False)
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=say("cli.run.set"))]
AtOption = Annotated[Literal["start", "end"], typer.Option("--at", help=say("cli.chat.at"))]
CountOption = Annotated[
    int, typer.Option("--count", metavar="COUNT", help=say("cli.chat.bars"), min=1, max=100)
]
WIDTH = 24  # characters of a bar
NAMES = ("A", "B")


# ── why ─────────────────────────────────────────────────────────────────────────────────────────────


def why(
    which: WhichArgument,
    message: MessageOption = "",
    try_: TryOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        id = chats.found(studio, which)["id"]
        query = {"message_id": message} if message else {}
        answer = studio.get(f"/chats/{segment(id)}/why", **query)
        if try_:
            _try(studio, id, answer, try_)
        elif json:
            screen.json_lines(answer["findings"])
        else:
            _tell(answer)


def _tell(answer: dict[str, Any]) -> None:
    for row in answer["findings"]:
        rule, fix, weight = row["rule"], row["fix"], row["weight"]
        screen.line(f"{say(f'web.why.weight_{weight}')} ({rule})")
        screen.line(f"  {row['text']}")
        screen.line("  " + (say("cli.chat.why_fix", fix=fix["text"], rule=rule) if fix else row["advice"]))
    if not answer["findings"]:
        screen.note(say("web.why.nothing", rules=answer["rules"]))


def _try(studio: Client, id: str, answer: dict[str, Any], rule: str) -> None:
    """Two replies in an order that is drawn; the one that is chosen is shown in the chat."""
    fixes = {row["rule"]: row["fix"] for row in answer["findings"] if row["fix"]}
    if rule not in fixes:
        raise BadParameter("--try", rule, phrase("expected.one_of", names=", ".join(fixes) or "–"))
    head = studio.get(f"/chats/{segment(id)}")["head_id"]
    luck = {"seed": random.getrandbits(31)}  # the same for both, and not that of the reply that is there
    fix = fixes[rule]
    sides: list[dict[str, Any]] = [{"sampling": luck}, fix | {"sampling": luck | fix["sampling"]}]
    random.shuffle(sides)
    written = [_written(studio, id, answer["message_id"], side) for side in sides]
    for name, (_, text) in zip(NAMES, written, strict=True):
        screen.line(f"── {name} ──\n{printable(text)}\n")
    chosen = _asked()
    message = written[chosen][0] if chosen is not None else head
    now = studio.get(f"/chats/{segment(id)}")
    studio.post(f"/chats/{segment(id)}/head", {"revision": now["revision"], "message_id": message})
    for name, side in zip(NAMES, sides, strict=True):
        screen.line(f"{name}: {side.get('text') or say('web.why.as_it_is')}")


def _asked() -> int | None:
    """0 or 1; None for neither."""
    answer = typer.prompt(say("cli.chat.why_choose"), default="-", show_default=False).strip().upper()
    return NAMES.index(answer) if answer in NAMES else None


def _written(studio: Client, id: str, message_id: str, fix: dict[str, Any]) -> tuple[str, str]:
    """Another alternative, written with a change: its id and its text."""
    revision = studio.get(f"/chats/{segment(id)}")["revision"]
    body: dict[str, Any] = {"revision": revision, "kind": "swipe", "message_id": message_id}
    body |= {name: fix[name] for name in ("sampling", "model", "load") if fix.get(name)}
    with screen.spinner(say("web.why.writing")):
        for event in studio.stream("POST", f"/chats/{segment(id)}/turns", body):
            if event.kind == "error":
                raise error_of(event.data)
            if event.kind == "done":
                made = event.data["change"]["message"]
                return made["id"], made["text"]
    raise BadParameter("--try", fix.get("text", ""), phrase("expected.reply"))


# ── the distribution ────────────────────────────────────────────────────────────────────────────────


def distribution(
    which: WhichArgument,
    sets: SetOption = None,
    at: AtOption = "start",
    count: CountOption = 12,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        chat = chats.found(studio, which)
        sampling = chat["sampling"] | dict(read_setting(*text.partition("=")[::2]) for text in sets or [])
        asked = {"sampling": sampling, "at": at, "count": count}
        answer = studio.post(f"/chats/{segment(chat['id'])}/distribution", asked)
    if json:
        screen.json_lines([answer])
        return
    rows = [(_visible(row["text"]), row["before"], row["after"]) for row in answer["tokens"]]
    rows.append((say("web.picture.rest"), answer["rest"]["before"], answer["rest"]["after"]))
    titles = [(say(f"web.picture.{name}"), side) for name, side in (("token", "left"), ("before", "right"))]
    titles += [(say("web.picture.after"), "right"), ("", "left")]
    most = max(max(before, after) for _, before, after in rows) or 1
    bars = [(text, f"{before:.1%}", f"{after:.1%}", _bar(after / most)) for text, before, after in rows]
    screen.table(titles, bars)  # type: ignore[arg-type]
    choices = {side: f"{answer['choices'][side]:.1f}" for side in ("before", "after")}
    screen.note(say("web.picture.words", left=answer["left"], **choices))


def _bar(share: float) -> str:
    return "█" * round(share * WIDTH)


def _visible(text: str) -> str:
    """Spaces and line breaks can be seen."""
    return printable(text.replace("\n", "⏎").replace(" ", "␣")) or "∅"
