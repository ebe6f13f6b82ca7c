"""What one rendering of a template may build and do. Knows no template and no message."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jinja2

from fabula.prompt import growth, work
from fabula.prompt.placed import Placed

MAX_ITERATIONS = 1_000_000  # items of range() in one rendering
MAX_BITS = 5000  # of a number
MAX_OUTPUT = 64_000_000  # characters of one rendered prompt
MAX_BUILT = 1_000_000_000  # characters and items that `+`, `*` and `~` may join in one rendering
TEXTS = {str, Placed}
BUDGET = "\ue000budget"  # no template can spell this name
LISTS = (list, tuple, dict, set, frozenset)


class TooMuch(jinja2.TemplateRuntimeError):
    """What no template may do; `key` is the text that says what."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Budget:
    """What one rendering has built, in characters and items, the largest of it, and the steps that it took.
    All are bounded."""

    def __init__(self) -> None:
        self.built: float = 0
        self.largest: float = 0
        self.steps: float = 0

    def step(self, count: float) -> None:
        self.steps += count
        if self.steps > work.MAX_STEPS:
            raise TooMuch("reasons.template_work")

    def counted(self, things: Any, each: float) -> Any:
        """To be gone through, for so many steps each."""
        if type(things) is not list:
            if not hasattr(things, "__len__"):
                return iter(work.Runs(things, each, self.step))
            if len(things) <= work.RUN:  # nothing is added to them
                self.step(len(things) * each)
                return things
        return work.Runs(things, each, self.step) if things else things

    def within(self, one: Any, many: Any) -> bool:
        kind = type(many)
        if kind in TEXTS:
            if len(many) > work.SHORT:  # the next step sees it
                self.steps += len(many) / work.SCANNED
        elif kind is not dict or type(one) is not str:
            self.step(work.seeking(one, many))
        return one in many

    def weighed(self, thing: Any) -> Any:
        """To be compared."""
        if type(thing) not in work.ATOMS and (type(thing) is not str or len(thing) > work.SHORT):
            self.step(work.comparing(thing))
        return thing

    def sliced(self, thing: Any) -> Any:
        if hasattr(thing, "__len__"):
            self.step(len(thing) / work.SCANNED)
        return thing

    def spend(self, size: float) -> None:
        self.built += size
        if size > self.largest:
            self.largest = size
        if self.built > MAX_BUILT or size > MAX_OUTPUT:
            raise TooMuch("reasons.template_text")


def gathered(parts: Any) -> Any:
    return list(itertools.islice(parts, MAX_ITERATIONS + 1)) if isinstance(parts, Iterator) else parts


def told(thing: Any) -> Any:
    """What a template writes; a list may hold one long text many times."""
    if type(thing) in TEXTS:
        return thing
    if isinstance(thing, LISTS) and growth.size(thing) > MAX_OUTPUT:
        raise TooMuch("reasons.template_text")
    return str(thing)


def countable(value: Any) -> Any:
    if type(value) is int and value.bit_length() > MAX_BITS:
        raise TooMuch("reasons.template_number")
    return value
