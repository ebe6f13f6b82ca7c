"""Texts of a story in order: what is kept of a reply, what is shown of a message. Knows no tables."""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence
from dataclasses import replace

from fabula.chats import narrating
from fabula.chats.gathering import Gathered
from fabula.chats.records import ChatMessage, TurnOutcome
from fabula.prompt.cleanup import Cleaning, cleaned
from fabula.prompt.faithful.templates import Context, Instruct
from fabula.prompt.macros.scene import Scene
from fabula.prompt.regexes.scripts import Placement, Use, run_all
from fabula.turn.forms import TextForm

LIMIT_S = 0.5  # for one regex script on one text


def said(told: Gathered, text: str) -> str:
    """What the person says, as it is kept."""
    return _scripted(told, text, Placement.USER, "stored")


def settled(told: Gathered, outcome: TurnOutcome, base: str) -> TurnOutcome:
    """A reply as it is kept; `base` is what a continuation has lengthened. Where the text changes, the ids
    that were sampled are no longer its own."""
    written = outcome.text[len(base) :]
    text = base + tidied(told, written, outcome.author, kind=outcome.kind)
    thought = _scripted(told, outcome.reasoning, Placement.REASONING, "stored")
    if text != outcome.text:
        outcome = replace(outcome, text=text, token_ids=())
    if thought != outcome.reasoning:
        outcome = replace(outcome, reasoning=thought, reasoning_ids=())
    return outcome


def tidied(told: Gathered, text: str, author: str, kind: str = "reply") -> str:
    """A text of the model after clean-up, in the faithful layouts, and after the scripts for replies."""

    def scripts(text: str) -> str:
        return _scripted(told, text, Placement.REPLY, "stored")

    if told.settings.layout == "steady":
        return scripts(text) if kind != "impersonate" else text.strip()
    form = narrating.form(told)
    context = form.context if isinstance(form, TextForm) else Context()
    instruct = form.instruct if isinstance(form, TextForm) else None
    persona, settings = narrating.persona_of(told), told.settings
    how = Cleaning(
        user=persona.name,
        char=author,
        others=[one for one in _names(told) if one != author] if settings.group else (),
        stop=instruct.stop_sequence if instruct else "",
        opens_user=instruct.input_sequence if instruct else "",
        openings=_openings(instruct),
        begins=settings.starts_reply_with,
        scripts=scripts,
        collapses_newlines=told.defaults.collapse_newlines,
        whole_sentences=context.trim_sentences,
    )
    return cleaned(text, how, impersonates=kind == "impersonate", continues=kind == "continue")


def _openings(instruct: Instruct | None) -> Sequence[str]:
    return (instruct.output_sequence, instruct.last_output_sequence) if instruct else ()


def _names(told: Gathered) -> list[str]:
    v3 = told.defaults.has_v3(told.settings.layout)
    return [narrating.called(one.card, v3) for one in told.cast]


def shown(told: Gathered, messages: Sequence[ChatMessage], behind: int) -> dict[str, str]:
    """Texts that differ from what is kept, by message id. The last message of the chat has depth 0."""
    if not any(script.only_shown for script in narrating.all_scripts(told)):
        return {}
    found: dict[str, str] = {}
    for place, message in enumerate(messages):
        depth = behind + len(messages) - 1 - place
        placement = Placement.USER if message.role == "user" else Placement.REPLY
        text = _scripted(told, message.text, placement, "shown", depth=depth, char=message.author)
        if text != message.text:
            found[message.id] = text
    return found


def _scripted(
    told: Gathered, text: str, placement: int, use: Use, *, depth: int | None = None, char: str = ""
) -> str:
    """One that takes too long is passed over, with all after it: nothing is lost by that."""
    scripts = narrating.all_scripts(told)
    if not scripts or not text:
        return text
    try:
        return run_all(scripts, text, _scene(told, char), placement, use, depth=depth, limit_s=LIMIT_S)
    except TimeoutError:
        return text


def _scene(told: Gathered, char: str) -> Scene:
    persona = narrating.persona_of(told)
    first = told.cast[0].card
    return Scene(
        user=persona.name,
        char=char or first.called,
        card=narrating.texts(first),
        persona=persona.description,
        now=datetime.datetime.now().astimezone(),
        draw=random.random,
    )
