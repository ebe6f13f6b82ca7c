"""The end of a text-completion prompt: the line that the model continues. Knows no budget."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.prompt.faithful.model import StoryMessage
from fabula.prompt.faithful.prepare import Prepared
from fabula.prompt.faithful.templates import Context, Instruct
from fabula.prompt.faithful.wrapping import Wrapper


@dataclass(frozen=True, slots=True)
class Ending:
    """How one turn's prompt ends, in a template or (`_wrapper` None) with plain names."""

    _p: Prepared
    _context: Context
    _wrapper: Wrapper | None
    _bias: str

    @property
    def _instruct(self) -> Instruct | None:
        return self._wrapper.instruct if self._wrapper else None

    def closed(self, text: str) -> str:
        """The last message of the chat with everything behind it."""
        return self.with_bias(self.line(self.without_break(text)))

    def without_break(self, text: str) -> str:
        """The line break of the last message is the last line's to write."""
        kind, template = self._p.turn.kind, self._instruct
        if kind == "continue" or (template and not (template.wrap and kind != "quiet")):
            return text
        return text.removesuffix("\n")

    def with_bias(self, text: str) -> str:
        if self._instruct or self._p.turn.kind == "impersonate" or not self._bias.strip():
            return text
        bias = self._bias.lstrip()
        return text + bias if text[-1:].isspace() else f"{text} {bias}"

    def line(self, text: str) -> str:
        """`text`, the end of the chat, with the quiet prompt and the line that the model continues."""
        p, turn = self._p, self._p.turn
        impersonates = turn.kind == "impersonate"
        quiet = p.resolve(turn.quiet_prompt)
        if quiet:
            asked = StoryMessage(text=quiet, name=p.user, is_narrator=True)
            text += self._wrapper.message(asked) if self._wrapper else f"\n{quiet}"
            if not self._wrapper and not turn.loud:
                return text
        if self._wrapper:
            return text if p.continues else text + self._wrapped_line(bool(quiet), impersonates)
        if impersonates and not p.continues:
            return _on_new_line(text) + f"{p.user}:"
        return self._named_line(text)

    def _wrapped_line(self, quiet: bool, impersonates: bool) -> str:
        p, turn = self._p, self._p.turn
        assert self._wrapper
        name = p.user if impersonates else p.char
        if quiet and not turn.loud and not impersonates:
            name = turn.quiet_name or "System"
        return self._wrapper.last_line(
            name,
            impersonates=impersonates,
            bias=self._bias,
            quiet=quiet and turn.kind == "quiet",
            loud=turn.loud,
        )

    def _named_line(self, text: str) -> str:
        """The character's name at the end, where names are forced and the first message is not lengthened."""
        p = self._p
        from_message = self._bias and self._bias != p.resolve(p.story.starts_reply_with)
        forced = self._context.always_force_name2 or p.turn.forces_name or from_message
        if not forced or (p.continues and len(p.story.messages) == 1):
            return text
        text = _on_new_line(text)
        lengthens_user = p.continues and p.story.messages and p.story.messages[-1].is_user
        return text if lengthens_user else f"{text}{p.char}:"


def _on_new_line(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
