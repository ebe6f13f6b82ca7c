"""A preset file of another program as our sampling, and what of it was left out, with the reason.

Takes the file's content, text or parsed; hostile input. Knows no store and no HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.core.errors import BadParameter
from fabula.core.sampling import NAMES, SAMPLERS, Sampling
from fabula.core.texts import phrase
from fabula.engine.presets.names import (
    FIELDS,
    LETTERS,
    NOTHING_ASKED,
    ORDERS,
    STEPS,
    UNSUPPORTED,
    Unusable,
    heated_last,
    ids,
    numbered,
    same,
)

MAX_TEXT = 1_000_000  # characters of a file
MAX_KEYS = 1_000
MOST_HEAT = 1e6  # beyond any temperature, and what arithmetic still bears
EXPORT_FORMAT = "fabula preset 1"

Why = Literal["unknown", "unsupported", "superseded", "unusable"]
"""unknown: nobody here knows the key · unsupported: it is known and Fabula has nothing like it · superseded:
another key of the file says the same and was taken · unusable: its value cannot be kept."""

OURS = frozenset(NAMES)
TABLE = {name: (name, same) for name in OURS} | FIELDS
RANGES_OF_TEMPERATURE = (
    ("dynatemp", "min_temp", "max_temp"),
    ("dynamic_temperature", "dynatemp_low", "dynatemp_high"),
)
HANDLED = frozenset(
    {*ORDERS, *(name for names in RANGES_OF_TEMPERATURE for name in names)}
    | {"temperature_last", "do_sample", "max_length"}
    | {"banned_tokens", "global_banned_tokens", "send_banned_tokens"}
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    key: str
    why: Why


@dataclass(frozen=True, slots=True)
class Imported:
    """`sampling` has only what the file says; `name` is what it calls itself, "" when it does not."""

    sampling: dict[str, Any]
    left_out: tuple[LeftOut, ...]
    name: str = ""


def exported(name: str, sampling: dict[str, Any]) -> dict[str, Any]:
    """A preset as a file of our own, which `imported` takes back."""
    return {"format": EXPORT_FORMAT, "name": name, "sampling": sampling}


def imported(content: str | dict[str, Any]) -> Imported:
    """Raises BadParameter for what is no preset, or for a value that its field cannot have."""
    values = parsed(content) if isinstance(content, str) else content
    if len(values) > MAX_KEYS:
        raise BadParameter("content", f"{len(values)}", phrase("expected.preset_file"))
    name = values.get("name")
    reading = _Reading()
    reading.take(_inner(values, reading))
    try:
        Sampling.of(reading.sampling)
    except BadParameter as wrong:
        raise BadParameter(
            reading.said_by.get(wrong.name, wrong.name), wrong.value, wrong.expected
        ) from wrong
    return Imported(reading.sampling, tuple(reading.left_out), name if isinstance(name, str) else "")


def parsed(text: str) -> dict[str, Any]:
    """The mapping in a JSON or YAML file. Raises BadParameter."""
    if len(text) > MAX_TEXT:
        raise BadParameter("content", f"{text[:60]}…", phrase("expected.shorter", most=MAX_TEXT))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = _yaml(text)
    if not isinstance(values, dict) or not values:
        raise BadParameter("content", text[:60], phrase("expected.preset_file"))
    return {f"{key}": value for key, value in values.items()}


def _yaml(text: str) -> Any:
    import yaml

    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        raise BadParameter("content", text[:60], phrase("expected.preset_file")) from wrong
    # text-generation-webui writes numbers, words and lists; what is deeper may be a bomb of references.
    if isinstance(values, dict) and not all(_is_flat(value) for value in values.values()):
        raise BadParameter("content", text[:60], phrase("expected.preset_file"))
    return values


def _is_flat(value: Any) -> bool:
    return not isinstance(value, dict | list) or (
        isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
    )


def _inner(values: dict[str, Any], reading: _Reading) -> dict[str, Any]:
    """The sampling in a file that has more in it: our own, or SillyTavern's master export."""
    for name in ("sampling", "preset"):
        inner = values.get(name)
        if isinstance(inner, dict):
            for key in values.keys() - {name, "name", "format"}:
                reading.leave(key, "unsupported")
            return inner
    return values


