"""A chat in the terminal, kept as a chat of the studio. Knows the /commands, not how a reply is made."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fabula.cli import line, reply, screen
from fabula.cli.client import Client, segment
from fabula.cli.run import read_setting
from fabula.cli.words import say
from fabula.core.errors import FabulaError, StaleRevision
from fabula.core.sampling import Sampling
from fabula.core.seams import Event


class Bye(Exception):
    """The person leaves."""


@dataclass
class Talk:
    """One chat. It comes into being with its first message, so that looking around leaves nothing behind."""

    studio: Client
    model: str
    system: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)
    story: dict[str, Any] = field(default_factory=dict)  # with whom: character_id and persona
    chat: dict[str, Any] | None = None

    def say(self, text: str) -> None:
        self.turn({"kind": "reply", "text": text})

    def turn(self, body: dict[str, Any]) -> None:
        chat = self.begin()
        path = f"/chats/{chat['id']}/turns"
        events = self.studio.stream("POST", path, {"revision": chat["revision"], **body})
        beside: dict[int, str] = {}
        try:
            reply.tell_facts(reply.show(_first(_stoppable(self.studio, events), beside)))
            self.show_versions(beside)
        finally:
            self.refresh()

    def begin(self) -> dict[str, Any]:
        """The chat, made now if there is none yet."""
        self.chat = self.chat or self.studio.post("/chats", self.wishes() | self.story)
        return self.chat

    def show_versions(self, texts: dict[int, str]) -> None:
        """Those that were written beside the first, with the numbers that /swipe takes."""
        count = len(self.swipes()) if texts else 0
        for index, text in sorted(texts.items()):
            screen.note(say("cli.chat.version", number=count - len(texts) + index, count=count))
            screen.line(reply.printable(text))

    def swipes(self) -> list[str]:
        """The last message and its alternatives."""
        if self.chat is None:
            return []
        page = self.studio.get(f"/chats/{self.chat['id']}/messages", limit=1)
        return [id for message in page["messages"] for id in message["swipe"]["ids"]]

    def change(self, method: str, path: str, **fields: Any) -> None:
        """A change of the tree."""
        if self.chat is None:
            screen.note(say("cli.chat.empty"))
            return
        body = {"revision": self.chat["revision"], **fields}
        self.chat = self.studio.post(f"/chats/{self.chat['id']}/{path}", body)["chat"]

    def update(self) -> None:
        """Tell the studio of a new model, system prompt or sampling."""
        if self.chat:
            body = {"revision": self.chat["revision"], **self.wishes()}
            self.chat = self.studio.patch(f"/chats/{self.chat['id']}", body)

    def refresh(self) -> None:
        if self.chat:
            self.chat = self.studio.get(f"/chats/{self.chat['id']}")

    def wishes(self) -> dict[str, Any]:
        return {"model": self.model, "system": self.system, "sampling": self.sampling}


# ── the /commands ───────────────────────────────────────────────────────────────────────────────────


def help_(talk: Talk, rest: str) -> None:
    screen.pairs((f"/{name}", say(f"cli.chat.commands.{name}")) for name in COMMANDS)
    screen.line(say("cli.chat.typing"))


def system(talk: Talk, rest: str) -> None:
    if rest:
        talk.system = rest
        talk.update()
    screen.note(say("cli.chat.system", text=talk.system) if talk.system else say("cli.chat.no_system"))


def set_(talk: Talk, rest: str) -> None:
    if rest:
        name, value = read_setting(*rest.partition(" ")[::2])
        sampling = {**talk.sampling, name: value}
        Sampling.of(sampling)
        talk.sampling = sampling
        talk.update()
    values = Sampling.of(talk.sampling).all() if not rest else talk.sampling
    screen.pairs((name, str(value)) for name, value in values.items())


def retry(talk: Talk, rest: str) -> None:
    if rest and not rest.isdecimal():
        screen.note(say("cli.chat.count"))
    else:
        talk.turn({"kind": "swipe", "count": int(rest or 1)})


def swipe(talk: Talk, rest: str) -> None:
    ids = talk.swipes()
    if not ids:
        screen.note(say("cli.chat.empty"))
    elif not rest.isdecimal() or not 1 <= int(rest) <= len(ids):
        screen.note(say("cli.chat.versions", count=len(ids)))
    else:
        talk.change("POST", "head", message_id=ids[int(rest) - 1])
        show_last(talk)


def continue_(talk: Talk, rest: str) -> None:
    talk.turn({"kind": "continue"})


def undo(talk: Talk, rest: str) -> None:
    talk.change("POST", "undo")
    show_last(talk)


def redo(talk: Talk, rest: str) -> None:
    talk.change("POST", "redo")
    show_last(talk)


def model(talk: Talk, rest: str) -> None:
    if rest:
        talk.model = talk.studio.get(f"/models/{segment(rest)}")["name"]
        talk.update()
    screen.note(say("cli.chat.model", name=talk.model))


def clear(talk: Talk, rest: str) -> None:
    talk.chat = None
    screen.note(say("cli.chat.cleared"))


def chat(talk: Talk, rest: str) -> None:
    if talk.chat is None:
        screen.note(say("cli.chat.empty"))
    elif talk.studio.stays:
        screen.note(say("cli.chat.saved_at", address=f"{talk.studio.address}/#/chat/{talk.chat['id']}"))
    else:
        screen.note(say("cli.chat.saved", name=talk.chat["title"] or talk.chat["id"]))


def bye(talk: Talk, rest: str) -> None:
    raise Bye


COMMANDS: dict[str, Callable[[Talk, str], None]] = {
    "help": help_,
    "system": system,
    "set": set_,
    "retry": retry,
    "swipe": swipe,
    "continue": continue_,
    "undo": undo,
    "redo": redo,
    "model": model,
    "clear": clear,
    "chat": chat,
    "bye": bye,
}


def show_last(talk: Talk) -> None:
    """The message at the head, so that one sees where an undo has led."""
    if talk.chat is None:
        return
    page = talk.studio.get(f"/chats/{talk.chat['id']}/messages", limit=1)
    for message in page["messages"]:
        screen.note(f"{message['role']}: {reply.printable(message['text'])}")
    if not page["messages"]:
        screen.note(say("cli.chat.empty"))


def show_greeting(talk: Talk) -> None:
    """How the character begins, and with how many alternatives."""
    page = talk.studio.get(f"/chats/{talk.begin()['id']}/messages", limit=1)
    for message in page["messages"]:
        screen.line(reply.printable(message["text"]))
        if message["swipe"]["count"] > 1:
            screen.note(say("cli.chat.greetings", count=message["swipe"]["count"]))


# ── the loop ────────────────────────────────────────────────────────────────────────────────────────


def talk(conversation: Talk, home: Path | None) -> None:
    """Chats until the person leaves with /bye, Ctrl-D, or Ctrl-C twice. A character speaks first."""
    screen.note(say("cli.chat.hello", model=conversation.model))
    if conversation.story:
        conversation.begin()
        show_greeting(conversation)
    with line.history(home):
        while (text := line.ask_twice(say("cli.chat.leave"))) is not None:
            try:
                do(conversation, text)
            except Bye:
                break
            except StaleRevision as error:
                conversation.refresh()
                screen.fail(error)
            except FabulaError as error:
                screen.fail(error)
    chat_left(conversation)


def do(conversation: Talk, text: str) -> None:
    """One line of the person: a /command, or something to say."""
    if not text.startswith("/"):
        if text.strip():
            conversation.say(text)
        return
    name, _, rest = text[1:].partition(" ")
    command = COMMANDS.get({"exit": "bye", "quit": "bye", "?": "help"}.get(name, name))
    if command is None:
        screen.note(say("cli.chat.unknown", name=name))
    else:
        command(conversation, rest.strip())


def chat_left(conversation: Talk) -> None:
    if conversation.chat:
        chat(conversation, "")


@contextmanager
def _interrupts(handle: Callable[[], None]) -> Iterator[None]:
    """Calls `handle` on the first Ctrl-C inside the block; the second one raises KeyboardInterrupt."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        handle()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _first(events: Iterator[Event], beside: dict[int, str]) -> Iterator[Event]:
    """The events of the first of several replies; what the others write is put beside."""
    for event in events:
        if index := event.data.get("index", 0):
            failed = event.data.get("error")
            text = event.data["text"] if event.kind == "text" else failed["message"] if failed else ""
            beside[index] = beside.get(index, "") + text
        elif event.kind != "written":
            yield event


def _stoppable(studio: Client, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a turn. Ctrl-C asks the studio to stop it, and what was written comes to its end."""
    turn_ids: list[str] = []

    def stop() -> None:
        # Not from inside the handler: it may have interrupted the very socket that is being read.
        for turn_id in turn_ids:
            threading.Thread(target=studio.post, args=(f"/turns/{turn_id}/stop",), daemon=True).start()
        if not turn_ids:
            raise KeyboardInterrupt

    with _interrupts(stop):
        for event in events:
            if event.kind == "start":
                turn_ids.append(event.data["turn_id"])
            yield event
        sys.stdout.flush()
