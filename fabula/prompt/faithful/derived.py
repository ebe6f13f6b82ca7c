"""An instruct template out of a model's own chat template. Knows no model and no message of a chat.

The chat template is asked for conversations of marks; what it writes around these are the sequences.
"""

from __future__ import annotations

from typing import Any

from fabula.core.errors import TemplateRefused
from fabula.prompt.faithful.templates import Instruct
from fabula.prompt.template import ChatTemplate

SYSTEM, ASKED, REPLY, AGAIN = (f"\ue020{name}\ue021" for name in ("system", "one", "two", "three"))
NAME = "Of the model"


def derived(template: ChatTemplate, bos: str = "") -> Instruct | None:
    """None for a chat template that refuses or rewrites the probes. `bos` begins the head only."""
    try:
        history = _rendered(template, (("user", ASKED), ("assistant", REPLY), ("user", AGAIN)))
        ended = _rendered(template, (("user", ASKED), ("assistant", REPLY)), opens=False)
        asked = _rendered(template, (("user", ASKED),), opens=False)
    except TemplateRefused:
        return None
    if not all(mark in history for mark in (ASKED, REPLY, AGAIN)) or REPLY not in ended or ASKED not in asked:
        return None
    output_suffix = ended.partition(REPLY)[2]
    between = history.partition(REPLY)[2].partition(AGAIN)[0]
    input_suffix = asked.partition(ASKED)[2]
    answered = history.partition(ASKED)[2].partition(REPLY)[0]
    if not between.startswith(output_suffix) or not answered.startswith(input_suffix):
        return None
    opened = history.partition(AGAIN)[2].removeprefix(input_suffix)
    output = answered[len(input_suffix) :]
    found = {
        "input_sequence": between[len(output_suffix) :],
        "input_suffix": input_suffix,
        "output_sequence": output,
        "output_suffix": output_suffix,
        "last_output_sequence": opened if opened != output else "",
        "stop_sequence": output_suffix.strip(),
    }
    return Instruct(name=NAME, wrap=False, **found | _system(template, found, bos))


def _system(template: ChatTemplate, found: dict[str, str], bos: str) -> dict[str, Any]:
    """How the system's texts are told: in turns of their own, or as the person's."""
    asks = found["input_sequence"]
    try:
        text = _rendered(template, (("system", SYSTEM), ("user", ASKED)))
    except TemplateRefused:
        text = ""
    prefix, has_one, rest = text.partition(SYSTEM)
    suffix = rest.partition(ASKED)[0]
    later = prefix if bos and asks.startswith(bos) else prefix.removeprefix(bos)
    if not has_one or not suffix.endswith(asks) or later == asks:
        head = {
            "story_string_prefix": prefix if has_one else asks,
            "story_string_suffix": found["input_suffix"],
        }
        return {"system_same_as_user": True} | head
    suffix = suffix[: len(suffix) - len(asks)]
    own = _later_system(template, found) or {"system_sequence": later, "system_suffix": suffix}
    return own | {"story_string_prefix": prefix, "story_string_suffix": suffix}


def _later_system(template: ChatTemplate, found: dict[str, str]) -> dict[str, str] | None:
    """A system message in the middle of a chat: the first may have more around it, like a date."""
    turns = (("user", ASKED), ("assistant", REPLY), ("system", SYSTEM), ("user", AGAIN))
    try:
        text = _rendered(template, turns).partition(REPLY)[2]
    except TemplateRefused:
        return None
    before, has_one, rest = text.partition(SYSTEM)
    behind = rest.partition(AGAIN)[0]
    if (
        not has_one
        or not before.startswith(found["output_suffix"])
        or not behind.endswith(found["input_sequence"])
    ):
        return None
    suffix = behind[: len(behind) - len(found["input_sequence"])]
    return {"system_sequence": before[len(found["output_suffix"]) :], "system_suffix": suffix}


def _rendered(template: ChatTemplate, turns: tuple[tuple[str, str], ...], *, opens: bool = True) -> str:
    return template.render(
        [{"role": role, "content": text} for role, text in turns], add_generation_prompt=opens
    )
