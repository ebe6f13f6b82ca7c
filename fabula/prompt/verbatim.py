"""Which chat templates only put what was said in its place: found by reading them, before anything is said.

A rendering that looks into no text writes the same around texts whatever they are. Many templates, moreover,
write the same around every message of a kind: then a few messages tell what stands around a thousand. What is
not known to be harmless is taken for a look into a text. Knows no message.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import jinja2

from fabula.prompt.places import divided
from fabula.prompt.sandbox import environment
from fabula.prompt.tracing import Reader


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a template that can be followed: it puts texts in their place, or ends with Looked.

    `strips`: it takes white space off their ends; `asks`: it asks whether there is any text. `code` is the
    template, ended where it may look into a text; None: nowhere does it. `head` messages at the beginning and
    the last one stand for themselves; each between them is written by its kind, and by whether its place is
    even: `divided` is the template with BETWEEN in it. None: each stands for itself.
    """

    strips: bool
    asks: bool
    code: jinja2.Template | None = None
    head: int = 0
    divided: jinja2.Template | None = None

    def holds(self, texts: Iterable[str]) -> bool:
        """Whether it does only put these in their place."""
        if self.strips:
            return all(text and text == text.strip() for text in texts)
        return all(texts) if self.asks else True


@functools.lru_cache(maxsize=64)
def reading(source: str) -> Reading | None:
    """None for a template that cannot be followed, or is broken."""
    try:
        tree = environment().parse(source)
        reader = Reader(tree)
        if not reader.follows():
            return None
        code = environment().from_string(tree) if reader.stops_looks() else None
        return Reading(reader.strips, reader.strips or reader.asks, code, *divided(tree, reader))
    except (jinja2.TemplateError, RecursionError):
        return None
