"""The chat-completion layout: prompts in the manager's order, the chat and the examples as far as they fit.

Knows no engine. What is injected into the chat counts as its messages and may fall out like them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message
from fabula.core.messages import Role as MessageRole
from fabula.prompt.faithful import examples
from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.injections import at_depth, depths
from fabula.prompt.faithful.manager import ChatSettings, Managed, NamesIn
from fabula.prompt.faithful.model import PersonaPlace, Place, Story, StoryMessage, Turn
from fabula.prompt.faithful.prepare import Prepared, World, prepare
from fabula.prompt.lore.activate import Activation
from fabula.prompt.lore.entry import Position, Role
from fabula.prompt.macros.evaluate import resolved
from fabula.prompt.macros.scene import once
from fabula.prompt.plan import CountTable, NeedCounts, Segment

ROLES: dict[int, MessageRole] = {Role.SYSTEM: "system", Role.USER: "user", Role.ASSISTANT: "assistant"}
NEW_CHAT, NEW_EXAMPLE, NUDGE = "newMainChat", "newChat", "groupNudge"
_INSIDE_MAIN = {keys.SUMMARY, keys.NOTE, "3_vectors", "4_vectors_data_bank"}
_NO_FIELD_SIGN = re.compile(r"[^a-zA-Z0-9_]")
EXTENSION_ORDER = 100  # of notes and lore among the prompts of one depth


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a chat prompt. `source` is the prompt's id or what the message is."""

    role: MessageRole
    text: str
    name: str = ""
    source: str = ""
    id: str = ""
    injected: bool = False
    label: str = ""  # what is injected


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPrompt:
    """A prompt for chat completion, with what is in it and what is not."""

    rows: tuple[Row, ...]
    segments: tuple[Segment, ...]
    tokens: int
    lore: Activation
    cut_messages: int = 0

    @property
    def messages(self) -> list[Message]:
        return [Message(role=row.role, text=row.text, name=row.name, id=row.id) for row in self.rows]


def chat_prompt(
    story: Story, turn: Turn, settings: ChatSettings, counts: CountTable, world: World
) -> ChatPrompt | NeedCounts:
    """The prompt, or the texts to count first. Raises ContextExceeded when what must be in does not fit."""
    prepared = prepare(story, turn, counts, world)
    if isinstance(prepared, NeedCounts):
        return prepared
    return _Filling(prepared, settings, counts).filled()


@dataclass(slots=True)
class _Budget:
    """Tokens that are left. Texts without a count cost nothing yet and are asked for."""

    left: int
    counts: CountTable
    settings: ChatSettings
    missing: list[str]
    context: int

    def cost(self, row: Row) -> int:
        if not row.text:
            return 0
        named = self._count(row.name) + self.settings.name if row.name else 0
        return self._count(row.text) + self.settings.each + named

    def _count(self, text: str) -> int:
        if text not in self.counts:
            self.missing.append(text)
            return 0
        return self.counts[text]

    def take(self, rows: Iterable[Row]) -> None:
        """For what must be in."""
        cost = sum(self.cost(row) for row in rows)
        if cost > self.left and not self.missing:
            raise ContextExceeded(prompt_tokens=self.context - self.left + cost, context=self.context)
        self.left -= cost

    def affords(self, rows: Sequence[Row]) -> bool:
        cost = sum(self.cost(row) for row in rows)
        if cost > self.left:
            return False
        self.left -= cost
        return True


