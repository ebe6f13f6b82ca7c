"""`fabula replies …`: quick replies. Knows what their steps are, not how they are read."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from fabula.cli import chat as chats
from fabula.cli import kept, reply, screen, verbs
from fabula.cli.client import Client, segment
from fabula.cli.kept import OutOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter, RepliesNotFound
from fabula.core.texts import phrase

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help=say("cli.replies.files"), show_default=False)
]
WhichArgument = Annotated[
    str, typer.Argument(metavar="SET", help=say("cli.replies.which"), show_default=False)
]
ChatArgument = Annotated[str, typer.Argument(metavar="CHAT", help=say("cli.prompt.chat"), show_default=False)]
LabelArgument = Annotated[
    str, typer.Argument(metavar="LABEL", help=say("cli.replies.label"), show_default=False)
]
OptionalLabel = Annotated[
    str | None, typer.Argument(metavar="[LABEL]", help=say("cli.replies.label"), show_default=False)
]
TextArgument = Annotated[
    str | None, typer.Argument(metavar="[TEXT]", help=say("cli.replies.text"), show_default=False)
]
NewLabelOption = Annotated[
    str | None, typer.Option("--label", metavar="TEXT", help=say("cli.replies.relabel"), show_default=False)
]
HintOption = Annotated[
    str | None, typer.Option("--hint", metavar="TEXT", help=say("cli.replies.hint"), show_default=False)
]
AtOption = Annotated[
    int | None, typer.Option("--at", metavar="N", min=1, help=say("cli.replies.at"), show_default=False)
]
HiddenOption = Annotated[bool | None, typer.Option("--hidden/--shown", help=say("cli.replies.hidden"))]
RenameOption = Annotated[
    str | None, typer.Option("--name", metavar="TEXT", help=say("cli.replies.rename"), show_default=False)
]
SendsOption = Annotated[bool | None, typer.Option("--sends/--inserts", help=say("cli.replies.sends"))]
EverywhereOption = Annotated[
    bool | None, typer.Option("--everywhere/--chosen", help=say("cli.replies.everywhere"))
]
TURNS = {"continue": "continue", "swipe": "swipe", "reply": "reply"}


def group() -> Any:
    functions = (
        ("list", list_),
        ("run", run),
        ("set", set_),
        ("import", import_),
        ("export", export),
        ("rm", rm),
    )
    return verbs.group("replies", functions)


def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        sets = studio.get("/replies")["sets"]
    if json:
        screen.json_lines(sets)
        return
    for one in sets:
        screen.line(f"{one['name']} ({one['id']})")
        for row in one["replies"]:
            note = say("cli.replies.unknown", names=", ".join(row["unknown"])) if row["unknown"] else ""
            screen.line(f"  {row['label']}: {note or ' '.join(row['message'].split())}")


def run(chat: ChatArgument, label: LabelArgument, home: HomeOption = None) -> None:
    """What it sends is answered at once; what it puts where you write is printed."""
    with connect(home) as studio:
        id = chats.found(studio, chat)["id"]
        told = _run(studio, id, label)
        if told["unknown"]:
            raise BadParameter(
                "LABEL", label, phrase("expected.known_commands", names=", ".join(told["unknown"]))
            )
        for step in told["steps"]:
            _step(studio, id, step)


def _run(studio: Client, chat_id: str, label: str) -> dict[str, Any]:
    """Raises RepliesNotFound."""
    for one in studio.get(f"/chats/{segment(chat_id)}/replies")["sets"]:
        if any(row["label"] == label for row in one["replies"]):
            body = {"set": one["id"], "label": label}
            return studio.post(f"/chats/{segment(chat_id)}/replies/run", body)
    raise RepliesNotFound(label)


def _step(studio: Client, chat_id: str, step: dict[str, Any]) -> None:
    path = f"/chats/{segment(chat_id)}"
    if step["act"] == "insert":
        screen.line(step["text"])
    elif step["act"] == "impersonate":
        screen.line(studio.post(f"{path}/aside", {})["text"])
    else:
        body = {"revision": studio.get(path)["revision"], "kind": TURNS.get(step["act"], "reply")}
        body |= {"text": step["text"]} if step["act"] == "send" else {}
        reply.tell_facts(reply.show(studio.stream("POST", f"{path}/turns", body)))


def import_(files: FilesArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        for file in files:
            made = studio.send("/replies/import", kept.content(file), name=file.name)
            screen.line(say("cli.replies.taken", name=made["name"], count=len(made["replies"])))
            for row in made["replies"]:
                if row["unknown"]:
                    told = say("cli.replies.unknown", names=", ".join(row["unknown"]))
                    screen.note(f"{row['label']}: {told}")


def export(which: WhichArgument, out: OutOption = None, home: HomeOption = None) -> None:
    with connect(home) as studio:
        one = kept.found(studio.get("/replies")["sets"], which, RepliesNotFound)
        file = studio.get(f"/replies/{segment(one['id'])}/file")
    kept.write(json_text.dumps(file, ensure_ascii=False, indent=2) + "\n", out, one["name"])


def set_(
    which: WhichArgument,
    label: OptionalLabel = None,
    text: TextArgument = None,
    relabel: NewLabelOption = None,
    hint: HintOption = None,
    at: AtOption = None,
    hidden: HiddenOption = None,
    name: RenameOption = None,
    sends: SendsOption = None,
    everywhere: EverywhereOption = None,
    home: HomeOption = None,
) -> None:
    """The set is made when none is called so; the reply, when none of its has this label."""
    fields = _said(name=name, sends=sends, everywhere=everywhere)
    values = _said(label=relabel, message=text, title=hint, hidden=hidden)
    with connect(home) as studio:
        before = _there(studio, which)
        rows = _rows(before)
        if label is not None:
            fields["replies"] = _placed(_with(rows, label, values), label if relabel is None else relabel, at)
        if before:
            path = f"/replies/{segment(before['id'])}"
            after = studio.patch(path, {"revision": before["revision"]} | fields)
        else:
            after = studio.post("/replies", {"name": which} | fields)
    for row in after["replies"]:
        screen.line(row["label"])


def _said(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _there(studio: Client, which: str) -> dict[str, Any]:
    """The set of this name or ID; nothing where none is."""
    try:
        return kept.found(studio.get("/replies")["sets"], which, RepliesNotFound)
    except RepliesNotFound:
        return {}


def _rows(one: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("at", "label", "title", "message", "hidden")
    return [{name: row[name] for name in names} for row in one.get("replies", ())]


def _with(rows: list[dict[str, Any]], label: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The first of this label changed, or a new one behind the others."""
    number = next((number for number, row in enumerate(rows) if row["label"] == label), None)
    if number is None:
        return [*rows, {"label": label} | values]
    return [*rows[:number], rows[number] | values, *rows[number + 1 :]]


def _placed(rows: list[dict[str, Any]], label: str, at: int | None) -> list[dict[str, Any]]:
    """The one of this label at a place that is counted from 1."""
    if at is None:
        return rows
    row = next(row for row in rows if row["label"] == label)
    others = [other for other in rows if other is not row]
    return [*others[: at - 1], row, *others[at - 1 :]]


def rm(which: WhichArgument, label: OptionalLabel = None, home: HomeOption = None) -> None:
    """A set, or one of its replies."""
    with connect(home) as studio:
        one = kept.found(studio.get("/replies")["sets"], which, RepliesNotFound)
        path = f"/replies/{segment(one['id'])}"
        if label is None:
            studio.delete(path)
        else:
            rows = _rows(one)
            kept_rows = [row for row in rows if row["label"] != label]
            if len(kept_rows) == len(rows):
                raise RepliesNotFound(label)
            studio.patch(path, {"revision": one["revision"], "replies": kept_rows})
    screen.note(say("cli.kept.removed", name=label or one["name"]))
