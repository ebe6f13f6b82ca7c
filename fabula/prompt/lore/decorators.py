"""Lines at the head of an entry that change how it behaves. Knows no chat.

`@@name value`; a line with `@@@` counts only where the line before it was not understood (Character Card V3).
"""

from __future__ import annotations

KNOWN = ("@@activate", "@@dont_activate")
"""Those that SillyTavern acts upon; by prefix they are recognised, by the whole word they work."""


def parted(content: str) -> tuple[tuple[str, ...], str]:
    """The decorators that count, and the content without any decorator line."""
    if not content.startswith("@@"):
        return (), content
    found: list[str] = []
    unknown = False
    lines = content.split("\n")
    for index, line in enumerate(lines):
        if not line.startswith("@@"):
            return tuple(found), "\n".join(lines[index:])
        if line.startswith("@@@") and not unknown:
            continue
        bare = line[1:] if line.startswith("@@@") else line
        unknown = not bare.startswith(KNOWN)
        if not unknown:
            found.append(bare)
    return tuple(found), content
