"""Times and names as Ollama tells them. Knows nothing else."""

from __future__ import annotations

import datetime

NEVER = "9999-12-31T23:59:59Z"
"""When a model goes that stays for ever: the field cannot be left out."""
LATEST = ":latest"


def now() -> str:
    return told(datetime.datetime.now(datetime.UTC))


LAST = 253_402_300_799  # the last second that a date can have


def at(seconds: float) -> str:
    """Of Unix seconds."""
    if seconds >= LAST:
        return NEVER
    return told(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def told(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1e6)


def tagged(name: str) -> str:
    """Every name has a tag there, and some clients cut names at it."""
    return name if ":" in name.rpartition("/")[2] else name + LATEST
