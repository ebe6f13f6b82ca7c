"""Lines at the head of an entry that change how it behaves. Knows no chat.

`@@name value`; a line with `@@@` counts only where the line before it was not understood (SPEC_V3.md of
kwaroran/character-card-spec-v3, "Decorators"). SillyTavern acts upon two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the decorators of an entry ask for; None and empty where they say nothing.

    `after` and `every` count replies. `reverse_depth` counts messages from the first one. `position` is the
    specification's word. `disables` names prompts of the person that give way while the entry is told.
    """

    activates: bool = False
    never: bool = False
    constant: bool = False
    after: int | None = None
    every: int | None = None
    keeps: bool = False  # once it was told it is told always
    once: bool = False
    greeting: int | None = None
    icon: str | None = None
    additional: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    not_when_full: bool = False
    disables: frozenset[str] = frozenset()
    depth: int | None = None
    reverse_depth: int | None = None
    role: str = ""
    scan_depth: int | None = None
    position: str = ""

    @property
    def changes(self) -> bool:
        """Whether the entry may be in one turn and out of the next."""
        counted = self.after or self.every or self.keeps or self.once or self.not_when_full
        return bool(counted or self.additional or self.excluded)

    @property
    def placed(self) -> str:
        """Which decorator says where the text stands: `@@position` goes before `@@depth`, that before
        `@@reverse_depth`."""
        if self.position:
            return "position"
        return (
            "depth" if self.depth is not None else "reverse_depth" if self.reverse_depth is not None else ""
        )


NO_RULES = Rules()
POSITIONS = ("before_desc", "after_desc", "personality", "scenario")
ROLES = ("system", "user", "assistant")
PROMPTS = ("system_prompt", "post_history_instructions")
MOST = 1_000_000  # of any number
MOST_LINES = 200  # of decorators


def rules(content: str) -> tuple[Rules, str]:
    """All decorators of the specification, and the content without them and the empty lines behind them.

    Of several with one name the first counts. One whose value makes no sense is as unknown as one that there
    is not: its fallback is looked at. Those for texts that are no chat (`@@instruct_depth`,
    `@@reverse_instruct_depth`, `@@instruct_scan_depth`) are ignored in chats, as the specification wants.
    """
    lines, rest = _headed(content)
    found, seen, understood = NO_RULES, set[str](), True
    for line in lines:
        is_fallback = line.startswith("@@@")
        if is_fallback and understood:
            continue
        name, _, value = line.lstrip("@").strip().partition(" ")
        change = _change(name, value.strip())
        understood = change is not None
        if change and name not in seen:
            seen.add(name)
            more = found.disables | change.get("disables", frozenset())
            found = replace(found, **change | {"disables": more})
    return found, rest


def _headed(content: str) -> tuple[Sequence[str], str]:
    """The decorator lines at the head, and what follows."""
    lines = content.lstrip().split("\n", MOST_LINES) if content.lstrip().startswith("@@") else []
    last = -1
    for index, line in enumerate(lines[:MOST_LINES]):
        if line.startswith("@@"):
            last = index
        elif line.strip():
            break
    if last < 0:
        return (), content
    head = [line.strip() for line in lines[: last + 1] if line.strip()]
    return head, "\n".join(lines[last + 1 :]).lstrip("\r\n")


def _change(name: str, value: str) -> dict[str, Any] | None:
    read = _READ.get(name)
    return read(value) if read else None


def _flag(field: str) -> Callable[[str], dict[str, Any] | None]:
    return lambda value: {field: value.lower() not in ("false", "0")}


def _number(field: str, least: int = 0) -> Callable[[str], dict[str, Any] | None]:
    def read(value: str) -> dict[str, Any] | None:
        try:
            number = float(value)
        except ValueError:
            return None
        return {field: max(int(number), 0)} if least <= number <= MOST else None

    return read


def _one_of(field: str, words: Sequence[str]) -> Callable[[str], dict[str, Any] | None]:
    return lambda value: {field: value} if value in words else None


def _listed(field: str) -> Callable[[str], dict[str, Any] | None]:
    def read(value: str) -> dict[str, Any] | None:
        found = tuple(part.strip() for part in value.split(",") if part.strip())
        return {field: found} if found else None

    return read


_READ: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "activate": _flag("activates"),
    "dont_activate": _flag("never"),
    "constant": _flag("constant"),
    "activate_only_after": _number("after"),
    "activate_only_every": _number("every", least=1),
    "keep_activate_after_match": _flag("keeps"),
    "dont_activate_after_match": _flag("once"),
    "is_greeting": _number("greeting"),
    "is_user_icon": lambda value: {"icon": value} if value else None,
    "additional_keys": _listed("additional"),
    "exclude_keys": _listed("excluded"),
    "ignore_on_max_context": _flag("not_when_full"),
    "disable_ui_prompt": lambda value: {"disables": frozenset({value})} if value in PROMPTS else None,
    "depth": _number("depth", least=-MOST),
    "reverse_depth": _number("reverse_depth"),
    "role": _one_of("role", ROLES),
    "scan_depth": _number("scan_depth"),
    "position": _one_of("position", POSITIONS),
}
