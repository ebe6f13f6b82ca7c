"""What of a long chat is processed again: next turn, swipe, edit of the last message, continue, against cold.

The figures are the studio's own facts of each reply. Cold is the same prompt just after loading the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.instant import WORDS
from bench.paired import mean, median, ratio
from bench.report import Report, reported
from bench.studio import Studio, fresh_home, hosted

MODEL = "smollm2"
MESSAGES = 20
WORDS_PER_MESSAGE = 92  # makes about 2,000 tokens in all
SAMPLING = {"max_tokens": 24, "ignore_eos": True, "temperature": 0, "seed": 1}
Json = dict[str, Any]


@dataclass(slots=True)
class Case:
    """What was found for one way of going on; one entry per round."""

    warm: list[Json] = field(default_factory=list)  # Facts
    cold: list[Json] = field(default_factory=list)

    def of(self, name: str, cold: bool = False) -> list[float]:
        return [float(facts[name]) for facts in (self.cold if cold else self.warm)]


class Story:
    """One chat of about 2,000 tokens in a running studio."""

    def __init__(self, studio: Studio, number: int) -> None:
        self._client = studio.client
        chat = self._client.post("/chats", {"model": MODEL, "sampling": SAMPLING})
        self._path = f"/chats/{chat['id']}"
        for index in range(MESSAGES):
            role = "assistant" if index % 2 else "user"
            self._change("/messages", {"role": role, "text": _text(number, index)})

    def next_turn(self) -> Json:
        return self._turn(kind="reply", text="And what happened after that?")

    def swipe(self) -> Json:
        return self._turn(kind="swipe")

    def edit_last(self) -> Json:
        """Another wording of the person's last message, and a reply to it."""
        last = [message for message in self._messages() if message["role"] == "user"][-1]
        self._change(f"/messages/{last['id']}/branch", {"text": "And who was there when it happened?"})
        return self._turn(kind="reply")

    def continue_(self) -> Json:
        return self._turn(kind="continue")

    def _messages(self) -> list[Json]:
        return list(self._client.get(f"{self._path}/messages")["messages"])

    def _revision(self) -> int:
        return int(self._client.get(self._path)["revision"])

    def _change(self, path: str, body: Json) -> None:
        self._client.post(self._path + path, body | {"revision": self._revision()})

    def _turn(self, **ask: Any) -> Json:
        *_, last = self._client.stream("POST", f"{self._path}/turns", ask | {"revision": self._revision()})
        assert last.kind == "done", last
        return dict(last.data["facts"])


def _text(number: int, index: int) -> str:
    """Words without rhyme, different in every chat and message from the first one on."""
    words = [
        WORDS[(number * 7 + index * 3 + place * place) % len(WORDS)] for place in range(WORDS_PER_MESSAGE)
    ]
    return f"{number}.{index}: " + " ".join(words) + "."


def cases() -> dict[str, tuple[Callable[[Story], Json], Callable[[Story], Json]]]:
    """How each is done, and how its prompt is read once more when the engine is cold."""
    return {
        "next turn": (Story.next_turn, Story.swipe),
        "swipe": (Story.swipe, Story.swipe),
        "edit of the last message": (Story.edit_last, Story.swipe),
        "continue": (Story.continue_, Story.continue_),
    }


def measure(studio: Studio, rounds: int) -> dict[str, Case]:
    found = {name: Case() for name in cases()}
    for number in range(rounds):
        story = Story(studio, number)
        story.next_turn()  # reads the chat for the first time
        for name, (warm, cold) in cases().items():
            found[name].warm.append(warm(story))
            studio.client.post(f"/models/{MODEL}/unload")
            studio.client.post(f"/models/{MODEL}/load")
            found[name].cold.append(cold(story))
    return found


def tell(report: Report, name: str, case: Case) -> None:
    report.heading(name)
    report.measure("tokens of the prompt", median(case.of("prompt_tokens")), "tokens")
    report.measure("processed", median(case.of("processed_tokens")), "tokens")
    report.measure("reused", median(case.of("reused_tokens")), "tokens")
    report.measure("processed when cold (bound)", median(case.of("processed_tokens", cold=True)), "tokens")
    report.measure("first token", mean(case.of("first_token_ms")), "ms")
    report.measure("first token when cold (bound)", mean(case.of("first_token_ms", cold=True)), "ms")
    report.measure("ratio", ratio(case.of("first_token_ms"), case.of("first_token_ms", cold=True)), "")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench cache", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two chats: to see that it works")
    given = parser.parse_args(arguments)
    with (
        reported("cache", "a chat of about 2,000 tokens goes on") as report,
        fresh_home() as home,
        hosted(home) as studio,
    ):
        studio.client.post(f"/models/{MODEL}/load")
        for name, case in measure(studio, 2 if given.quick else 6).items():
            tell(report, name, case)


if __name__ == "__main__":
    main()