class _Filling:
    def __init__(self, prepared: Prepared, settings: ChatSettings, counts: CountTable):
        self._p, self._settings = prepared, settings
        room = prepared.turn.room - settings.whole
        self._budget = _Budget(room, counts, settings, [], prepared.turn.context)
        self._prompts = self._managed()
        self._left_out: list[Row] = []

    def filled(self) -> ChatPrompt | NeedCounts:
        slots = self._fixed()
        control = self._control()
        self._budget.take(control)
        chat, resumed = self._resumed(self._chat())
        self._budget.take(resumed)
        chat = self._injected(chat)
        pinned = self._p.story.pin_examples
        if pinned:
            slots["dialogueExamples"] = self._examples()
        slots["chatHistory"], nudged = self._history(chat)
        if not pinned:
            slots["dialogueExamples"] = self._examples()
        if self._budget.missing:
            return NeedCounts(tuple(dict.fromkeys(self._budget.missing)))
        told = [row for id in self._prompts for row in slots.get(id, ())]
        rows = [row for row in (*told, *nudged, *control, *resumed) if row.text]
        return self._finished(rows)

    def _finished(self, rows: list[Row]) -> ChatPrompt:
        if self._settings.squashes and not self._p.turn.dry:
            rows = squashed(rows)
        cost = self._budget.cost
        segments = [_segment(row, cost(row)) for row in rows]
        segments += [_segment(row, cost(row), included=False) for row in self._left_out]
        return ChatPrompt(
            rows=tuple(rows),
            segments=tuple(segments),
            tokens=sum(cost(row) for row in rows) + self._settings.whole,
            lore=self._p.activation,
            cut_messages=sum(row.source == "message" for row in self._left_out),
        )

    # ── the manager's prompts ───────────────────────────────────────────────────────────────────────────

    def _managed(self) -> dict[str, Managed]:
        """The prompts of this turn in order, filled with the story's texts."""
        found: dict[str, Managed] = {}
        for id, enabled in self._settings.order:
            prompt = self._settings.prompts.get(id)
            if prompt and enabled and (not prompt.triggers or self._p.turn.kind in prompt.triggers):
                found[id] = replace(prompt, text=self._p.resolve(prompt.text))
            elif prompt and id == "main":
                found[id] = replace(prompt, text="")
        ordered = {id for id, _ in self._settings.order}
        for id, text in self._texts().items():
            if id in found:
                found[id] = replace(found[id], text=self._p.resolve(text))
            elif id not in ordered:  # an order that was saved before there was such a prompt
                found[id] = Managed(id=id, text=self._p.resolve(text))
        for id, which in (("main", "system_prompt"), ("jailbreak", "post_history_instructions")):
            if id in found and any(which in entry.rules.disables for entry in self._p.activation.entries):
                found[id] = replace(found[id], text="")
        self._override(found, "main", self._own_system(), self._p.story.prefers_card_prompt)
        own = self._p.story.character.card.post_history
        self._override(found, "jailbreak", own, self._p.story.prefers_card_post_history)
        return found

    def _texts(self) -> dict[str, str]:
        p, settings = self._p, self._settings
        persona = p.story.persona
        texts = {
            "worldInfoBefore": self._lore("\n".join(p.lore.before)),
            "worldInfoAfter": self._lore("\n".join(p.lore.after)),
            "charDescription": p.card.description,
            "charPersonality": settings.personality_format and self._formatted("personality"),
            "scenario": settings.scenario_format and self._formatted("scenario"),
        }
        in_story = persona.place in (PersonaPlace.IN_STORY, 1)
        return texts | ({"personaDescription": persona.description} if in_story else {})

    def _formatted(self, field: str) -> str:
        """A text of the card in its format, whose macro of the same name gives that text."""
        text = self._p.told(field)
        layout = getattr(self._settings, f"{field}_format")
        names = {field: text, f"char{field}": text}
        return resolved(layout, self._p.scene, extra=names) if text else ""

    def _lore(self, text: str) -> str:
        layout = self._settings.lore_format
        return layout.replace("{0}", text) if text and layout.strip() else text

    def _own_system(self) -> str:
        return self._p.story.overrides.system_prompt or self._p.story.character.card.system_prompt

    def _override(self, found: dict[str, Managed], id: str, own: str, prefers_own: bool) -> None:
        prompt = found.get(id)
        on = dict(self._settings.order).get(id, False)
        if prompt and own.strip() and prefers_own and on and not prompt.keeps_own:
            text = resolved(own.strip(), self._p.scene, extra={"original": once(prompt.text)})
            found[id] = replace(prompt, text=text)

    def _fixed(self) -> dict[str, list[Row]]:
        """What is always in, by the prompt whose place it takes."""
        slots: dict[str, list[Row]] = {}
        for id, prompt in self._prompts.items():
            if id in ("dialogueExamples", "chatHistory") or prompt.in_chat:
                continue
            slots[id] = [Row(prompt.role, prompt.text, source=id)]
        if "main" in slots:
            slots["main"] = [
                *self._around(Place.BEFORE_STORY),
                *slots["main"],
                *self._around(Place.AFTER_STORY),
            ]
        for rows in slots.values():
            self._budget.take(rows)
        return slots

    def _around(self, place: int) -> list[Row]:
        """What stands before or behind the main prompt, the known kinds next to it."""
        p = self._p
        found = [
            injection for injection in p.injections if injection.place == place and injection.text.strip()
        ]
        found.sort(key=lambda injection: (injection.key not in _INSIDE_MAIN, injection.key))
        rows = [Row(ROLES[item.role], p.resolve(item.text), source=item.key) for item in found]
        return rows[::-1] if place == Place.BEFORE_STORY else rows

    def _control(self) -> list[Row]:
        """What stands at the very end."""
        turn, p = self._p.turn, self._p
        rows: list[Row] = []
        if turn.kind == "impersonate":
            rows.append(Row("system", p.resolve(self._settings.impersonation), source="impersonate"))
        if turn.quiet_prompt:
            rows.append(Row("system", p.resolve(turn.quiet_prompt), source="quietPrompt"))
        bias = p.bias()
        if bias.strip():
            rows.insert(0, Row("assistant", bias, source="bias"))
        return rows

    # ── the chat ────────────────────────────────────────────────────────────────────────────────────────

    def _chat(self) -> list[Row]:
        """The messages, newest first."""
        return [self._row(message) for message in reversed(self._p.messages)]

    def _row(self, message: StoryMessage) -> Row:
        role: MessageRole = "user" if message.is_user else "assistant"
        text = message.text
        if self._shows_name(message):
            text = f"{message.name}: {text}"
        in_field = self._settings.names == NamesIn.FIELD
        return Row(
            "system" if message.is_narrator else role,
            self._p.resolve(text.replace("\r", "")),
            name=_field_name(message.name) if in_field else "",
            source="message",
            id=message.id,
        )

    def _shows_name(self, message: StoryMessage) -> bool:
        names, p = self._settings.names, self._p
        if names == NamesIn.TEXT:
            return not message.is_narrator
        others = message.name != p.user
        in_group = bool(p.members) and others
        return names == NamesIn.GROUPS and (
            in_group or (message.own_face and others and not message.is_narrator)
        )

    def _resumed(self, chat: list[Row]) -> tuple[list[Row], list[Row]]:
        """With prefill, the message that is lengthened is the last of all."""
        if self._p.continues and self._settings.continues_by_prefill and chat:
            return chat[1:], [replace(chat[0], source="continuePrefill")]
        return chat, []

    def _injected(self, newest: list[Row]) -> list[Row]:
        """The chat with what is injected, oldest first."""
        p = self._p
        absolute = [prompt for prompt in self._prompts.values() if prompt.in_chat and prompt.text]
        count = 0
        for depth in sorted({*depths(p.injections), *(prompt.depth for prompt in absolute)}):
            rows = self._at(depth, [prompt for prompt in absolute if prompt.depth == depth])
            where = depth + count
            newest[where:where] = rows
            count += len(rows)
        return newest[::-1]

    def _at(self, depth: int, prompts: Sequence[Managed]) -> list[Row]:
        rows: list[Row] = []
        for order in sorted({EXTENSION_ORDER, *(prompt.order for prompt in prompts)}, reverse=True):
            for number, role in ROLES.items():
                texts = [prompt.text for prompt in prompts if (prompt.order, prompt.role) == (order, role)]
                own = "\n".join(texts).strip()
                extension = ""
                if order == EXTENSION_ORDER:
                    extension = self._p.resolve(at_depth(self._p.injections, depth, number)).strip()
                text = "\n".join(part for part in (own, extension) if part)
                label = keys.label(self._p.injections, depth, number) if extension else f"@{depth}"
                found = Row(role, text, source="injection", injected=True, label=label)
                rows += [found] if text else []
        return rows

    def _history(self, chat: list[Row]) -> tuple[list[Row], list[Row]]:
        """The newest messages that fit behind the line that opens a chat, and what follows everything."""
        if "chatHistory" not in self._prompts:
            return [], []
        p, settings = self._p, self._settings
        opening = Row(
            "system", p.resolve(settings.new_group_chat if p.members else settings.new_chat), source=NEW_CHAT
        )
        nudge = self._group_nudge()
        nudged = self._continue_nudge(chat)
        self._budget.take([opening, *nudge, *nudged])
        kept: list[Row] = []
        empty = Row("user", settings.replaces_empty, source="emptyUserMessageReplacement")
        if chat and chat[-1].role == "assistant" and empty.text and self._budget.affords([empty]):
            kept.append(empty)
        for index in range(len(chat) - 1, -1, -1):
            if not self._budget.affords([chat[index]]):
                self._left_out += chat[: index + 1]
                break
            kept.insert(0, chat[index])
        return [opening, *kept, *nudge], nudged

    def _group_nudge(self) -> list[Row]:
        if not self._p.members or self._p.turn.kind == "impersonate":
            return []
        return [Row("system", self._p.resolve(self._settings.group_nudge), source=NUDGE)]

    def _continue_nudge(self, chat: list[Row]) -> list[Row]:
        """The message that is lengthened, taken out of the chat, and the request to lengthen it."""
        if not self._p.continues or self._settings.continues_by_prefill:
            return []
        own = [index for index, row in enumerate(chat) if not row.injected]
        if not own:
            return []
        last = chat.pop(own[-1])
        told = {"lastchatmessage": last.text.strip()}
        nudge = resolved(self._settings.continue_nudge, self._p.scene, extra=told)
        return [last, Row("system", nudge, source="continueNudge")]

    # ── examples ────────────────────────────────────────────────────────────────────────────────────────

    def _examples(self) -> list[Row]:
        """Block by block while they fit; a block is in or out as a whole."""
        if "dialogueExamples" not in self._prompts or self._p.story.strip_examples:
            return []
        opening = Row("system", self._p.resolve(self._settings.new_example), source=NEW_EXAMPLE)
        rows: list[Row] = []
        for number, block in enumerate(self._blocks()):
            said = [opening, *self._said(block, number)]
            if not self._budget.affords(said):
                self._left_out += said
                break
            rows += said
        return rows

    def _blocks(self) -> list[str]:
        p = self._p
        found = examples.blocks(p.card.examples)
        for position, text in p.lore.examples:
            more = examples.blocks(p.resolve(text))
            found = [*more, *found] if position == Position.EXAMPLES_TOP else [*found, *more]
        return found

    def _said(self, block: str, number: int) -> list[Row]:
        p = self._p
        turns = examples.turns(block.replace("\r", ""), p.user, p.char, p.members, with_names=bool(p.members))
        names = {True: "example_user", False: "example_assistant"}
        return [Row("system", turn.text, names[turn.is_user], f"examples {number}") for turn in turns]


def _segment(row: Row, tokens: int, *, included: bool = True) -> Segment:
    where = "history" if row.source == "message" else "depth" if row.injected else "head"
    return Segment(row.source, row.id, tokens, included, row.label, where)


def _field_name(name: str) -> str:
    """A name in the signs that the field takes."""
    return _NO_FIELD_SIGN.sub("_", name)[:64]


def squashed(rows: Sequence[Row]) -> list[Row]:
    """Neighbouring system messages as one, except the lines that open chats and examples."""
    joined: list[Row] = []
    for row in rows:
        if row.role == "system" and not row.text:
            continue
        if joined and _melts(row) and _melts(joined[-1]):
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text}\n{row.text}")
        else:
            joined.append(row)
    return joined


def _melts(row: Row) -> bool:
    return row.role == "system" and not row.name and row.source not in (NEW_CHAT, NEW_EXAMPLE, NUDGE)
