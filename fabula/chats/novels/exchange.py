"""Novels in and out as files: plain text, Markdown, HTML. PURE: knows no table.

Chapters begin with a line `# Title` or `## Title`; where the first line is the only `# Title`, it is the
novel's own. HTML is only written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from fabula.core.errors import ChatUnreadable
from fabula.core.texts import phrase

Format = Literal["text", "markdown", "html"]
LIMIT = 64 << 20  # bytes
_HEADING = re.compile(r"^(#{1,2})[ \t]+(\S.*?)[ \t]*#*[ \t]*$", re.MULTILINE)
_KINDS = {"text": ("txt", "text/plain"), "markdown": ("md", "text/markdown"), "html": ("html", "text/html")}


@dataclass(frozen=True, slots=True)
class Read:
    title: str
    chapters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Written:
    name: str
    kind: str
    content: bytes


def read(name: str, content: bytes) -> Read:
    """A novel from a file of text or Markdown. Raises ChatUnreadable."""
    if len(content) > LIMIT:
        raise ChatUnreadable(name, phrase("chats.reason.too_large"))
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as wrong:
        raise ChatUnreadable(name, phrase("chats.reason.no_text")) from wrong
    if "\0" in text:
        raise ChatUnreadable(name, phrase("chats.reason.no_text"))
    found = list(_HEADING.finditer(text))
    title = PurePath(name).stem
    highest = [one for one in found if len(one.group(1)) == 1]
    if len(highest) == 1 and highest[0] is found[0] and not text[: found[0].start()].strip():
        title = found.pop(0).group(2)
        text = _without_title(text)
        found = list(_HEADING.finditer(text))
    return Read(title, _chapters(text, found))


def _without_title(text: str) -> str:
    first = _HEADING.search(text)
    assert first
    return text[first.end() :].lstrip("\n")


def _chapters(text: str, found: Sequence[re.Match[str]]) -> tuple[tuple[str, str], ...]:
    before = text[: found[0].start()] if found else text
    made = [("", before.strip("\n"))] if before.strip() or not found else []
    ends = [*(one.start() for one in found[1:]), len(text)][: len(found)]
    for one, end in zip(found, ends, strict=True):
        made.append((one.group(2), text[one.end() : end].strip("\n")))
    return tuple(made)


def write(title: str, chapters: Sequence[tuple[str, str]], format: Format) -> Written:
    """All chapters, titles and texts, as a file."""
    ending, kind = _KINDS[format]
    made = {"text": _text, "markdown": _markdown, "html": _html}[format](title, chapters)
    return Written(f"{title or 'novel'}.{ending}", kind, made.encode("utf-8", "replace"))


def _text(title: str, chapters: Sequence[tuple[str, str]]) -> str:
    parts = [title] if title else []
    for name, text in chapters:
        parts += [part for part in (name, text.strip("\n")) if part]
    return "\n\n".join(parts) + "\n"


def _markdown(title: str, chapters: Sequence[tuple[str, str]]) -> str:
    parts = [f"# {title}"] if title else []
    for name, text in chapters:
        parts += [part for part in (f"## {name}" if name else "", text.strip("\n")) if part]
    return "\n\n".join(parts) + "\n"


def _html(title: str, chapters: Sequence[tuple[str, str]]) -> str:
    body = [f"<h1>{html.escape(title)}</h1>"] if title else []
    for name, text in chapters:
        body += [f"<h2>{html.escape(name)}</h2>"] if name else []
        body += [
            f"<p>{html.escape(part.strip()).replace(chr(10), '<br>')}</p>"
            for part in re.split(r"\n{2,}", text)
            if part.strip()
        ]
    head = f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
    return f"{head}\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
