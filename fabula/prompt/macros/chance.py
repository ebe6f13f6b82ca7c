"""Chance that another program can repeat: a text hash and a seeded generator. Knows no macro.

`cyrb53` is bryc's public-domain hash; the generator is RC4 as David Bau's seedrandom (MIT) keys it. A `pick`
must fall on the same item as in SillyTavern, which uses both.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Draw = Callable[[], float]
"""A number in [0, 1), another one at each call."""

_MASK = 0xFFFFFFFF
_DICE = re.compile(r"([1-9]\d*)?d([1-9]\d*)([+-]\d+)?", re.I | re.A)
MAX_DICE = 10_000
MAX_DIGITS = 15


def text_hash(text: str, seed: int = 0) -> int:
    """cyrb53 over UTF-16 code units: 53 bits."""
    first, second = (0xDEADBEEF ^ seed) & _MASK, (0x41C6CE57 ^ seed) & _MASK
    units = text.encode("utf-16-le", "surrogatepass")
    for low, high in zip(units[::2], units[1::2], strict=True):
        unit = low | high << 8
        first = ((first ^ unit) * 2654435761) & _MASK
        second = ((second ^ unit) * 1597334677) & _MASK
    mixed = (((first ^ first >> 16) * 2246822507) & _MASK) ^ (((second ^ second >> 13) * 3266489909) & _MASK)
    other = (((second ^ second >> 16) * 2246822507) & _MASK) ^ (((mixed ^ mixed >> 13) * 3266489909) & _MASK)
    return ((other & 0x1FFFFF) << 32) + mixed


def seeded(seed: str) -> Draw:
    """A generator whose numbers depend on `seed` alone: RC4, the first 256 bytes dropped, 52 bits each."""
    next_byte = _rc4(_key(seed))
    for _ in range(256):
        next_byte()

    def draw() -> float:
        value = 0
        for _ in range(6):
            value = value << 8 | next_byte()
        numerator, denominator, extra = float(value), 2.0**48, 0
        while numerator < 2**52:
            numerator, denominator, extra = (numerator + extra) * 256, denominator * 256, next_byte()
        while numerator >= 2**53:
            numerator, denominator, extra = numerator / 2, denominator / 2, extra >> 1
        return (numerator + extra) / denominator

    return draw


def _key(seed: str) -> list[int]:
    key: list[int] = []
    smear = 0
    for place, character in enumerate(seed):
        if place < 256:
            key.append(0)
        smear ^= key[place & 255] * 19
        key[place & 255] = (smear + ord(character)) & 255
    return key or [0]


def _rc4(key: list[int]) -> Callable[[], int]:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + key[i % len(key)] + state[i]) & 255
        state[i], state[j] = state[j], state[i]
    i = j = 0

    def next_byte() -> int:
        nonlocal i, j
        i = (i + 1) & 255
        j = (j + state[i]) & 255
        state[i], state[j] = state[j], state[i]
        return state[(state[i] + state[j]) & 255]

    return next_byte


def roll(formula: str, draw: Draw) -> int | None:
    """The total of dice like `2d6+1` (`6` is one die of six sides), or None for what is no such formula."""
    text = f"1d{formula}" if formula.isdecimal() and formula.isascii() else formula
    match = _DICE.fullmatch(text) if len(text) <= 3 * MAX_DIGITS else None
    if not match or any(len(part or "") > MAX_DIGITS for part in match.groups()):
        return None
    count, sides, added = int(match[1] or 1), int(match[2]), int(match[3] or 0)
    if count > MAX_DICE:
        return None
    return sum(int(draw() * sides) + 1 for _ in range(count)) + added
