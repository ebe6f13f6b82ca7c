"""Resolve the macros of a text. Knows no macro by name except the ones that reach over their braces.

Results are never resolved again, so no macro can loop; nesting and the number of calls are bounded besides,
since the texts of cards are not to be trusted.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fabula.prompt.macros import defined
from fabula.prompt.macros.blocks import Item, paired, trimmed
from fabula.prompt.macros.operators import apply
from fabula.prompt.macros.registry import Invocation, Macro, NotForThis
from fabula.prompt.macros.scene import Extra, Scene
from fabula.prompt.macros.syntax import Call, VariableCall, scan

MAX_CALLS = 20_000  # macros of one text
MAX_DEPTH = 24  # macros inside of macros
MAX_LENGTH = 8_000_000  # characters that all macros of one text may give together

Place = Callable[[int], int]

_OLD_TIME = re.compile(r"\{\{time_(UTC[+-]\d+)\}\}", re.I | re.A)
_MARKS = {"user": "user", "bot": "char", "char": "char", "group": "group", "charifnotgroup": "charIfNotGroup"}
_MARK = re.compile(r"<(" + "|".join(_MARKS) + r")>", re.I)
_ESCAPED = re.compile(r"\\([{}])")
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_TRIM = re.compile(r"(?:\r?\n)*\{\{trim\}\}(?:\r?\n)*", re.I)


def resolved(
    text: str,
    scene: Scene,
    *,
    extra: Mapping[str, Extra] | None = None,
    each: Callable[[str], str] | None = None,
) -> str:
    """`text` with its macros replaced. `extra` adds macros (by lower-case name) for this text only; `each`
    changes every result (to escape it, say). Unknown macros stay as they are."""
    if not _may_have_macros(text):
        return text
    if extra:
        scene = replace(scene, extra={**scene.extra, **extra})
    return _finished(_Evaluation(scene, text, each).document(_modern(text), 0))


@functools.lru_cache(maxsize=1024)
def may_have_macros(text: str) -> bool:
    """For texts that come again and again, like the sequences of a template."""
    return _may_have_macros(text)


def _may_have_macros(text: str) -> bool:
    return "{{" in text or "\\" in text or ("<" in text and _MARK.search(text) is not None)


def _modern(text: str) -> str:
    """Old spellings in today's form."""
    text = _OLD_TIME.sub(r"{{time::\1}}", text)
    return _MARK.sub(lambda mark: "{{" + _MARKS[mark[1].lower()] + "}}", text)


def _finished(text: str) -> str:
    """Escaped braces lose their backslash, and `{{trim}}` takes the line breaks around it along."""
    text = _ESCAPED.sub(r"\1", text)
    if "{{" in text:  # what looks for line breaks before a mark looks at every letter
        text = _TRIM.sub("", text)
    return text.replace(defined.ELSE_MARK, "")


@dataclass(slots=True)
class _Evaluation:
    scene: Scene
    source: str
    each: Callable[[str], str] | None = None
    depth: int = 0
    calls: int = 0
    length: int = 0
    fields: set[str] = field(default_factory=set)

    def document(self, text: str, offset: int, *, blocks: bool = True) -> str:
        if "{{" not in text or self.depth >= MAX_DEPTH:
            return text
        self.depth += 1
        place = _places(text, offset)
        nodes = scan(text)
        items = paired(nodes, defined.MACROS) if blocks else [Item(node.span, node) for node in nodes]
        pieces: list[str] = []
        at = 0
        for item in items:
            pieces += (text[at : item.span[0]], self._item(text, item, place))
            at = item.span[1]
        self.depth -= 1
        return "".join((*pieces, text[at:]))

    def _item(self, text: str, item: Item, place: Place) -> str:
        raw = text[item.span[0] : item.span[1]]
        self.calls += 1
        if item.node is None or self.calls > MAX_CALLS or self.length > MAX_LENGTH:
            return raw
        if isinstance(item.node, VariableCall):
            result = self._variable(text, item.node, place)
        else:
            result = self._call(text, item, item.node, place)
        self.length += len(result)
        return result

    def _variable(self, text: str, node: VariableCall, place: Place) -> str:
        variables = self.scene.everywhere if node.is_global else self.scene.local
        start, end = node.value or (0, 0)

        def value() -> str:
            return self.document(text[start:end], place(start), blocks=False).strip()

        return apply(variables, node.name, node.operator, value)

    def _call(self, text: str, item: Item, call: Call, place: Place) -> str:
        macro = self._macro(call.key)
        spans = [*call.arguments, *([item.block] if item.block else [])]
        raw = [text[start:end] for start, end in spans]
        if macro and macro.raw:
            arguments = raw
        else:
            arguments = [
                self.document(part, place(start)) for part, (start, _) in zip(raw, spans, strict=True)
            ]
        if item.block and not (macro and macro.raw) and not call.keeps_space:
            arguments[-1] = trimmed(arguments[-1])
        if macro is None or not macro.accepts(len(arguments)):
            return self._unknown(text, item, list(zip(spans, arguments, strict=True)))
        invocation = Invocation(
            tuple(arguments),
            self.scene,
            self._resolve,
            self._field,
            place(call.span[0]),
            self.source,
            item.block is not None,
            call.keeps_space,
        )
        try:
            result = macro.gives(invocation)
        except NotForThis:
            return self._unknown(text, item, list(zip(spans, arguments, strict=True)))
        return self.each(result) if self.each else result

    def _macro(self, key: str) -> Macro | None:
        value = self.scene.extra.get(key)
        if value is None:
            return defined.MACROS.get(key)
        return Macro(key, lambda _: value if isinstance(value, str) else value())

    def _unknown(self, text: str, item: Item, arguments: list[tuple[tuple[int, int], str]]) -> str:
        """The macro as it was written, what stands inside of it resolved. SillyTavern closes a block with
        bare braces, and leaves an empty one open."""
        pieces: list[str] = []
        at = item.span[0]
        for (start, end), value in arguments:
            if start < end:
                pieces += (text[at:start], value)
                at = end
        if item.block is None:
            return "".join((*pieces, text[at : item.span[1]]))
        start, end = item.block
        return "".join((*pieces, text[at:start] if start == end else "}}"))

    def _resolve(self, text: str, *, offset: int = 0) -> str:
        return _finished(self.document(text, offset))

    def _field(self, name: str, text: str) -> str:
        """A text of the card or persona, resolved on its own; inside of itself it is nothing."""
        if name in self.fields:
            return ""
        if not _may_have_macros(text):
            return text
        self.fields.add(name)
        source, self.source = self.source, text
        result = _finished(self.document(_modern(text), 0))
        self.source = source
        self.fields.discard(name)
        return result


def _places(text: str, offset: int) -> Place:
    """Where a character of `text` stands in the whole, in JavaScript's units: what is rare counts as two."""
    wide = [] if text.isascii() else [found.start() for found in _WIDE.finditer(text)]
    if not wide:
        return lambda at: offset + at
    return lambda at: offset + at + bisect.bisect_left(wide, at)
