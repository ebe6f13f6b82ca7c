"""Find regular expressions in a text that comes in pieces, holding back only what may still become a match.

Knows no tokens. The `regex` package tells from where on a text could still become a match (`partial`), so
each piece is searched from there: mostly nothing more than the piece itself.

A match that reaches the end of the text counts at once, unless what follows could undo it: with `\bcat\b`,
"cat" waits for what comes next, because it may be "cattle". A look-ahead sees as far as the next piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from fabula.core.errors import BadParameter
from fabula.core.regex_size import MOST_PARTS, parts
from fabula.core.texts import phrase

HELD = 400  # characters of a match at most: `"[^"]*"` would hold back all for ever
PATIENCE_S = 0.1  # of one search: a pattern may take exponential time
PROBES = ("a", " ")  # a match that both leave standing cannot be undone by the next character
_UNDONE = regex.compile(r"\\[bBmMzZ]|\$")
_LOOKS_AHEAD = regex.compile(r"\(\?[=!]")
_NEEDS_OWN = regex.compile(
    r"\\(?:[1-9GKX]|g<)|\(\?(?:P=|P>|P<|<[a-zA-Z_]|&|R|[0-9+(|]|[a-zA-Z0-9-]+\))|\(\*|\{[eisd]"
)
"""References to groups, whose numbers change when patterns are put together; flags for a whole pattern;
fuzzy matches and other things that are not worth the risk."""
_MANY = regex.compile(r"(?<!\\)(?:[*+]|\{\d*,)")
_OF_GROUPS = regex.compile(r"\)(?:[*+?]|\{)")
CALM = 2  # quantifiers, none of them of a group: such a pattern takes no time worth watching
PLAIN, BOUNDED, LOOKING = "fabula_plain", "fabula_bounded", "fabula_looking"
"""Matches that stand at once; that the next character may undo; that a look-ahead may undo."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of a kind, or some as one, in a group for each kind."""

    compiled: regex.Pattern[str]
    kind: str = ""  # "" = by the group that matched
    calm: bool = False

    def search(self, text: str, start: int, *, final: bool) -> tuple[tuple[int, int] | None, int]:
        """(start, end) of a match that stands, and from where on the text may still become one.

        Raises TimeoutError.
        """
        patience = None if self.calm else PATIENCE_S
        found = self.compiled.search(text, start, partial=not final, timeout=patience)
        while found and not found.partial and found.end() == found.start() < len(text):
            begin = found.start() + 1  # it matched nothing; that cannot be avoided
            found = self.compiled.search(text, begin, partial=not final, timeout=patience)
        if found is None or found.end() == found.start():
            return None, len(text)
        if found.partial:
            return None, found.start()
        if final or found.end() < len(text) or self._stands(found, text):
            return found.span(), found.start()
        return None, start  # an earlier place may begin a match as well, which this one hides

    def _stands(self, found: regex.Match[str], text: str) -> bool:
        """Whether nothing that may follow undoes a match that reaches the end."""
        kind = self.kind or next(kind for kind in self.compiled.groupindex if found.start(kind) >= 0)
        if kind == BOUNDED:
            probes = (text + probe for probe in PROBES)
            return all(self.compiled.match(probe, found.start(), timeout=PATIENCE_S) for probe in probes)
        return kind == PLAIN


def compiled(patterns: Sequence[str]) -> tuple[Pattern, ...]:
    """As few patterns as possible that find the same, case ignored. Raises BadParameter."""
    if sum(map(parts, patterns)) > MOST_PARTS:
        largest = max(patterns, key=parts)
        wanted = phrase("expected.smaller_regex", most=MOST_PARTS)
        raise BadParameter("banned_regexes", largest[:80], wanted)
    for pattern in patterns:
        _check(pattern)
    alone = [pattern for pattern in patterns if _NEEDS_OWN.search(pattern)]
    together = [pattern for pattern in patterns if pattern not in alone]
    groups = ([one for one in together if _is_calm(one) == calm] for calm in (True, False))
    joined = [_joined(group) for group in groups if group]
    return (*joined, *(Pattern(_made(one), _kind(one), _is_calm(one)) for one in alone))


def _joined(patterns: Sequence[str]) -> Pattern:
    """All are calm, or none is."""
    kinds = ((kind, [one for one in patterns if _kind(one) == kind]) for kind in (PLAIN, BOUNDED, LOOKING))
    parts = (f"(?P<{kind}>{'|'.join(f'(?:{one})' for one in ones)})" for kind, ones in kinds if ones)
    return Pattern(_made("|".join(parts)), calm=_is_calm(patterns[0]))


def _is_calm(pattern: str) -> bool:
    return len(_MANY.findall(pattern)) <= CALM and not _OF_GROUPS.search(pattern)


def _made(source: str) -> regex.Pattern[str]:
    return regex.compile(source, regex.IGNORECASE)


def _kind(pattern: str) -> str:
    if _LOOKS_AHEAD.search(pattern):
        return LOOKING
    return BOUNDED if _UNDONE.search(pattern) else PLAIN


def _check(pattern: str) -> None:
    try:
        empty = _made(pattern).search("")
    except (regex.error, RecursionError, OverflowError) as wrong:
        reason = phrase("expected.valid_regex", reason=f"{wrong}")
        raise BadParameter("banned_regexes", pattern[:80], reason) from wrong
    if empty:
        raise BadParameter("banned_regexes", pattern[:80], phrase("expected.matching_something"))
