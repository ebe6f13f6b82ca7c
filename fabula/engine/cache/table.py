"""Which slot of an engine a request gets. Pure: knows no engine, no file and no clock.

A chat keeps its slot from turn to turn. Where there are two slots or more, the last one is kept for everyone
else (titles, summaries, callers without a chat), so that those never push a chat out while it is free.

Programs that use the API name no chat; their conversations are known by how they begin. One that goes on gets
the slot that holds most of it, a new one an empty slot, and no small agreement (the same system prompt) makes
it overwrite another. What was overwritten is remembered: when it comes back, programs take turns with each
other, and it may take the slot of a chat that has been idle longest, if that chat can be saved.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from fabula.core.request import Context
from fabula.core.worker import SlotState

Trace = str | tuple[int, ...]
"""What a slot has read and written: token ids, or the text of a prompt whose ids nobody asked for."""

KIN = 64  # tokens or letters at its beginning by which a program's cut conversation is known again
OVERWRITTEN = 16  # conversations that are remembered

PINNED = ("chat", "summary", "warm_up")
"""Purposes that read a chat as the chat itself does; a summary is asked for behind its last reply."""


def common(one: Trace, other: Trace) -> int:
    """How much of their beginnings agrees, by bisection: comparing slices costs no Python per token."""
    if type(one) is not type(other):
        return 0
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def chat_of(context: Context) -> str:
    """The chat whose slot a request may use, "" for side tasks and callers without one."""
    return context.chat_id if context.purpose in PINNED else ""


@dataclass(frozen=True, slots=True)
class Variant:
    """How a prompt is read beside its ids: equal keys read alike. `scales` are those of all adapters."""

    key: str = ""
    scales: tuple[float, ...] = field(default=(), compare=False)


PLAIN = Variant()


@dataclass(eq=False, slots=True)
class Slot:
    """One sequence in the engine's memory. `saved` is what of it lies in kv/.

    What was read as one `variant` is worth nothing to another.
    """

    number: int
    reserved: bool = False
    owner: str = ""
    chat: str = ""
    trace: Trace = ()
    saved: tuple[int, ...] = ()
    variant: Variant = PLAIN
    front: str = ""
    used: int = 0  # turn of the table's clock
    busy: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request that wants a slot. `returns`: it was overwritten a while ago, and goes on."""

    chat: str
    trace: Trace
    variant: Variant
    front: str
    returns: bool
    displaces: bool  # also a chat

    def there(self, slot: Slot) -> int:
        return common(slot.trace, self.trace) if slot.variant == self.variant else 0


@dataclass(slots=True)
class Table:
    """All slots of one loaded model. `saves`: chats that lose their slot can be saved."""

    count: int
    saves: bool = False
    slots: list[Slot] = field(init=False)
    _overwritten: deque[Trace] = field(init=False, default_factory=lambda: deque(maxlen=OVERWRITTEN))
    """Of each what is needed to know it again."""
    _texts: tuple[str, ...] = ()  # those of them that are texts
    _clock: int = 0

    def __post_init__(self) -> None:
        last = self.count - 1
        self.slots = [Slot(number, reserved=0 < number == last) for number in range(self.count)]

    def take(self, chat: str, trace: Trace, variant: Variant = PLAIN, front: str = "") -> Slot:
        """The best idle slot, busy from now on. Raises LookupError when none is idle."""
        idle = [slot for slot in self.slots if not slot.busy]
        if not idle:
            raise LookupError("no slot is idle")
        returns = bool(front) and self.was_overwritten(trace)
        asked = _Asked(chat, trace, variant, front, returns, returns and self.saves)
        slot = min(idle, key=lambda slot: _for_chat(slot, asked) if chat else _for_others(slot, asked))
        if slot.front and slot.trace and not (slot.chat or goes_on(slot.trace, trace)):
            self._overwritten.append(_needed(slot.trace))
            self._texts = tuple(part for part in self._overwritten if isinstance(part, str))
        slot.busy = True
        return slot

    def was_overwritten(self, trace: Trace) -> bool:
        """Whether a program's conversation lost its slot to another a while ago, and goes on now."""
        if isinstance(trace, str):
            return trace.startswith(self._texts)
        return any(_begins(trace, part) for part in self._overwritten)

    def give_back(self, slot: Slot) -> None:
        self._clock += 1
        slot.used, slot.busy = self._clock, False

    def idle_chats(self) -> list[Slot]:
        """Slots that hold a chat and do not write, the one used last first."""
        held = [slot for slot in self.slots if slot.chat and slot.trace and not slot.busy]
        return sorted(held, key=lambda slot: -slot.used)

    def told(self) -> tuple[SlotState, ...]:
        """Every slot as others may know it: no text and no id of what it holds."""
        return tuple(
            SlotState(
                slot.number,
                slot.owner,
                is_busy=slot.busy,
                is_chat=bool(slot.chat),
                tokens=0 if isinstance(slot.trace, str) else len(slot.trace),
            )
            for slot in self.slots
        )

    def forget(self, chat: str) -> None:
        for slot in self.slots:
            if slot.chat == chat:
                slot.chat = ""


def goes_on(held: Trace, asked: Trace) -> bool:
    """Whether more of what is held stays than is given up."""
    return bool(held) and _begins(asked, _needed(held))


def _needed(held: Trace) -> Trace:
    """What a prompt has to begin with, so that it goes on with what is held."""
    return held[: (len(held) + 1) // 2]


def _begins(asked: Trace, part: Trace) -> bool:
    """Whether it does; `part` is not empty. Every request asks this of all that is remembered."""
    if isinstance(part, str):
        return isinstance(asked, str) and asked.startswith(part)
    if isinstance(asked, str):
        return False
    size = len(part)
    return size <= len(asked) and asked[size - 1] == part[-1] and asked[:size] == part


def _for_chat(slot: Slot, asked: _Asked) -> tuple[bool, int, bool, bool, int]:
    """Its own, of several the one that holds most of it (alternatives were written side by side); else one
    that others may not need; else an empty one, else the one used longest ago."""
    own = slot.chat == asked.chat
    return not own, -asked.there(slot) if own else 0, slot.reserved, bool(slot.trace), slot.used


def _for_others(slot: Slot, asked: _Asked) -> tuple[bool, int, int, bool, int]:
    """No chat's slot if that can be; then the one whose conversation it continues; then an empty one, the
    reserved one first; then one in which a conversation of the same program began alike; else the one used
    longest ago. One that returns looks at chats last, but does look at them."""
    alike = slot.variant == asked.variant
    same = alike and goes_on(slot.trace, asked.trace)
    kin = alike and bool(asked.front) and slot.front == asked.front and not asked.returns
    kin = kin and not same and len(slot.trace) >= KIN and _begins(asked.trace, slot.trace[:KIN])
    kind = 0 if same else 1 if not slot.trace else 2 if kin else 3
    there = asked.there(slot) if kind in (0, 2) else 0
    protected = bool(slot.chat) and not asked.displaces
    last_resort = kind == 3 and bool(asked.front)  # then the reserved one is no better than others
    return protected, kind, -there, not (slot.reserved or last_resort), slot.used
