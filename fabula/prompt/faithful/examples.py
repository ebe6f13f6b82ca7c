"""Dialogue examples: split into blocks, blocks into turns, turns into a template. Knows no budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fabula.prompt.faithful.wrapping import Wrapper

_START = re.compile(r"<START>", re.I)
_HEAD = re.compile(r"<START>\n", re.I)
START = "<START>\n"


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of an example."""

    text: str
    is_user: bool


def blocks(text: str, heading: str = START) -> list[str]:
    """The blocks of a card's examples, each with `heading` in front and a line break behind."""
    if not text or text == "<START>":
        return []
    if not text.startswith("<START>"):
        text = START + text.strip()
    return [f"{heading}{block.strip()}\n" for block in _START.split(text)[1:]]


def turns(
    block: str, user: str, char: str, members: Sequence[str] = (), *, with_names: bool = False
) -> list[Said]:
    """The turns of one block, whose first line is its heading. Lines before the first name belong to it."""
    found: list[Said] = []
    lines: list[str] = []
    speaker, bot = "", char

    def say(name: str, is_user: bool) -> None:
        text = "\n".join(lines).replace(f"{name}:", "", 1).strip()
        found.append(Said(f"{name}: {text}" if with_names else text, is_user))
        lines.clear()

    for line in block.split("\n")[1:]:
        if line.startswith(f"{user}:"):
            if speaker == "char":
                say(bot, False)
            speaker = "user"
        elif line.startswith(f"{char}:") or any(line.startswith(f"{name}:") for name in members):
            if not line.startswith(f"{char}:"):
                bot = line.split(":", 1)[0]
            if speaker == "user":
                say(user, True)
            speaker = "char"
        lines.append(line)
    if speaker:
        say(user if speaker == "user" else bot, speaker == "user")
    return found


def wrapped(found: Sequence[str], wrapper: Wrapper, heading: str, members: Sequence[str] = ()) -> list[str]:
    """Blocks in an instruct template: headings and turns, each a piece that is in or out as a whole."""
    template = wrapper.instruct
    if template.skip_examples:
        return _raw(found, heading)
    in_group = wrapper.in_group and template.names_behavior in ("always", "force")
    pieces: list[str] = []
    for block in found:
        cleaned = _START.sub("{}", block, count=1).replace("\r", "")
        said = turns(cleaned, wrapper.user, wrapper.char, members, with_names=in_group)
        if said and heading:
            pieces.append(heading)
        pieces += [_turn(turn, wrapper, in_group) for turn in said]
    return pieces or _raw(found, heading)


def _raw(found: Sequence[str], heading: str) -> list[str]:
    return [_HEAD.sub(lambda _: heading, block, count=1) for block in found]


def _turn(turn: Said, wrapper: Wrapper, has_name: bool) -> str:
    template = wrapper.instruct
    name = wrapper.user if turn.is_user else wrapper.char
    prefix = template.input_sequence if turn.is_user else template.output_sequence
    suffix = wrapper.sequence(template.input_suffix if turn.is_user else template.output_suffix, name)
    if not suffix and template.wrap and template.macro:
        suffix = "\n"
    behavior = template.names_behavior
    named = not has_name and (behavior == "always" or (behavior == "force" and turn.is_user))
    text = f"{name}: {turn.text}" if named else turn.text
    return wrapper.joined(wrapper.sequence(prefix, name), text + suffix)
