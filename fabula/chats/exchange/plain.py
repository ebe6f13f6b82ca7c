"""Chats for reading: text, Markdown and HTML. PURE: knows no database."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Literal

from fabula.chats.exchange.said import Said

Format = Literal["text", "markdown", "html"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;"
    "padding:0 1rem}article{margin:0 0 1.5rem}h1{font-size:1.4rem}h2{font-size:1rem;margin:0}"
    ".left-out{opacity:.55}hr{border:0;border-top:1px solid;opacity:.3}p{margin:.4rem 0;white-space:pre-wrap}"
)


def text(title: str, path: Sequence[Said]) -> str:
    """ "Name: what was said", with an empty line between messages."""
    said = [f"{one.author or one.role}: {one.text}" for one in path]
    return "\n\n".join([*([title] if title else []), *said]) + "\n"


def markdown(title: str, path: Sequence[Said]) -> str:
    """Each message under its author's name; its own Markdown stays as it is."""
    head = [f"# {_one_line(title)}"] if title else []
    said = [f"**{_one_line(one.author or one.role)}**{_marks(one)}\n\n{one.text}" for one in path]
    return "\n\n---\n\n".join([*head, *said]) + "\n"


def page(title: str, path: Sequence[Said]) -> str:
    """One file that needs no other. Texts are shown as they are: nothing in them is run."""
    articles = "\n".join(_article(one) for one in path)
    name = html.escape(title or "Fabula")
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{name}</title><style>{STYLE}</style></head>\n<body><h1>{name}</h1>\n{articles}\n</body></html>\n"
    )


def _article(one: Said) -> str:
    kind = f"{one.role}{' left-out' if one.left_out else ''}"
    name = f'<hr id="{html.escape(one.checkpoint)}">' if one.checkpoint else ""
    heading = f"<h2>{html.escape(one.author or one.role)}</h2>"
    return f'{name}<article class="{kind}">{heading}{_paragraphs(one.text)}</article>'


def _paragraphs(written: str) -> str:
    """Emphasis and strong words, as roleplay writes them, and nothing else of Markdown."""
    shown = html.escape(written, quote=False)
    shown = re.sub(r"\*\*([^*\n]+)\*\*", r"<strong>\1</strong>", shown)
    shown = re.sub(r"\*([^*\n]+)\*", r"<em>\1</em>", shown)
    return "".join(f"<p>{part}</p>" for part in shown.split("\n\n") if part.strip())


def _marks(one: Said) -> str:
    return f" · {_one_line(one.checkpoint)}" if one.checkpoint else ""


def _one_line(written: str) -> str:
    return " ".join(written.split())


WRITERS: dict[Format, tuple[str, str, Callable[[str, Sequence[Said]], str]]] = {
    "text": ("txt", "text/plain; charset=utf-8", text),
    "markdown": ("md", "text/markdown; charset=utf-8", markdown),
    "html": ("html", "text/html; charset=utf-8", page),
}
"""Ending, media type and writer of each format."""
