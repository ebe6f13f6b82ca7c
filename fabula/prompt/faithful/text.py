"""The text-completion layout: head, examples, chat, last line; what fits. Knows no engine.

The order in which parts get the tokens: head, pinned examples and last line; everything injected; the chat
from its end until a message does not fit; the other examples from their beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabula.prompt.breaks import Part
from fabula.prompt.faithful import examples
from fabula.prompt.faithful import injections as keys
from fabula.prompt.faithful.ending import Ending
from fabula.prompt.faithful.handlebars import rendered
from fabula.prompt.faithful.injections import gathered, inserted
from fabula.prompt.faithful.model import Injection, PersonaPlace, Place, Story, StoryMessage, Turn
from fabula.prompt.faithful.parts import ChatTexts, Fitted, counted
from fabula.prompt.faithful.prepare import Prepared, World, prepare
from fabula.prompt.faithful.stops import stop_strings
from fabula.prompt.faithful.templates import Context, Instruct, template_words
from fabula.prompt.faithful.wrapping import Wrapper
from fabula.prompt.lore.activate import Activation
from fabula.prompt.lore.entry import Position
from fabula.prompt.plan import CountTable, NeedCounts, PromptPlan

_MARK = "\ue000end\ue001"  # where a lengthened message ends, in its wrapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPrompt:
    """A prompt for text completion, with what is in it and where a reply to it ends."""

    text: str
    stops: tuple[str, ...]
    plan: PromptPlan
    lore: Activation
    first_message: int = 0  # messages of the chat that did not fit
    rows: Sequence[tuple[str, str, str]] = ()  # the parts that are in: source, message or label, text

    @property
    def parts(self) -> tuple[Part, ...]:
        """In step with the plan's included segments."""
        return tuple(
            Part(source, "" if source == "injection" else message, text)
            for source, message, text in self.rows
            if text
        )


def text_prompt(
    story: Story,
    turn: Turn,
    context: Context,
    instruct: Instruct | None,
    counts: CountTable,
    world: World,
    *,
    stops: Sequence[str] = (),
) -> TextPrompt | NeedCounts:
    """The prompt, or the texts to count first. `instruct` None: plain names. Raises TemplateRefused."""
    words = template_words(context, instruct)
    prepared = prepare(story, turn, counts, replace(world, plain={**words, **world.plain}))
    if isinstance(prepared, NeedCounts):
        return prepared
    layout = _Layout(prepared, context, instruct, counts)
    found = layout.fitted()
    if isinstance(found, NeedCounts):
        return found
    text = found.text
    last = story.messages[-1] if story.messages else None
    ends = stop_strings(
        user=prepared.user,
        char=prepared.char,
        context=context,
        instruct=instruct,
        resolve=prepared.resolve,
        impersonates=turn.kind == "impersonate",
        continues_user=prepared.continues and last is not None and last.is_user,
        members=prepared.members,
        own=stops,
    )
    return TextPrompt(
        text=text,
        stops=tuple(ends),
        plan=found.plan(text, counts),
        lore=prepared.activation,
        first_message=found.dropped,
        rows=found.parts,
    )


