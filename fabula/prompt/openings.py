"""What a template writes between a reply and the user's next message. Knows nothing of tokens or engines."""

from __future__ import annotations

import functools

from fabula.core.errors import TemplateRefused
from fabula.prompt.template import ChatTemplate

_ASKED, _ANSWERED, _ASKED_AGAIN = "\ue010one\ue010", "\ue010two\ue010", "\ue010three\ue010"


def openings(template: ChatTemplate) -> tuple[str, ...]:
    """As in "<|im_end|>\\n<|im_start|>user"; none for a template that refuses or rewrites the probe.

    White space at its end is left off: a tokenizer may join it with the message.
    """
    return _openings(template.source, *template.specials)


@functools.lru_cache(maxsize=64)
def _openings(source: str, bos: str, eos: str) -> tuple[str, ...]:
    """Neither tools nor the date stand between two messages: what one prompt showed holds for all."""
    turns = (("user", _ASKED), ("assistant", _ANSWERED), ("user", _ASKED_AGAIN))
    messages = [{"role": role, "content": text} for role, text in turns]
    try:
        text = ChatTemplate(source, bos=bos, eos=eos).render(messages, add_generation_prompt=False)
    except TemplateRefused:
        return ()
    after, _, _ = text.partition(_ANSWERED)[2].partition(_ASKED_AGAIN)
    opening = after.rstrip() if _ASKED_AGAIN in text else ""
    return (opening,) if opening else ()
