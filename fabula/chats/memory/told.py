"""What of a chat's memory is told with a turn, and where. Knows no table and no engine.

Facts and the summary stand in the head; a summary stays as it is told until the window is cut, since another
one would make the engine read everything again. Passages are told like lore: before the message that they
were looked for, where they stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fabula.chats.memory.records import Memory, Passage, Remembered
from fabula.chats.records import PathMessage
from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.model import Injection, Place
from fabula.prompt.lore.entry import Entry
from fabula.prompt.steady import memory as steady
from fabula.prompt.steady.head import SUMMARY

FACTS = "3_facts"
BOOK = "memory"
SO_FAR = "Summary of what happened so far:\n"
IN_MIND = "Keep in mind:\n"


def covered(path: Sequence[PathMessage]) -> str:
    """A digest of what is said on a path, version by version."""
    return steady.digest(*_said(path))


def _said(path: Sequence[PathMessage]) -> list[str]:
    return [f"{message.id} {message.version_id}" for message in path]


def reaches(summaries: Sequence[Memory], path: Sequence[PathMessage]) -> dict[str, int]:
    """How many messages of the path each summary covers, by its id; 0 where one of them is another now."""
    if not summaries:
        return {}
    ends = {message.id: count for count, message in enumerate(path, 1)}
    counts = {summary.id: ends.get(summary.upto_id, 0) for summary in summaries}
    wanted = sorted(set(counts.values()) - {0})
    digests = dict(zip(wanted, steady.digests(_said(path), wanted), strict=True))
    same = {summary.id for summary in summaries if digests.get(counts[summary.id]) == summary.covered}
    return {id: count if id in same else 0 for id, count in counts.items()}


def in_force(summaries: Sequence[Memory], path: Sequence[PathMessage]) -> tuple[Memory | None, int]:
    """The summary that covers most of the path, and how many messages that is."""
    counts = reaches(summaries, path)
    best = max(summaries, key=lambda one: (counts[one.id], one.created_at), default=None)
    return (best, counts[best.id]) if best and counts[best.id] else (None, 0)


def injections(remembered: Remembered, path: Sequence[PathMessage]) -> tuple[Injection, ...]:
    texts = in_mind(remembered, path)
    return tuple(Injection(key, text, Place.AFTER_STORY) for key, text in texts.items())


def in_mind(remembered: Remembered, path: Sequence[PathMessage]) -> dict[str, str]:
    """The summary and the facts, by the keys of injections."""
    summary, _ = in_force(remembered.summaries, path)
    found = {keys.SUMMARY: _summed(summary)} if summary else {}
    if remembered.facts:
        found[FACTS] = IN_MIND + "\n".join(f"- {fact.text}" for fact in remembered.facts)
    return found


def _summed(summary: Memory) -> str:
    return (SO_FAR + summary.text).strip()


def lasting(
    laid: steady.Memory, remembered: Remembered, path: Sequence[PathMessage], *, is_cut: bool
) -> steady.Memory:
    """The layout's memory, without a summary that does not hold any more, or that came too late for a cut."""
    told = laid.fixed.get(SUMMARY)
    if told is None:
        return laid
    counts = reaches(remembered.summaries, path)
    valid = {_summed(one) for one in remembered.summaries if counts[one.id]}
    if told in valid or (not told and not (is_cut and valid)):
        return laid
    return replace(laid, fixed={key: text for key, text in laid.fixed.items() if key != SUMMARY})


def entries(passages: Sequence[Passage], names: Mapping[str, str]) -> list[Entry]:
    """Passages as lore that is always told; `names` are those of documents and speakers by source."""
    return [
        Entry(
            uid=f"{passage.source_id} {passage.number}",
            book=BOOK,
            comment=names.get(passage.source_id, ""),
            content=f"({names.get(passage.source_id, BOOK)}: {passage.text})",
            decorators=("@@activate",),
            ignores_budget=True,
            deaf_to_recursion=True,
            starts_no_recursion=True,
        )
        for passage in passages
    ]
