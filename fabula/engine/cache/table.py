"""Which slot of an engine a request gets. Pure: knows no engine, no file and no clock.

A chat keeps its slot from turn to turn. Where there are two slots or more, the last one is kept for everyone
else (titles, summaries, callers without a chat), so that those never push a chat out while it is free.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fabula.core.request import Context
from fabula.core.worker import SlotState

Trace = str | tuple[int, ...]
"""What a slot has read and written: token ids, or the text of a prompt whose ids nobody asked for."""

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
    used: int = 0  # turn of the table's clock
    busy: bool = False


@dataclass(slots=True)
class Table:
    """All slots of one loaded model."""

    count: int
    slots: list[Slot] = field(init=False)
    _clock: int = 0

    def __post_init__(self) -> None:
        last = self.count - 1
        self.slots = [Slot(number, reserved=0 < number == last) for number in range(self.count)]

    def take(self, chat: str, trace: Trace, variant: Variant = PLAIN) -> Slot:
        """The best idle slot, busy from now on. Raises LookupError when none is idle."""
        idle = [slot for slot in self.slots if not slot.busy]
        if not idle:
            raise LookupError("no slot is idle")
        rank = _for_chat if chat else _for_others
        slot = min(idle, key=lambda slot: rank(slot, chat, trace if slot.variant == variant else ()))
        slot.busy = True
        return slot

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


def _for_chat(slot: Slot, chat: str, trace: Trace) -> tuple[bool, int, bool, bool, int]:
    """Its own, of several the one that holds most of it (alternatives were written side by side); else one
    that others may not need; else an empty one, else the one used longest ago."""
    own = slot.chat == chat
    return not own, -common(slot.trace, trace) if own else 0, slot.reserved, bool(slot.trace), slot.used


def _for_others(slot: Slot, chat: str, trace: Trace) -> tuple[bool, int, bool, bool, int]:
    """No chat's slot if that can be; then the one that already holds most of it; then the reserved one."""
    return bool(slot.chat), -common(slot.trace, trace), not slot.reserved, bool(slot.trace), slot.used
