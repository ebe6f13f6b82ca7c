"""`fabula replies …`: quick replies of SillyTavern. Knows what their steps are, not how they are read."""

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
TURNS = {"continue": "continue", "swipe": "swipe", "reply": "reply"}


def group() -> Any:
    functions = (("list", list_), ("run", run), ("import", import_), ("export", export), ("rm", rm))
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


def rm(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        one = kept.found(studio.get("/replies")["sets"], which, RepliesNotFound)
        studio.delete(f"/replies/{segment(one['id'])}")
    screen.note(say("cli.kept.removed", name=one["name"]))
