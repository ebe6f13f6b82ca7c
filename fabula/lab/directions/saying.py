"""Prompts as the text that a model reads, the same for every way of reading it. Knows no engine and no
weights."""

from __future__ import annotations

from collections.abc import Sequence

from fabula.core.errors import TemplateRefused
from fabula.core.model import LocalModel
from fabula.lab.directions.contrasts import Messages
from fabula.prompt.template import ChatTemplate


def texts(model: LocalModel, prompts: Sequence[Messages], *, template: bool = True) -> list[str]:
    """Each with the model's template around it and its beginning of an answer; a model without a template,
    and one that is read without, gets the bare text. What begins a text is left to the tokenizer.

    Raises TemplateRefused.
    """
    if not (template and model.chat_template):
        return ["\n".join(message["content"] for message in prompt) for prompt in prompts]
    made = ChatTemplate(model.chat_template, bos=model.bos_token, eos=model.eos_token)
    rendered = [
        made.render([dict(message) for message in prompt], add_generation_prompt=True) for prompt in prompts
    ]
    if any(not text for text in rendered):
        raise TemplateRefused("it renders nothing")
    return [_without(text, model.bos_token) if model.adds_bos else text for text in rendered]


def _without(text: str, first: str) -> str:
    return text.removeprefix(first) if first else text


def where(position: str) -> tuple[str, int]:
    """("last", k): the k-th token from the end, from 1 on; ("mean", 0): the mean of all."""
    if position == "mean":
        return "mean", 0
    return "last", 1 if position == "last" else -int(position)
