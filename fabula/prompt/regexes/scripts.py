"""Regex scripts: find and replace in what is said, sent or shown. Knows no chat store.

The format and the order of what happens are SillyTavern's (extension "regex", 1.19).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import regex

from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import Scene
from fabula.prompt.regexes.javascript import NotJavaScript, Pattern, compiled

Use = Literal["stored", "shown", "sent"]
"""What the text is for: it is kept, it is displayed, or it goes into a prompt."""


class Placement(IntEnum):
    USER = 1
    REPLY = 2
    COMMAND = 3
    LORE = 5
    REASONING = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script. `finds` is `/expression/flags`, or an expression alone, which then means its first match.

    `macros`: 0 the expression is taken as it is, 1 its macros are resolved, 2 resolved and escaped. The last
    message has depth 0.
    """

    name: str = ""
    finds: str
    replacement: str = ""
    trims: tuple[str, ...] = ()
    placements: frozenset[int] = frozenset()
    disabled: bool = False
    only_shown: bool = False
    only_sent: bool = False
    on_edit: bool = False
    macros: int = 0
    least_depth: int | None = None
    most_depth: int | None = None

    def applies(self, placement: int, use: Use, *, depth: int | None = None, edited: bool = False) -> bool:
        uses = {"shown": self.only_shown, "sent": self.only_sent}
        for_this = uses.get(use, not (self.only_shown or self.only_sent))
        if self.disabled or not for_this or placement not in self.placements or (edited and not self.on_edit):
            return False
        return depth is None or self._reaches(depth)

    def _reaches(self, depth: int) -> bool:
        least = self.least_depth if self.least_depth is not None and self.least_depth >= -1 else None
        most = self.most_depth if self.most_depth is not None and self.most_depth >= 0 else None
        return (least is None or depth >= least) and (most is None or depth <= most)


def script_of(row: Mapping[str, Any]) -> Script:
    """A script as SillyTavern writes it."""
    return Script(
        name=str(row.get("scriptName") or ""),
        finds=str(row.get("findRegex") or ""),
        replacement=str(row.get("replaceString") or ""),
        trims=tuple(map(str, row.get("trimStrings") or ())),
        placements=frozenset(row.get("placement") or ()),
        disabled=bool(row.get("disabled")),
        only_shown=bool(row.get("markdownOnly")),
        only_sent=bool(row.get("promptOnly")),
        on_edit=bool(row.get("runOnEdit")),
        macros=int(row.get("substituteRegex") or 0),
        least_depth=row.get("minDepth"),
        most_depth=row.get("maxDepth"),
    )


_WHOLE = re.compile(r"(/?)(.+)\1([a-z]*)", re.I | re.A)
_FLAGS = re.compile(r"(?!.*?(.).*?\1)[gmixXsuUAJ]+")
_GROUP = re.compile(r"\$(\d+)|\$<([^>]+)>", re.A)
_MATCH = re.compile(r"\{\{match\}\}", re.I)
_SPECIAL = re.compile(r"[\n\r\t\v\f\0.^$*+?{}\[\]\\/|()]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\f": "\\f", "\0": "\\0"}


def pattern_of(text: str) -> Pattern | None:
    """The expression of a script's field, or None for what JavaScript would refuse."""
    match = _WHOLE.search(text)
    if not match:
        return None
    try:
        if match[3] and not _FLAGS.fullmatch(match[3]):
            return compiled(text)
        return compiled(match[2], match[3])
    except NotJavaScript:
        return None


def run(script: Script, text: str, scene: Scene, *, limit_s: float | None = None) -> str:
    """`text` after one script. Raises TimeoutError when its expression takes longer than `limit_s`."""
    if script.disabled or not script.finds or not text:
        return text
    finds = script.finds
    if script.macros:
        finds = resolved(finds, scene, each=_escaped if script.macros == 2 else None)
    pattern = pattern_of(finds)
    if pattern is None:
        return text
    return pattern.replaced(text, _replacement(script, scene), limit_s=limit_s)


def _replacement(script: Script, scene: Scene) -> Callable[[regex.Match[str]], str]:
    template = _MATCH.sub("$0", script.replacement)
    trims = [resolved(trim, scene) for trim in script.trims]

    def by(match: regex.Match[str]) -> str:
        def group(found: re.Match[str]) -> str:
            text = _captured(match, found)
            for trim in trims:
                text = text.replace(trim, "") if trim else text
            return text

        return resolved(_GROUP.sub(group, template), scene)

    return by


def _captured(match: regex.Match[str], asked: re.Match[str]) -> str:
    key: int | str = int(asked[1]) if asked[1] and len(asked[1]) < 4 else asked[2] or asked[1]
    try:
        return match[key] or ""
    except IndexError:
        return ""


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0], "\\" + found[0]), text)


def run_all(
    scripts: Iterable[Script],
    text: str,
    scene: Scene,
    placement: int,
    use: Use,
    *,
    depth: int | None = None,
    limit_s: float | None = None,
) -> str:
    """`text` after every script that applies, in order. Raises TimeoutError."""
    for script in scripts:
        if script.applies(placement, use, depth=depth):
            text = run(script, text, scene, limit_s=limit_s)
    return text
