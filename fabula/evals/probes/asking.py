"""A loaded model is asked the probes, one after the other. Knows no engine but by what it can do.

Choices are of the bare text, as it stands; the log-probabilities of an ending are divided by its bytes, so
that long endings are not at a disadvantage. Replies are asked as in a chat: the model's own template, the
likeliest token each time, no reasoning where that can be left out.

Replies are asked of the worker itself, as all measures of the lab are, and not through `turn.Turns`, where
texts for people come from: what is measured is what the model writes. There a guard would answer for it, its
prompt would tell today's date, and it would be looked for on the shelf of a studio, which a job has not. The
way to ask and to read is the same: `turn.manner`, and the reader of answers.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from fabula.batches.refusals import looks_refused
from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Token
from fabula.core.worker import Prompt
from fabula.engine.parsing.answer import AnswerReader, Read
from fabula.evals.probes.bank import Choosing, Group, Probe, Replying
from fabula.evals.probes.checks import broken, loop
from fabula.prompt.assemble import rows
from fabula.turn.manner import Manner, manner_of
from fabula.turn.request import TurnRequest

CONTEXT = 1024  # tokens that a model needs for the longest probe and its reply
SHOWN = 300  # characters of a reply that are kept
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
"""What templates take for now: another date would be another prompt."""

Tell = Callable[[int], None]
"""Hears how many probes are done; called between two tokens as well. May raise to end it all."""


class Asked(Protocol):
    """What a worker has to be able to do: choose, and reply."""

    @property
    def model(self) -> LocalModel: ...
    async def tokenize(self, prompt: Prompt) -> list[int]: ...
    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]: ...
    def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a probe came out. `reply` is what the model wrote, or the ending that it found the likeliest;
    `why` names by group the rule that was broken, with what broke it where that is a text; `margin` is by how
    much the right ending leads, in nats per byte, and is negative where it does not."""

    probe: str
    right: Mapping[Group, bool]
    reply: str
    why: Mapping[Group, str]
    margin: float | None = None

    @property
    def is_right(self) -> bool:
        return all(self.right.values())


async def ask(worker: Asked, probes: Sequence[Probe], tell: Tell) -> dict[str, Outcome]:
    """By the probe's name; what the model's context has no room for is left out. Raises TemplateRefused or an
    EngineFailure."""
    found: dict[str, Outcome] = {}
    for number, probe in enumerate(probes):
        tell(number)
        with suppress(ContextExceeded):
            found[probe.id] = await _asked(worker, probe, partial(tell, number))
    tell(len(probes))
    return found


async def _asked(worker: Asked, probe: Probe, pause: Callable[[], None]) -> Outcome:
    if isinstance(probe, Choosing):
        return await choose(worker, probe)
    return await reply(worker, probe, pause)


# ── choosing ────────────────────────────────────────────────────────────────────────────────────────


async def choose(worker: Asked, probe: Choosing) -> Outcome:
    whole = [await worker.tokenize(Prompt((probe.ask + ending,))) for ending in probe.endings]
    shared = common(whole)
    tails = [Prompt((tuple(ids[shared:]),), add_special=False) for ids in whole]
    found = await worker.choices(Prompt((tuple(whole[0][:shared]),), add_special=False), tails)
    return decided(probe, [sum(logprobs) for logprobs in found])


def common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with, short of the shortest one's last: where a tokenizer joins text and
    ending, the ending begins earlier, and nothing is torn apart."""
    shortest = min(map(len, rows))
    same = next((n for n in range(shortest) if len({row[n] for row in rows}) > 1), shortest)
    return max(1, min(same, shortest - 1))


def decided(probe: Choosing, logprobs: Sequence[float]) -> Outcome:
    """By nats per byte. The right ending has to lead: a tie is wrong, and what is no number too."""
    fair = [value / len(ending.encode()) for value, ending in zip(logprobs, probe.endings, strict=True)]
    best = max(range(len(fair)), key=lambda place: (fair[place], place))
    margin = fair[0] - max(fair[1:])
    return Outcome(
        probe=probe.id,
        right={probe.group: margin > 0},
        reply=probe.endings[best].strip(),
        why={},
        margin=round(margin, 6),
    )


# ── replying ────────────────────────────────────────────────────────────────────────────────────────


async def reply(worker: Asked, probe: Replying, pause: Callable[[], None]) -> Outcome:
    sampling = Sampling(temperature=0, max_tokens=probe.tokens, think=False)
    request = TurnRequest(
        model=worker.model.name, sampling=sampling, messages=(Message(role="user", text=probe.ask),)
    )
    manner = manner_of(request, worker.model, NOON)
    reader = AnswerReader(manner.family, None, {}, str, opened=manner.opened, answers=manner.answers)
    said: list[Read] = []
    async with aclosing(worker.stream(prompt_of(manner, worker.model), sampling)) as deltas:
        async for delta in deltas:
            pause()
            if isinstance(delta, Token):
                said += reader.feed(delta)
    said += reader.finish(complete=True)
    return judged(probe, whole("".join(part.text for part in said if isinstance(part, Token))))


def whole(text: str) -> str:
    """Without the half of a character at which a reply was cut."""
    return text.strip().rstrip("\ufffd").rstrip()


def prompt_of(manner: Manner, model: LocalModel) -> Prompt:
    text = manner.template.render(rows(manner.messages), add_generation_prompt=True)
    if model.adds_bos and model.bos_token:  # the engine puts it in front
        text = text.removeprefix(model.bos_token)
    return Prompt((text,), shown=manner.shown)


def judged(probe: Replying, reply: str) -> Outcome:
    faults = {group: _fault(reply, broken(reply, checks)) for group, checks in probe.rules.items()}
    return Outcome(
        probe=probe.id,
        right={group: not fault for group, fault in faults.items()},
        reply=reply[:SHOWN],
        why={group: fault for group, fault in faults.items() if fault},
    )


def _fault(reply: str, rule: str) -> str:
    """A broken rule, with the words that broke it."""
    if not rule or not reply:
        return rule and "empty"
    words = looks_refused(reply) if rule == "helps" else loop(reply) if rule == "moves" else ""
    return f"{rule}: {' '.join(words.split())[:80]}" if words else rule
