"""What every dialect tells of a reply in a field of its own, `fabula`: what was really used and what was not.

Knows no dialect.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fabula.core.stream import Finished
from fabula.core.texts import Phrase


def honesty(ends: Iterable[Finished], language: str = "en") -> dict[str, Any]:
    """What was really used, what was asked for in vain, and how each choice really ended: with the last piece
    of a stream, or in a whole answer."""
    ends = list(ends)
    return {
        "effective": ends[0].effective if ends else {},
        "seeds": [(end.effective or {}).get("seed") for end in ends],
        "ignored": sorted({name for end in ends for name in end.ignored}),
        "reasons": [end.reason for end in ends],
        "form_problems": [end.form_problem.say(language) if end.form_problem else "" for end in ends],
        "bans": [end.bans.facts() if end.bans else None for end in ends],
        "exact": _exact(ends[0].exact, language) if ends else None,
        "cache": ends[0].cache if ends else "",
        "cache_reason": ends[0].cache_reason if ends else "",
        "cut_messages": max((end.cut_messages for end in ends), default=0),
        "cut_tokens": max((end.cut_tokens for end in ends), default=0),
    }


def _exact(told: dict[str, Any] | None, language: str) -> dict[str, Any] | None:
    """Whether the exact engine wrote it for what the usual one lacks, and if not, why not."""
    why = (told or {}).get("why")
    return told | {"why": Phrase.of(why).say(language)} if told and isinstance(why, dict) else told
