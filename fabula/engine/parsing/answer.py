"""A reply read while it comes: reasoning, answer and tool calls as deltas. Knows no engine and no prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fabula.core.stream import Thought, Token, ToolCallPart
from fabula.engine.parsing.events import Called, CallEvent
from fabula.engine.parsing.families import Family
from fabula.engine.parsing.harmony import HarmonyParser
from fabula.engine.parsing.reasoning import Part, TagParser
from fabula.engine.parsing.tools.formats import Format
from fabula.engine.parsing.tools.kinds import Schemas
from fabula.engine.parsing.tools.parser import ToolParser

Read = Token | Thought | ToolCallPart
NewId = Callable[[], str]
MOST_CALLS = 16  # that are looked for in thoughts


class AnswerReader:
    """`opened`: the prompt ends inside a block of reasoning. `answers`: it ends inside an answer."""

    def __init__(
        self,
        family: Family | None,
        format: Format | None,
        schemas: Schemas,
        new_id: NewId,
        *,
        opened: bool = False,
        answers: bool = False,
    ) -> None:
        self._parser = _parser(family, opened, answers)
        self._format = format if format and format.marks else None
        self._schemas = schemas
        self._tools = ToolParser(self._format, schemas) if self._format else None
        self._thought = ""  # kept where it may hold a call
        self._new_id = new_id
        self._written = answers
        self.calls = 0

    @property
    def thinks(self) -> bool:
        return self._parser is not None and self._parser.thinks

    def feed(self, token: Token) -> Sequence[Read]:
        if self._parser is None:
            return self._answer(token)
        return [read for part in self._parser.feed(token) for read in self._part(part)]

    def finish(self, *, complete: bool) -> Sequence[Read]:
        """All that is left; `complete` when the model ended the reply itself."""
        ends_in_thought = complete and self.thinks
        parts = self._parser.finish(complete=complete) if self._parser else []
        read = [item for part in parts for item in self._part(part)]
        if self._tools:
            rest = self._tools.finish(complete=complete)
            read += [item if isinstance(item, Token) else self._call(item) for item in rest]
        if ends_in_thought and self._format:
            read += [self._call(event) for event in _last_calls(self._thought, self._format, self._schemas)]
        return read

    def close(self) -> Sequence[Read]:
        """The block of reasoning is ended for the model: gives what was held of it; then comes the answer."""
        return [item for part in self._parser.close() for item in self._part(part)] if self._parser else []

    def _part(self, part: Part | CallEvent) -> Sequence[Read]:
        if not isinstance(part, tuple):
            return [self._call(part)]
        channel, token = part
        if channel == "text":
            return self._answer(token)
        if channel == "reasoning":
            self._thought += token.text if self._format else ""
            return [Thought(token.text, token.ids)]
        return [Thought("", token.ids)] if token.ids and not self._written else []

    def _answer(self, token: Token) -> Sequence[Read]:
        self._written = True
        if self._tools is None:
            return [token]
        return [item if isinstance(item, Token) else self._call(item) for item in self._tools.feed(token)]

    def _call(self, event: CallEvent) -> ToolCallPart:
        if isinstance(event, Called):
            self.calls += 1
            return ToolCallPart(self.calls - 1, self._new_id(), event.name)
        return ToolCallPart(self.calls - 1, arguments=event.text)


def _last_calls(thought: str, format: Format, schemas: Schemas) -> Sequence[CallEvent]:
    """Calls with which a reply ends that never ended its thoughts: some models forget that before a call."""
    begins = (match.start() for match in re.finditer("|".join(map(re.escape, format.begins)), thought))
    for begin in list(begins)[-MOST_CALLS:] if format.begins else []:
        parser = ToolParser(format, schemas)
        read = [*parser.feed(Token(thought[begin:])), *parser.finish(complete=True)]
        calls = [event for event in read if not isinstance(event, Token)]
        if calls and not any(token.text.strip() for token in read if isinstance(token, Token)):
            return calls
    return ()


def _parser(family: Family | None, opened: bool, answers: bool) -> TagParser | HarmonyParser | None:
    if family is None:
        return None
    if family.channels:
        return HarmonyParser(answers=answers)
    return TagParser(family, opened=opened, answers=answers)
