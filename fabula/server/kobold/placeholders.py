"""KoboldAI Lite's marks for "what begins a turn here", as the model's own chat template writes it.

Knows no route. Source: KoboldCpp's `replace_instruct_placeholders`; a mark that begins a turn also ends the
one before, unless the text has marks for ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from fabula.core.model import LocalModel
from fabula.prompt.faithful.derived import derived
from fabula.prompt.faithful.formats import FORMATS
from fabula.prompt.template import ChatTemplate
from fabula.turn.forms import FALLBACK

ASKS, ANSWERS, TELLS = "{{[INPUT]}}", "{{[OUTPUT]}}", "{{[SYSTEM]}}"
ENDS = ("{{[INPUT_END]}}", "{{[OUTPUT_END]}}", "{{[SYSTEM_END]}}")

Tags = Mapping[str, str]


def tags_of(model: LocalModel) -> Tags:
    """What each mark stands for; ChatML where the model has no template that can be taken apart."""
    found = None
    if model.chat_template:
        template = ChatTemplate(model.chat_template, bos=model.bos_token, eos=model.eos_token)
        found = derived(template, model.bos_token)
    found = found or FORMATS[FALLBACK]
    end = found.separator
    return {
        ASKS: found.input_sequence + end,
        ANSWERS: (found.last_output_sequence or found.output_sequence) + end,
        TELLS: (found.system_sequence or found.input_sequence) + end,
        ENDS[0]: found.input_suffix + end,
        ENDS[1]: found.output_suffix + end,
        ENDS[2]: (found.system_suffix or found.input_suffix) + end,
    }


def replaced(text: str, tags: Tags, *, begins: bool) -> str:
    """The text of a prompt. `begins`: nothing stands before it, so that no turn ends there."""
    if not tags:
        return text
    if any(mark in text for mark in ENDS):
        return _each(text, tags)
    if begins:
        for mark in (ASKS, ANSWERS, TELLS):
            if text.startswith(mark):
                text = tags[mark] + text.removeprefix(mark)
    turned = {ASKS: tags[ENDS[1]] + tags[ASKS], ANSWERS: tags[ENDS[0]] + tags[ANSWERS], TELLS: tags[TELLS]}
    return _each(text, turned)


def stopped(stop: str, tags: Tags) -> str:
    """A stop string: only what a turn begins with, without the white space around it."""
    whole = _each(stop, tags)
    return whole.strip() if whole != stop else stop


def _each(text: str, tags: Tags) -> str:
    for mark, tag in tags.items():
        text = text.replace(mark, tag)
    return text