@dataclass(slots=True)
class _Reading:
    """A file on its way. `said_by` remembers which key gave a field, for the errors."""

    sampling: dict[str, Any] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    said_by: dict[str, str] = field(default_factory=dict)

    def take(self, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if key not in HANDLED:
                self._one(key, value)
        self._lengths(values)
        if (
            values.get("send_banned_tokens") is not False
        ):  # SillyTavern keeps the list of what it has switched off
            for key in ("banned_tokens", "global_banned_tokens"):
                self._bans(key, values.get(key))
        for switch, low, high in RANGES_OF_TEMPERATURE:
            self._dynatemp(values, switch, low, high)
        self._order(values)
        if values.get("do_sample") is False:
            self.set("temperature", 0, "do_sample")

    def set(self, name: str, value: Any, key: str) -> None:
        self.sampling[name], self.said_by[name] = value, key

    def leave(self, key: str, why: Why) -> None:
        self.left_out.append(LeftOut(key[:200], why))

    def _one(self, key: str, value: Any) -> None:
        if key not in TABLE:
            if not _asks_nothing(key, value):
                known = key in NOTHING_ASKED or key in UNSUPPORTED
                self.leave(key, "unsupported" if known else "unknown")
            return
        name, convert = TABLE[key]
        if value is None:
            return
        try:
            found = convert(value)
        except Unusable:
            self.leave(key, "unusable")
            return
        if name in self.sampling:
            self._twice(name, key, found)
        else:
            self.set(name, found, key)

    def _twice(self, name: str, key: str, other: Any) -> None:
        """The first name counts, except where it only has the neutral value."""
        neutral = getattr(Sampling(), name)
        if other == self.sampling[name] or other in (neutral, ()):
            return
        if self.sampling[name] == neutral:
            self.leave(self.said_by[name], "superseded")
            self.set(name, other, key)
        else:
            self.leave(key, "superseded")

    def _lengths(self, values: dict[str, Any]) -> None:
        """`max_length` is the reply's length in KoboldAI's files and the context's in SillyTavern's."""
        if "max_length" not in values:
            return
        if "max_context_length" in values and "max_tokens" not in self.sampling:
            self.set("max_tokens", values["max_length"], "max_length")
        else:
            self.leave("max_length", "unsupported")

    def _bans(self, key: str, value: Any) -> None:
        """Ids, or SillyTavern's lines, each of which is a list of ids or a text."""
        if not isinstance(value, str):
            if value:
                self.set("banned_tokens", value, key)
            return
        tokens: list[int] = []
        strings: list[str] = []
        for line in filter(None, map(str.strip, value.splitlines())):
            if line.startswith("[") and line.endswith("]"):
                try:
                    tokens += ids(line)
                except Unusable:
                    self.leave(key, "unusable")
            else:
                quoted = len(line) > 1 and line[0] == line[-1] == '"'
                strings.append(line[1:-1] if quoted else line)
        for name, found in (("banned_tokens", tuple(tokens)), ("banned_strings", tuple(strings))):
            before = self.sampling.get(name, ())
            if found and isinstance(before, list | tuple):  # what is none is refused with the rest
                self.set(name, (*before, *found), key)

    def _dynatemp(self, values: dict[str, Any], switch: str, low: str, high: str) -> None:
        """Two limits, as a middle and what it is to both sides."""
        if not values.get(switch):
            return
        lowest, highest = values.get(low, 1), values.get(high, 1)
        if values[switch] is not True or not all(
            isinstance(limit, int | float) for limit in (lowest, highest)
        ):
            self.leave(switch, "unusable")
            return
        if not -MOST_HEAT <= lowest <= highest <= MOST_HEAT:
            self.leave(switch, "unusable")
            return
        self.set("temperature", round((lowest + highest) / 2, 6), high)
        self.set("dynatemp_range", round((highest - lowest) / 2, 6), high)

    def _order(self, values: dict[str, Any]) -> None:
        given = [key for key in ORDERS if values.get(key)]
        if not given:
            return
        order = self._steps(given[0], values[given[0]])
        for other in given[1:]:
            self.leave(other, "superseded")
        if values.get("temperature_last") is True:
            order = heated_last(order)
        if order != [step for step in SAMPLERS if step in order]:  # the usual order needs no saying
            self.set("sampler_order", tuple(order), given[0])

    def _steps(self, key: str, value: Any) -> list[str]:
        names: Iterable[Any] = value if isinstance(value, list) else ()
        if isinstance(value, str):
            words = [word.strip() for word in value.replace("\n", ";").replace(",", ";").split(";")]
            names = (
                [LETTERS.get(letter, letter) for letter in value] if len(words) == 1 else filter(None, words)
            )
        elif not isinstance(value, list):
            self.leave(key, "unusable")
        if key == "sampler_order" and isinstance(value, list) and any(type(name) is int for name in value):
            order, unknown = numbered(value)
            for name in unknown:
                self.leave(f"{key}[{name}]", "unknown")
            return order
        order = []
        for name in names:
            known = STEPS.get(name, ()) if type(name) in (str, int) else ()
            if not known:
                self.leave(f"{key}[{name}]", "unknown")
            order += [step for step in known if step not in order]
        return order


def _asks_nothing(key: str, value: Any) -> bool:
    if key not in NOTHING_ASKED:
        return False
    neutral = NOTHING_ASKED[key]
    return value is None or neutral is None or value in neutral
