"""Which chat templates only put what was said in its place, and write the same around all messages of a kind.

They are found by reading them, before anything is said; then a few messages tell what stands around a
thousand. What is not known to be harmless is taken for a look into a text. Knows no message.
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
    """What is known of such a template: it puts texts in their place, or ends with Looked.

    `code` is the template, ended where it may look into a text, with BETWEEN in it. `head` messages at the
    beginning and the last one stand for themselves; each between them is written by its kind, and by whether
    its place is even. `strips`: it takes white space off texts' ends; `asks`: whether there is any text.
    """

    code: jinja2.Template
    head: int
    strips: bool
    asks: bool

    def holds(self, texts: Iterable[str]) -> bool:
        """Whether it does only put these in their place."""
        if self.strips:
            return all(text and text == text.strip() for text in texts)
        return all(texts) if self.asks else True


@functools.lru_cache(maxsize=64)
def reading(source: str) -> Reading | None:
    """None for any other template, and one that cannot be followed or is broken."""
    try:
        tree = environment().parse(source)
        reader = Reader(tree)
        if not reader.follows():
            return None
        reader.stop_looks()
        head, code = divided(tree, reader)
        return Reading(code, head, reader.strips, reader.strips or reader.asks) if code else None
    except (jinja2.TemplateError, RecursionError, SyntaxError):
        return None
