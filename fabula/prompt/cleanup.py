"""Put a reply in order before it becomes a message: names, stop strings, half sentences, thoughts.

The steps and their order are SillyTavern's. Knows no prompt and no engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import regex

_TRAILING = re.compile(r"[^\S\r\n]+$", re.M)
_BREAKS = re.compile(r"\n+")
_EMOJI = regex.compile(r"\p{Emoji_Presentation}|\p{Extended_Pictographic}")
_ENDS = frozenset('.!?*")}`]$。！？”）】’」_')
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """How replies are put in order.

    `others` are the other members of a group. `stop` and `opens_user` are sequences of the instruct template,
    '' without one; `openings` are those of the reply's own turn, whose lines are taken out where they leak.
    `begins` is put in front of a new reply. `scripts` runs regex scripts.
    """

    user: str
    char: str
    others: Sequence[str] = ()
    stops: Sequence[str] = ()
    stop: str = ""
    opens_user: str = ""
    openings: Sequence[str] = ()
    begins: str = ""
    scripts: Callable[[str], str] = str
    collapses_newlines: bool = False
    whole_sentences: bool = False
    trims: bool = True


def cleaned(
    text: str, how: Cleaning, *, impersonates: bool = False, continues: bool = False, unfinished: bool = False
) -> str:
    """The reply as it is kept. `unfinished`: it is still being written, so half sentences stay."""
    if not text:
        return ""
    if not (impersonates or continues):
        text = how.begins + text
    text = how.scripts(without_partial_stops(text, how.stops))
    if how.collapses_newlines:
        text = _BREAKS.sub("\n", text)
    text = _TRAILING.sub("", text)
    text = _before_wrong_name(text, how.char if impersonates else how.user)
    for end in (END_OF_TEXT, how.stop, how.opens_user):
        text = text.partition(end)[0] if end.strip() else text
    for line in "\n".join(how.openings).split("\n"):
        text = text.replace(line, "") if line.strip() else text
    for name in how.others:
        text = re.split(rf"(?:\A|\n){re.escape(name)}:", text, maxsplit=1)[0]
    text = re.sub(rf"(\A|\n){re.escape(how.char)}:\s*", r"\1", text) if how.char else text
    text = _without_own_name(text.strip() if impersonates else text, how.user if impersonates else how.char)
    if impersonates:
        text = text.strip()
    if how.whole_sentences and not unfinished:
        text = to_end_of_sentence(text)
    return text.strip() if how.trims else text


def without_partial_stops(text: str, stops: Sequence[str]) -> str:
    """Without the beginning of a stop string at its end."""
    for stop in stops:
        for length in range(min(len(stop), len(text)), 0, -1):
            if text.endswith(stop[:length]):
                text = text[:-length]
                break
    return text


def _before_wrong_name(text: str, name: str) -> str:
    if not name:
        return text
    if text.startswith(f"{name}:"):
        return ""
    return text.partition(f"\n{name}:")[0]


def _without_own_name(text: str, name: str) -> str:
    return text.removeprefix(f"{name}:").lstrip() if name and text.startswith(f"{name}:") else text


def to_end_of_sentence(text: str) -> str:
    """Up to the last sign that ends a sentence; a sign behind a space opens something and is cut too."""
    for index in range(len(text) - 1, -1, -1):
        is_emoji = _EMOJI.search(text[index]) is not None
        if is_emoji or text[index] in _ENDS:
            opens = not is_emoji and index > 0 and text[index - 1].isspace()
            return text[: index if opens else index + 1].rstrip()
    return text.rstrip()


def parted_reasoning(text: str, prefix: str, suffix: str, *, anywhere: bool = False) -> tuple[str, str]:
    """What the model thought, and its reply. Thoughts come first, unless `anywhere`, and are closed."""
    if not prefix or not suffix:
        return "", text
    start = "" if anywhere else r"\A\s*?"
    pattern = re.compile(f"{start}{re.escape(prefix)}(.*?){re.escape(suffix)}", re.S)
    match = pattern.search(text)
    if not match:
        return "", text
    return match[1].strip(), (text[: match.start()] + text[match.end() :]).strip()
