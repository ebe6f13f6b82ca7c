"""How much of a long chat is read again: next turn, swipe, edits, branches, many chats, a restart.

The figures are the studio's own facts of each reply, for the starter and for tiny models of each kind whose
memory cannot be taken back (made on the spot). "Beyond what is new" is what was read although the engine had
read or written it once. The bound is the same prompt when nothing of it was kept anywhere.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import tiny_models
from bench.instant import WORDS
from bench.paired import mean, median, ratio
from bench.report import Report, at_most, reported
from bench.studio import START_S, Studio, answers, fresh_home, model_file, product, wait_for
from fabula.store import settings
from fabula.store.home import Home

STARTER = "smollm2"
MESSAGES = 20
SLOTS, CHATS = 4, 8
CONTEXT = 4096  # tokens per slot
SAMPLING = {"max_tokens": 24, "ignore_eos": True, "temperature": 0, "seed": 1}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    words: int  # per message; 92 make about 2,000 tokens in all
    chats: int
    rounds: int


FULL, QUICK = Size(92, CHATS, 3), Size(20, 5, 1)


@dataclass(slots=True)
class Case:
    """One way of going on: its facts, and how many tokens of each prompt were new."""

    facts: list[Json] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)

    def add(self, facts: Json, fresh: int) -> None:
        self.facts.append(facts)
        self.fresh.append(fresh)

    def of(self, name: str) -> list[float]:
        return [float(facts[name]) for facts in self.facts]

    def beyond(self) -> list[float]:
        return [read - new for read, new in zip(self.of("processed_tokens"), self.fresh, strict=True)]


class Story:
    """One chat in a running studio. `seen` is how many tokens of its path the engine has read or written."""

    def __init__(self, studio: Studio, model: str, number: int, words: int) -> None:
        self._client = studio.client
        chat = self._client.post("/chats", {"model": model, "sampling": SAMPLING})
        self._path = f"/chats/{chat['id']}"
        self._words, self._number, self.seen = words, number, 0
        for index in range(MESSAGES):
            role = "assistant" if index % 2 else "user"
            self._change("/messages", {"role": role, "text": self._text(index)})

    def moved_to(self, studio: Studio) -> None:
        """The studio was started again."""
        self._client = studio.client

    def say(self) -> tuple[Json, int]:
        """A next turn."""
        return self._turn(kind="reply", text="And what happened after that?")

    def swipe(self) -> tuple[Json, int]:
        return self._turn(kind="swipe")

    def edit(self, back: int) -> tuple[Json, int]:
        """Another wording of the person's message `back` from the end, and a reply to it."""
        said = [message for message in self._messages() if message["role"] == "user"][-back]
        self._change(f"/messages/{said['id']}/branch", {"text": self._text(50 + back)})
        return self._turn(kind="reply")

    def head(self) -> str:
        return str(self._client.get(self._path)["head_id"])

    def back_to(self, head: str) -> tuple[Json, int]:
        """Another branch, and a swipe there."""
        self._change("/head", {"message_id": head})
        return self._turn(kind="swipe")

    def _text(self, index: int) -> str:
        """Words without rhyme, different in every chat and message from the first one on."""
        chosen = random.Random(f"{self._number}.{index}")
        return " ".join(chosen.choice(WORDS) for _ in range(self._words)) + "."

    def _messages(self) -> list[Json]:
        return list(self._client.get(f"{self._path}/messages")["messages"])

    def _change(self, path: str, body: Json) -> None:
        revision = int(self._client.get(self._path)["revision"])
        self._client.post(self._path + path, body | {"revision": revision})

    def _turn(self, **ask: Any) -> tuple[Json, int]:
        """The facts, and how many tokens of the prompt were new if it only grew."""
        revision = int(self._client.get(self._path)["revision"])
        *_, last = self._client.stream("POST", f"{self._path}/turns", ask | {"revision": revision})
        assert last.kind == "done", last
        facts = dict(last.data["facts"])
        fresh = max(0, facts["prompt_tokens"] - self.seen)
        self.seen = facts["prompt_tokens"] + facts["completion_tokens"]
        return facts, fresh


def one_chat(studio: Studio, model: str, size: Size, found: dict[str, Case]) -> None:
    """Everything that is done within one chat."""
    for number in range(size.rounds):
        story = Story(studio, model, number, size.words)
        found["first reading"].add(*story.say())
        found["next turn"].add(*story.say())
        found["swipe"].add(*_nothing_new(story.swipe()))
        main = story.head()
        found["edit of the last message"].add(*_new_from_the_edit(story, story.edit(1)))
        found["edit in the middle"].add(*_new_from_the_edit(story, story.edit(4)))
        found["back to the other branch"].add(*_nothing_new(story.back_to(main)))


