"""The texts that keys are looked for in. Knows no entry order, no budget and no timers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fabula.prompt.lore.entry import SOURCES, Entry, Source
from fabula.prompt.lore.keys import bare_expression, expression, searched
from fabula.prompt.lore.settings import LoreSettings

MAX_DEPTH = 1000  # messages that are searched at most
_MARK = "\x01"
_JOINT = "\n" + _MARK


@dataclass(slots=True)
class Buffer:
    """The chat, newest first, with what else is searched. `slow` holds the keys that ran out of time."""

    settings: LoreSettings
    messages: Sequence[str]
    sources: Mapping[Source, str]
    injected: Sequence[str] = ()
    recursed: list[str] = field(default_factory=list)
    skew: int = 0
    slow: set[str] = field(default_factory=set)
    _texts: dict[tuple[int, frozenset[Source], int], str] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return self.settings.depth + self.skew

    @property
    def chat(self) -> str:
        """What the keys of entries that say nothing else are looked for in, without recursion."""
        return self._text(self.depth, frozenset(), 0)

    def text(self, entry: Entry, with_recursion: bool) -> str:
        """What this entry's keys are looked for in; nothing at depth 0."""
        depth = self.depth if entry.scan_depth is None else entry.scan_depth
        return self._text(depth, entry.also_in, len(self.recursed) if with_recursion else 0)

    def _text(self, depth: int, also_in: frozenset[Source], recursed: int) -> str:
        key = (depth, also_in, recursed)
        if key not in self._texts:
            self._texts[key] = self._built(*key)
        return self._texts[key]

    def _built(self, depth: int, also_in: frozenset[Source], recursed: int) -> str:
        if depth <= 0:
            return ""
        parts = [message.strip() for message in self.messages[: min(depth, MAX_DEPTH)]]
        text = _MARK + _JOINT.join(parts)
        more = [self.sources.get(source, "") for source in SOURCES.values() if source in also_in]
        more = [*filter(None, more), *self.injected, *self.recursed[:recursed]]
        return "".join((text, *(_JOINT + part for part in more)))

    def finds(self, text: str, key: str, entry: Entry) -> bool:
        pattern = expression(key) if key.startswith("/") else None
        if pattern is None and entry.use_regex and self.settings.v3_regex:
            pattern = bare_expression(key)
        if pattern is not None:
            try:
                return pattern.found_in(text, limit_s=self.settings.regex_limit_s)
            except TimeoutError:
                self.slow.add(key)
                return False
        sensitive = self.settings.case_sensitive if entry.case_sensitive is None else entry.case_sensitive
        whole = self.settings.whole_words if entry.whole_words is None else entry.whole_words
        return searched(
            text,
            key,
            case_sensitive=sensitive,
            whole_words=whole,
            unicode_words=self.settings.unicode_words,
        )

    def score(self, entry: Entry, with_recursion: bool) -> int:
        """How well an entry matches, where the members of a group compete."""
        text = self.text(entry, with_recursion)
        if not entry.keys:
            return 0
        primary = sum(self.finds(text, key, entry) for key in entry.keys)
        secondary = sum(self.finds(text, key, entry) for key in entry.secondary)
        if not entry.secondary or entry.logic not in (0, 3):
            return primary
        counts = entry.logic == 0 or secondary == len(entry.secondary)
        return primary + secondary if counts else primary
