"""Times as moment.js (MIT) writes them in English. Knows no clock: every time is given.

Formats: https://momentjs.com/docs/#/displaying/format/; spans: its humanize() with the default thresholds.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(
    r"\[[^\[\]]*\]|\\.|Mo|MM?M?M?|Do|DDDo|DD?D?D?|ddd?d?|do|w[ow]?|W[oW]?|Qo?|YYYYYY|YYYYY|YYYY|YY|gg(?:gg)?"
    r"|GG(?:GG)?|e|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}|x|X|zz?|ZZ?|LTS|LT|LL?L?L?|l{1,4}"
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_LONG: Final = {
    "LT": "h:mm A",
    "LTS": "h:mm:ss A",
    "L": "MM/DD/YYYY",
    "LL": "MMMM D, YYYY",
    "LLL": "MMMM D, YYYY h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "l": "M/D/YYYY",
    "ll": "MMM D, YYYY",
    "lll": "MMM D, YYYY h:mm A",
    "llll": "ddd, MMM D, YYYY h:mm A",
}

Writer = Callable[[datetime.datetime], str]


def _ordinal(value: int) -> str:
    special = 11 <= value % 100 <= 13
    return f"{value}{'th' if special else {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th')}"


def _week(at: datetime.datetime) -> tuple[int, int]:
    """Year and week of the English calendar: weeks begin on Sunday, the first holds January 1."""
    saturday = at.date() + datetime.timedelta(days=6 - at.isoweekday() % 7)
    return saturday.year, (saturday.timetuple().tm_yday - 1) // 7 + 1


def _offset(at: datetime.datetime, colon: str) -> str:
    minutes = int((at.utcoffset() or datetime.timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{colon}{rest:02}"


_WRITERS: Final[dict[str, Writer]] = {
    "M": lambda at: str(at.month),
    "Mo": lambda at: _ordinal(at.month),
    "MM": lambda at: f"{at.month:02}",
    "MMM": lambda at: _MONTHS[at.month - 1][:3],
    "MMMM": lambda at: _MONTHS[at.month - 1],
    "Q": lambda at: str((at.month + 2) // 3),
    "Qo": lambda at: _ordinal((at.month + 2) // 3),
    "D": lambda at: str(at.day),
    "Do": lambda at: _ordinal(at.day),
    "DD": lambda at: f"{at.day:02}",
    "DDD": lambda at: str(at.timetuple().tm_yday),
    "DDDo": lambda at: _ordinal(at.timetuple().tm_yday),
    "DDDD": lambda at: f"{at.timetuple().tm_yday:03}",
    "d": lambda at: str(at.isoweekday() % 7),
    "do": lambda at: _ordinal(at.isoweekday() % 7),
    "dd": lambda at: _DAYS[at.weekday()][:2],
    "ddd": lambda at: _DAYS[at.weekday()][:3],
    "dddd": lambda at: _DAYS[at.weekday()],
    "e": lambda at: str(at.isoweekday() % 7),
    "E": lambda at: str(at.isoweekday()),
    "w": lambda at: str(_week(at)[1]),
    "wo": lambda at: _ordinal(_week(at)[1]),
    "ww": lambda at: f"{_week(at)[1]:02}",
    "W": lambda at: str(at.isocalendar().week),
    "Wo": lambda at: _ordinal(at.isocalendar().week),
    "WW": lambda at: f"{at.isocalendar().week:02}",
    "YY": lambda at: f"{at.year % 100:02}",
    "YYYY": lambda at: f"{at.year:04}",
    "YYYYY": lambda at: f"{at.year:05}",
    "YYYYYY": lambda at: f"+{at.year:06}",
    "gg": lambda at: f"{_week(at)[0] % 100:02}",
    "gggg": lambda at: f"{_week(at)[0]:04}",
    "GG": lambda at: f"{at.isocalendar().year % 100:02}",
    "GGGG": lambda at: f"{at.isocalendar().year:04}",
    "a": lambda at: "am" if at.hour < 12 else "pm",
    "A": lambda at: "AM" if at.hour < 12 else "PM",
    "H": lambda at: str(at.hour),
    "HH": lambda at: f"{at.hour:02}",
    "h": lambda at: str(at.hour % 12 or 12),
    "hh": lambda at: f"{at.hour % 12 or 12:02}",
    "k": lambda at: str(at.hour or 24),
    "kk": lambda at: f"{at.hour or 24:02}",
    "m": lambda at: str(at.minute),
    "mm": lambda at: f"{at.minute:02}",
    "s": lambda at: str(at.second),
    "ss": lambda at: f"{at.second:02}",
    "X": lambda at: str(int(at.timestamp())),
    "x": lambda at: str(int(at.timestamp() * 1000)),
    "z": lambda at: "UTC" if not at.utcoffset() else "",
    "zz": lambda at: "Coordinated Universal Time" if not at.utcoffset() else "",
    "Z": lambda at: _offset(at, ":"),
    "ZZ": lambda at: _offset(at, ""),
}


def formatted(at: datetime.datetime, layout: str) -> str:
    """`at` in moment's format language; what is no token stays."""
    return _TOKEN.sub(lambda match: _one(at, match[0]), layout)


def _one(at: datetime.datetime, token: str) -> str:
    if token.startswith("["):
        return token[1:-1]
    if token.startswith("\\"):
        return token[1:]
    if token in _LONG:
        return formatted(at, _LONG[token])
    if token.startswith("S"):
        return f"{at.microsecond * 1000:09}"[: len(token)]
    writer = _WRITERS.get(token)
    return writer(at) if writer else token


def shifted(at: datetime.datetime, hours_or_minutes: int) -> datetime.datetime:
    """In the zone with this offset to UTC: hours below 16, minutes from 16 on, as moment reads it."""
    minutes = hours_or_minutes * 60 if abs(hours_or_minutes) < 16 else hours_or_minutes
    if abs(minutes) >= 24 * 60:
        return at
    return at.astimezone(datetime.timezone(datetime.timedelta(minutes=minutes)))


def parsed(text: str, zone: datetime.tzinfo | None) -> datetime.datetime | None:
    """An ISO 8601 time, or None. A time without an offset is in `zone`."""
    try:
        at = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def span_in_words(span: datetime.timedelta, *, relative: bool = False) -> str:
    """As in "3 hours"; with `relative` as in "in 3 hours" or "3 hours ago"."""
    words = _words(abs(span.total_seconds()))
    if not relative:
        return words
    return f"in {words}" if span > datetime.timedelta() else f"{words} ago"


def _words(seconds: float) -> str:
    days = seconds / 86400
    months = days * 4800 / 146097
    steps = (
        (seconds, 45, "{} seconds", 44, "a few seconds"),
        (seconds / 60, 45, "{} minutes", 1, "a minute"),
        (seconds / 3600, 22, "{} hours", 1, "an hour"),
        (days, 26, "{} days", 1, "a day"),
        (months, 11, "{} months", 1, "a month"),
        (months / 12, float("inf"), "{} years", 1, "a year"),
    )
    for amount, limit, many, single, one in steps:
        rounded = int(amount + 0.5)
        if rounded <= single:
            return one
        if rounded < limit:
            return many.format(rounded)
    return ""