class _Layout:
    """One prompt in the making."""

    def __init__(self, prepared: Prepared, context: Context, instruct: Instruct | None, counts: CountTable):
        self._p, self._context, self._instruct, self._counts = prepared, context, instruct, counts
        self._wrapper = (
            Wrapper(instruct, prepared.user, prepared.char, bool(prepared.members), prepared.resolve)
            if instruct
            else None
        )
        self._room = prepared.turn.room
        self._ending = Ending(prepared, context, self._wrapper, prepared.bias())
        heading = prepared.resolve(context.example_separator)
        self._heading = f"{heading}\n" if context.example_separator else ""
        self._injections: tuple[Injection, ...] = prepared.injections
        self._missing: list[str] = []

    def fitted(self) -> Fitted | NeedCounts:
        p = self._p
        pieces, raw = self._examples()
        head = self._head(pieces, raw)
        if p.story.strip_examples:
            pieces = []
        chat = self._chat()
        alignment = self._alignment()
        pinned = pieces if p.story.pin_examples else []
        start = p.resolve(self._context.chat_start + "\n") if self._context.chat_start else ""
        self._count(head)
        frame = [head, *pinned, alignment, start, self._ending.line(""), chat.open_end]
        self._fill(chat, self._whole("".join(frame)))
        aligned = alignment if alignment and not self._stops_at_user(chat) else ""
        shown = self._shown_examples(pieces, chat, frame, aligned)
        if self._missing:
            return NeedCounts(tuple(dict.fromkeys(self._missing)))
        parts = self._parts(head, shown, start, chat, aligned)
        if chat.open_end:
            parts = self._shrunk(parts, head, shown, start, chat, aligned)
        fitted = self._finished(parts, pieces, shown, chat)
        told = (counted(text) for _, _, text in (*fitted.parts, *fitted.left_out))
        self._missing += [text for text in told if text and text not in self._counts]
        if self._missing:
            return NeedCounts(tuple(dict.fromkeys(self._missing)))
        return fitted

    # ── counting ────────────────────────────────────────────────────────────────────────────────────────

    def _count(self, text: str) -> int:
        text = counted(text)
        if not text:
            return 0
        try:
            return self._counts[text]
        except KeyError:
            self._missing.append(text)
            return 0

    def _whole(self, text: str) -> int:
        return self._count(text) + self._p.turn.padding if text else 0

    # ── head and examples ───────────────────────────────────────────────────────────────────────────────

    def _examples(self) -> tuple[list[str], list[str]]:
        """The pieces of all examples, and the blocks that they were made of."""
        p = self._p
        start = examples.START if self._instruct else self._heading
        raw = examples.blocks(p.card.examples, start)
        for position, text in p.lore.examples:
            found = examples.blocks(p.resolve(text), start)
            raw = [*found, *raw] if position == Position.EXAMPLES_TOP else [*raw, *found]
        if self._wrapper is None:
            return raw, raw
        return examples.wrapped(raw, self._wrapper, self._heading, p.members), raw

    def _head(self, pieces: Sequence[str], raw: Sequence[str]) -> str:
        """The story string, wrapped; where it stands in the chat it becomes an injection and leaves ''."""
        story = self._story(pieces, raw)
        if self._context.story_string_position == Place.IN_CHAT:
            depth, role = self._context.story_string_depth, self._context.story_string_role
            self._injections += (Injection(keys.STORY, story, Place.IN_CHAT, depth, role),)
            return ""
        return self._wrapper.story(story) if self._wrapper else story

    def _story(self, pieces: Sequence[str], raw: Sequence[str]) -> str:
        p = self._p
        before, after = (
            p.resolve(gathered(self._injections, place)) for place in (Place.BEFORE_STORY, Place.AFTER_STORY)
        )
        lore_before, lore_after = "\n".join(p.lore.before), "\n".join(p.lore.after)
        values = {
            "system": self._system(),
            "description": p.card.description,
            "personality": p.told("personality"),
            "persona": p.persona if p.story.persona.place in (PersonaPlace.IN_STORY, 1) else "",
            "scenario": p.told("scenario"),
            "char": p.char,
            "user": p.user,
            "wiBefore": lore_before,
            "loreBefore": lore_before,
            "wiAfter": lore_after,
            "loreAfter": lore_after,
            "anchorBefore": before.strip(),
            "anchorAfter": after.strip(),
            "mesExamples": "".join(pieces),
            "mesExamplesRaw": "".join(raw),
        }
        story = p.resolve(rendered(self._context.story_string, values)).lstrip("\n")
        return story + "\n" if self._lacks_break(story) else story

    def _lacks_break(self, story: str) -> bool:
        if not story or story.endswith("\n"):
            return False
        template = self._instruct
        return template is None or (template.wrap and not template.story_string_suffix)

    def _system(self) -> str:
        p, prompt = self._p, self._p.story.system_prompt
        if not prompt.enabled:
            return ""
        own = p.story.overrides.system_prompt or p.story.character.card.system_prompt
        return p.preferred(own, p.general_prompt, p.story.prefers_card_prompt)

    # ── chat ────────────────────────────────────────────────────────────────────────────────────────────

    def _chat(self) -> ChatTexts:
        p = self._p
        newest, places = inserted(
            p.messages,
            self._injections,
            user=p.user,
            char=p.char,
            continues=p.continues,
            resolve=p.resolve,
        )
        places = self._add_post_history(newest, places)
        if not newest:
            return ChatTexts([""], [("", "")], [], set())
        asked_last = next((index for index, message in enumerate(newest) if message.is_user), -1)
        last_asked = -1 if p.turn.kind == "impersonate" else asked_last
        first = len(newest) - 1
        texts = [
            self._wrapped(message, index == first, index == last_asked)
            for index, message in enumerate(newest)
        ]
        sources = [self._source(message, index in places) for index, message in enumerate(newest)]
        asked = {index for index, message in enumerate(newest) if message.is_user}
        chat = ChatTexts(texts, sources, places, asked)
        return self._opened(chat, newest[0]) if p.continues else chat

    def _add_post_history(self, newest: list[StoryMessage], places: list[int]) -> list[int]:
        """The post-history instructions: said by the person last, or before a reply that is lengthened."""
        p, prompt = self._p, self._p.story.system_prompt
        if not prompt.enabled:
            return places
        own = p.story.character.card.post_history
        text = p.preferred(own, p.general_post_history, p.story.prefers_card_post_history)
        if not text:
            return places
        newest.insert(
            1 if p.continues and newest else 0, StoryMessage(text=text, is_user=True, id="post_history")
        )
        return places if p.continues else [place + 1 for place in places]

    def _source(self, message: StoryMessage, injected: bool) -> tuple[str, str]:
        if message.id == "post_history":
            return "post_history", ""
        return ("injection" if injected else "message"), message.id

    def _wrapped(self, message: StoryMessage, is_first: bool, is_last_asked: bool) -> str:
        if self._wrapper:
            return self._wrapper.message(message, "last" if is_last_asked else ("first" if is_first else ""))
        named = message.name and not message.is_narrator
        return f"{message.name}: {message.text}\n" if named else f"{message.text}\n"

    def _opened(self, chat: ChatTexts, last: StoryMessage) -> ChatTexts:
        """The newest message without what would close it, kept apart from the others."""
        if self._wrapper:
            marked = self._wrapper.message(replace(last, text=last.text + _MARK), "last")
            text = marked[: marked.rindex(_MARK)]
        else:
            text = chat.texts[0][: chat.texts[0].rindex(last.text) + len(last.text)]
        if len(chat.texts) == 1:
            chat.texts[0] = text
            return chat
        return ChatTexts(
            chat.texts[1:],
            chat.sources[1:],
            [place - 1 for place in chat.injected if place > 0],
            {place - 1 for place in chat.asked if place > 0},
            text,
            chat.sources[0],
        )

    def _alignment(self) -> str:
        """What the person says first where the model expects that."""
        if not self._wrapper or not self._wrapper.instruct.user_alignment_message:
            return ""
        text = self._p.resolve(self._wrapper.instruct.user_alignment_message)
        return self._wrapper.message(StoryMessage(text=text, name=self._p.user, is_user=True), "first")

    # ── what fits ───────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, chat: ChatTexts, used: int) -> None:
        for place in [*chat.injected, -1]:
            if 0 <= place < len(chat.texts):
                used += self._count(chat.texts[place])
                if used >= self._room:
                    break
                chat.kept.add(place)
        for place, text in enumerate(chat.texts):
            if place in chat.kept:
                continue
            used += self._count(text)
            if used >= self._room:
                break
            chat.kept.add(place)

    def _stops_at_user(self, chat: ChatTexts) -> bool:
        return max(chat.kept, default=0) in chat.asked

    def _shown_examples(
        self, pieces: Sequence[str], chat: ChatTexts, frame: Sequence[str], aligned: str
    ) -> list[str]:
        """The examples that still fit behind the chat."""
        if self._p.story.pin_examples or not pieces:
            return list(pieces)
        told = [*(chat.texts[place] for place in chat.injected if place in chat.kept)]
        told += [chat.texts[place] for place in sorted(chat.kept) if place not in chat.injected]
        head, alignment, start, line, open_end = frame
        used = self._whole("".join((head, alignment, aligned, start, *told, line, open_end)))
        shown: list[str] = []
        for piece in pieces:
            used += self._count(piece)
            if used >= self._room:
                break
            shown.append(piece)
        return shown

    # ── the end of the prompt ───────────────────────────────────────────────────────────────────────────

    def _parts(
        self, head: str, shown: Sequence[str], start: str, chat: ChatTexts, aligned: str
    ) -> list[tuple[str, str, str]]:
        told = [(*chat.sources[place], chat.texts[place]) for place in sorted(chat.kept, reverse=True)]
        told = [("alignment", "", aligned), *told] if aligned else told
        if told:
            told[-1:] = self._closed(*told[-1], is_last=not chat.open_end)
        shown_parts = [("examples", "", piece) for piece in shown]
        end = [(*chat.open_source, chat.open_end)] if chat.open_end else []
        return [("story", "", head), *shown_parts, ("chat_start", "", start), *told, *end]

    def _closed(self, source: str, message: str, text: str, *, is_last: bool) -> list[tuple[str, str, str]]:
        """The last message, and the line that the model continues as a part of its own."""
        closed, bare = self._ending.closed(text), self._ending.without_break(text)
        if not (is_last and closed.startswith(bare) and len(closed) > len(bare)):
            return [(source, message, closed)]
        return [(source, message, bare), ("ending", "", closed[len(bare) :])]

    def _shrunk(
        self,
        parts: list[tuple[str, str, str]],
        head: str,
        shown: list[str],
        start: str,
        chat: ChatTexts,
        aligned: str,
    ) -> list[tuple[str, str, str]]:
        """A lengthened reply was not counted with the rest: examples go, then the oldest messages."""
        while self._whole(self._measured(parts)) > self._room and not self._missing:
            if shown and not self._p.story.pin_examples:
                shown.pop()
            elif aligned:
                aligned = ""
            elif chat.kept:
                chat.kept.discard(max(chat.kept))
            else:
                break
            parts = self._parts(head, shown, start, chat, aligned)
        return parts

    def _measured(self, parts: Sequence[tuple[str, str, str]]) -> str:
        *others, (_, _, end) = parts
        return "".join((*(text for _, _, text in others), "\n", self._ending.line(""), end))

    def _finished(
        self, parts: list[tuple[str, str, str]], pieces: Sequence[str], shown: Sequence[str], chat: ChatTexts
    ) -> Fitted:
        out = [place for place in range(len(chat.texts) - 1, -1, -1) if place not in chat.kept]
        left_out = [("examples", "", piece) for piece in pieces[len(shown) :]]
        left_out += [(*chat.sources[place], chat.texts[place]) for place in out]
        dropped = sum(chat.sources[place][0] == "message" for place in out)
        return Fitted(parts, left_out, dropped, self._p.story.collapse_newlines)
