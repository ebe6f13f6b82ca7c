"""Wrap messages, the head and the last line in an instruct template. Knows no budget."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fabula.prompt.faithful.model import StoryMessage
from fabula.prompt.faithful.templates import Instruct
from fabula.prompt.macros.evaluate import may_have_macros

Which = Literal["", "first", "last"]
"""Templates may have sequences of their own for the first and the last message."""

_NAME = re.compile(r"\{\{name\}\}", re.I)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One template for one scene. `resolve` replaces macros."""

    instruct: Instruct
    user: str
    char: str
    in_group: bool
    resolve: Callable[[str], str]
    _known: dict[tuple[bool, bool, bool, str], tuple[str, str]] = field(default_factory=dict, compare=False)

    def sequence(self, text: str, name: str) -> str:
        if not self.instruct.macro or not may_have_macros(text):
            return text
        return _NAME.sub(lambda _: name or "System", self.resolve(text))

    def message(self, message: StoryMessage, which: Which = "") -> str:
        """What stands around a message is the same for all of one speaker, unless it has macros."""
        key = (message.is_user, message.is_narrator, message.own_face, message.name)
        known = self._known.get(key) if message.text and not which else None
        if known:
            return f"{known[0]}{message.text}{known[1]}"
        raw = self._prefix(message, which), self._suffix(message)
        prefix, suffix = (self.sequence(one, message.name) for one in raw)
        if not suffix and self.instruct.wrap:
            suffix = "\n"
        name = f"{message.name}: " if message.name and self._names(message) else ""
        if not which and not any(map(may_have_macros, raw)):
            self._known[key] = (self.joined(prefix, " ")[:-1] + name if prefix else name, suffix)
        return self.joined(prefix, name + message.text + suffix)

    def joined(self, prefix: str, text: str) -> str:
        return f"{prefix}{self.instruct.separator}{text}" if prefix and text else prefix or text

    def _names(self, message: StoryMessage) -> bool:
        behavior = self.instruct.names_behavior
        if message.is_narrator or behavior == "none":
            return False
        if behavior == "always":
            return True
        return (self.in_group or message.own_face) and message.name != self.user

    def _prefix(self, message: StoryMessage, which: Which) -> str:
        template = self.instruct
        if message.is_narrator:
            return template.input_sequence if template.system_same_as_user else template.system_sequence
        if message.is_user:
            return _chosen(
                which, template.first_input_sequence, template.last_input_sequence, template.input_sequence
            )
        return _chosen(
            which, template.first_output_sequence, template.last_output_sequence, template.output_sequence
        )

    def _suffix(self, message: StoryMessage) -> str:
        template = self.instruct
        if message.is_narrator:
            return template.input_suffix if template.system_same_as_user else template.system_suffix
        return template.input_suffix if message.is_user else template.output_suffix

    def story(self, text: str) -> str:
        """The head of the prompt, where it stands at the top."""
        template = self.instruct
        if not text:
            return ""
        prefix = _NAME.sub("System", self.resolve(template.story_string_prefix))
        if prefix:
            text = prefix + template.separator + text
        return text + self.resolve(template.story_string_suffix)

    def last_line(
        self, name: str, *, impersonates: bool, bias: str = "", quiet: bool = False, loud: bool = False
    ) -> str:
        """What the model writes after. `quiet`: nobody reads it, or with `loud` it is in character."""
        template, separator = self.instruct, self.instruct.separator
        raw = self._last_sequence(impersonates, quiet and not loud)
        named = bool(name) and self._names_last(quiet and not loud)
        sequence = self.sequence(raw, name)
        text = separator + sequence
        if named:
            text += separator + self._filler(raw) + f"{name}:"
        if quiet:
            text = text[len(separator) :]
        if bias and not impersonates:
            text += bias if named else separator + bias.lstrip()
        return (text.rstrip() if template.wrap else text) + ("" if named else separator)

    def _last_sequence(self, impersonates: bool, silent: bool) -> str:
        template = self.instruct
        if impersonates:
            return template.last_input_sequence or template.input_sequence
        if silent:
            return template.last_system_sequence or template.output_sequence
        return template.last_output_sequence or template.output_sequence

    def _names_last(self, silent: bool) -> bool:
        behavior = self.instruct.names_behavior
        return not silent and (behavior == "always" or (behavior == "force" and self.in_group))

    def _filler(self, sequence: str) -> str:
        """Mistral's last sequence lacks the space that its others end with."""
        last, usual = self.instruct.last_output_sequence, self.instruct.output_sequence
        lacks = last and usual and sequence == last and usual[-1].isspace() and not last[-1].isspace()
        return usual[-1] if lacks else ""


def _chosen(which: Which, first: str, last: str, usual: str) -> str:
    own = first if which == "first" else (last if which == "last" else "")
    return own or usual