def _nothing_new(turn: tuple[Json, int]) -> tuple[Json, int]:
    return turn[0], 0


def _new_from_the_edit(story: Story, turn: tuple[Json, int]) -> tuple[Json, int]:
    """The edited message, and the glue around it: what has to be read in any case."""
    return turn[0], int(story._words * 1.12)


def many_chats(studio: Studio, model: str, size: Size, found: dict[str, Case]) -> list[Story]:
    """More chats than slots, one after the other."""
    stories = [Story(studio, model, 100 + number, size.words) for number in range(size.chats)]
    for story in stories:
        story.say()
    for story in stories:
        found[f"one of {size.chats} chats on {SLOTS} slots"].add(*story.say())
    return stories


def after_restart(studio: Studio, stories: list[Story], found: dict[str, Case]) -> None:
    for story in stories:
        story.moved_to(studio)
        found["after a restart of the studio"].add(*story.say())


def cold(studio: Studio, home: Path, model: str, stories: list[Story], found: dict[str, Case]) -> None:
    """The same chats when nothing of them is kept."""
    for story in stories[:2]:
        studio.client.post(f"/models/{model}/unload")
        for file in Home(home).kv.glob("*.kv"):
            file.unlink()
        studio.client.post(f"/models/{model}/load")
        found["nothing kept (bound)"].add(*story.swipe())


@contextmanager
def studio_of(home: Path) -> Iterator[Studio]:
    with product(home) as studio:
        wait_for(lambda: answers(studio.port), START_S)
        yield studio


def measure(home: Path, model: str, size: Size) -> dict[str, Case]:
    names = ["first reading", "next turn", "swipe", "edit of the last message", "edit in the middle"]
    names += ["back to the other branch", f"one of {size.chats} chats on {SLOTS} slots"]
    found = {name: Case() for name in [*names, "after a restart of the studio", "nothing kept (bound)"]}
    with studio_of(home) as studio:
        studio.client.post(f"/models/{model}/load")
        one_chat(studio, model, size, found)
        stories = many_chats(studio, model, size, found)
    with studio_of(home) as studio:
        studio.client.post(f"/models/{model}/load")
        after_restart(studio, stories, found)
        cold(studio, home, model, stories, found)
    return found


def tell(report: Report, model: str, found: dict[str, Case]) -> None:
    bound = found["nothing kept (bound)"]
    for name, case in found.items():
        report.heading(f"{model}: {name}")
        report.measure("tokens of the prompt", median(case.of("prompt_tokens")), "tokens")
        report.measure("reused", median(case.of("reused_tokens")), "tokens")
        report.measure("processed", median(case.of("processed_tokens")), "tokens")
        report.measure("first token", mean(case.of("first_token_ms")), "ms")
        if case is not bound and name != "first reading":
            targets = [at_most(20)] if "restart" in name else []
            report.measure("processed beyond what is new, at most", max(case.beyond()), "tokens", *targets)
            report.measure("first token, ratio to nothing kept", _speed(case, bound), "")
        report.note(f"from {_counted(case, 'cache')}; why the rest: {_counted(case, 'cache_reason')}")


def _speed(case: Case, bound: Case) -> Any:
    fewest = min(len(case.facts), len(bound.facts))
    return ratio(case.of("first_token_ms")[:fewest], bound.of("first_token_ms")[:fewest])


def _counted(case: Case, name: str) -> str:
    values = [str(facts[name]) or "nothing to say" for facts in case.facts]
    return ", ".join(f"{value} {values.count(value)}×" for value in dict.fromkeys(values))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench cache", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short chats: to see that it works")
    parser.add_argument("--models", default=f"{STARTER},{','.join(tiny_models.KINDS)}")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else FULL
    with reported("cache", "long chats go on") as report, fresh_home() as home:
        settings.save(Home(home), {"engine.slots": SLOTS, "engine.context": CONTEXT})
        for kind in tiny_models.KINDS:
            tiny_models.write(kind, Home(home).models / f"{kind}.gguf", model_file())
        for model in given.models.split(","):
            tell(report, model, measure(home, model, size))


if __name__ == "__main__":
    main()
