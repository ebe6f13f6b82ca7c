"""What the counted repetitions of a regex come to, before anybody compiles it. Pure.

A regex of 22 characters can ask for a thousand million parts: `((a{1000}){1000}){1000}`. To compile it takes
about 300 bytes of memory for each, and nothing can stop that once it has begun. What is told here is never
less than what a pattern really has.
"""

from __future__ import annotations

import regex

MOST_PARTS = 100_000  # 30 MB, 0.05 s
_PIECE = regex.compile(
    r"""\\[pPN]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|(?P<comment>\(\?\#[^)]*\))"""
    r"""|(?P<open>\()|(?P<close>\))|\{(?P<least>\d*)(?:,\d*)?\}|.""",
    regex.DOTALL,
)
_VERBOSE = regex.compile(
    r"(?<!\\)(?:\\\\)*\(\?[a-wyzA-Z01]*x"
)  # not after a backslash: "\(?x" has a bracket as text
_COUNT = regex.compile(r"\{(\d+)")


def parts(pattern: str) -> int:
    """How many parts it has once repetitions are written out; those that are not needed count once."""
    if _VERBOSE.search(pattern):  # brackets may stand in comments, and then only so much is certain
        return _product(pattern)
    before: list[int] = []  # the parts of each open group's surroundings
    total = last = 0
    for piece in _PIECE.finditer(pattern):
        if piece["comment"]:
            continue
        if piece["open"]:
            before.append(total)
            total = last = 0
        elif piece["close"]:
            last = total
            total += before.pop() if before else 0
        elif piece["least"] is not None:
            times = int(piece["least"] or 0) if len(piece["least"]) < 10 else MOST_PARTS + 1
            total += last * max(times - 1, 0)
            last *= max(times, 1)
        else:
            last = 1
            total += 1
        if total > MOST_PARTS:
            break
    return total + sum(before)


def _product(pattern: str) -> int:
    total = len(pattern)
    for count in _COUNT.findall(pattern):
        total *= max(int(count), 1) if len(count) < 10 else MOST_PARTS + 1
        if total > MOST_PARTS:
            break
    return total
