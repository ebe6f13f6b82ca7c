"""Show a reply in the terminal while it is written. Knows the events of a turn, not who asked for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fabula.cli import screen
from fabula.cli.client import error_of
from fabula.cli.words import say
from fabula.core.seams import Event
from fabula.core.texts import as_duration

if TYPE_CHECKING:
    from rich.status import Status

# A model may write anything, and a terminal obeys escape sequences: only line breaks and tabs get through.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    return _CONTROL.sub("", text)


def show(events: Iterable[Event]) -> dict[str, Any]:
    """Prints a reply as it comes; answers the data of its last event. Raises the turn's error."""
    is_screen = sys.stdout.isatty()
    last = ""
    with _Waiting() as waiting:
        for event in events:
            if event.kind == "text":
                waiting.stop()
                text = event.data["text"]
                sys.stdout.write(printable(text) if is_screen else text)
                sys.stdout.flush()
                last = text or last
            elif event.kind in ("done", "error"):
                waiting.stop()
                _end_line(last)
                if event.kind == "error":
                    raise error_of(event.data)
                return event.data
            else:
                waiting.tell(event)
    return {}


def facts(data: dict[str, Any]) -> str:
    """What this reply cost: "31.2 tokens/s · first after 0.4 s · 120 tokens · reused 45 of 61".

    A reply that was stopped knows only a part of it.
    """
    known = data.get("facts") or {}
    parts = [*_pace(known), *_unmet(known), *_how(known), *_bans(known.get("bans") or {})]
    if (reason := data.get("reason", "stop")) != "stop":
        parts.append(say(f"cli.facts.{reason}"))
    return " · ".join(parts)


def _pace(known: dict[str, Any]) -> Iterator[str]:
    """How fast it was, and what was read for it."""
    if rate := known.get("tokens_per_second"):
        yield say("cli.facts.rate", rate=rate)
    if "first_token_ms" in known:
        yield say("cli.facts.first", time=wait(known["first_token_ms"]))
    if "completion_tokens" in known:
        yield say("cli.facts.tokens", tokens=known["completion_tokens"])
    if "reused_tokens" in known:
        yield say("cli.facts.reused", reused=known["reused_tokens"], prompt=known["prompt_tokens"])


def _unmet(known: dict[str, Any]) -> Iterator[str]:
    """What is not as it was asked for."""
    if problem := known.get("form_problem"):
        yield say("cli.facts.form_problem", problem=problem)
    if cut := known.get("cut_messages"):
        yield say("cli.facts.cut", messages=cut)
    story = known.get("story") or {}
    if cut := story.get("cut_characters"):
        yield say("cli.facts.cut_text", characters=cut)
    if ignored := known.get("ignored"):
        yield say("cli.facts.ignored", names=", ".join(ignored))


def _how(known: dict[str, Any]) -> Iterator[str]:
    """What was read again, and which engine wrote it."""
    if broke := (known.get("story") or {}).get("broke"):
        yield broken(broke)
    if exact := known.get("exact"):
        key = "cli.facts.exact" if exact["used"] else "cli.facts.exact_not"
        yield say(key, names=", ".join(exact["needed"]), why=exact["why"])


def broken(broke: dict[str, Any]) -> str:
    """What made the engine read again what it had known."""
    part = say(f"story.parts.{broke['part']}")
    return say(f"cli.facts.broke_{broke['reason']}", tokens=broke["tokens"], part=part)


def _bans(told: dict[str, Any]) -> list[str]:
    """What keeping banned texts out has taken, when it took something."""
    parts = []
    if rewrites := told.get("rewrites"):
        parts.append(say("cli.facts.bans", rewrites=rewrites, tokens=told["wasted_tokens"]))
    if unavoided := told.get("unavoided"):
        parts.append(say("cli.facts.unavoided", texts=" · ".join(unavoided)))
    return parts


def wait(milliseconds: float) -> str:
    return as_duration(milliseconds / 1000) if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def tell_facts(data: dict[str, Any]) -> None:
    """The facts go under the reply, for those who sit at a terminal; what is not as it was asked for is told
    to scripts too."""
    is_watched = sys.stderr.isatty() and sys.stdout.isatty()
    sentence = facts(data) if is_watched else " · ".join(_unmet(data.get("facts") or {}))
    if sentence:
        screen.note(sentence)


def _end_line(last: str) -> None:
    """A prompt, or the next program's output, begins on a line of its own."""
    if last and not last.endswith("\n"):
        sys.stdout.write("\n")
        sys.stdout.flush()


class _Waiting(AbstractContextManager["_Waiting"]):
    """The line that says what is going on before the first word; on terminals only."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def tell(self, event: Event) -> None:
        sentence = ""
        if event.kind == "loading":
            sentence = say("cli.run.loading", model=event.data["model"])
        elif event.kind == "queued":
            sentence = say("cli.run.queued", position=event.data["position"])
        elif event.kind == "prefill":
            sentence = say("cli.run.prefill", **event.data)
        if not sentence or not sys.stderr.isatty():
            return
        if self._status is None:
            self._status = screen.err().status(sentence, spinner="dots", spinner_style="cyan")
            self._status.start()
        self._status.update(sentence)

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __exit__(self, *_: object) -> None:
        self.stop()
