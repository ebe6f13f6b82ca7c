"""In what manner a model is asked and read: its template with tools and think control, and how its reply is
taken apart. Knows no engine, no HTTP and no tree.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.parsing import families
from fabula.engine.parsing.families import Family
from fabula.engine.parsing.schema_grammar import BadSchema
from fabula.engine.parsing.tools import formats, grammar
from fabula.engine.parsing.tools.formats import Format
from fabula.prompt.assemble import rows
from fabula.prompt.template import ChatTemplate, takes_tools
from fabula.turn.request import TurnRequest
from fabula.turn.structure import FORMS

MARKUP = re.compile(r'["\\<>{}\x00-\x1f\x7f]')
"""What ends a name, or begins something else, in one of the ways that calls are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """`family` is None for a model that does not reason, `format` without tools. `messages` are those of the
    request as the prompt holds them. `opened`: the prompt ends inside a block of reasoning; `answers`: inside
    an answer. `must_call` is the grammar of a reply that has to call a tool, `must_call_now` of one whose
    reasoning was ended for it; `may_call` is that of calls, which holds from `triggers` on.
    """

    template: ChatTemplate
    messages: tuple[Message, ...]
    family: Family | None = None
    format: Format | None = None
    opened: bool = False
    answers: bool = False
    must_call: str = ""
    must_call_now: str = ""
    may_call: str = ""
    triggers: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether there is anything to take apart."""
        return self.family is not None or self.format is not None

    @property
    def shown(self) -> tuple[str, ...]:
        """Marks that the engine has to print."""
        family = self.family.shown if self.family else ()
        return (*family, *(self.format.marks if self.format else ()))


def manner_of(request: TurnRequest, model: LocalModel, now: datetime.datetime) -> Manner:
    """Raises BadParameter for an unknown format of reasoning or a tool whose schema is none, and
    TemplateRefused."""
    plain = ChatTemplate(model.chat_template, bos=model.bos_token, eos=model.eos_token, now=now)
    if request.prompt:
        return Manner(template=plain, messages=request.messages, ignored=_raw_ignored(request, model))
    family = _family(request, plain.source)
    format, ignored = _tools(request, plain.source)
    variables, ignored_thinking = _variables(request, family, plain)
    template = plain
    if format or variables:
        template = ChatTemplate(
            model.chat_template,
            bos=model.bos_token,
            eos=model.eos_token,
            now=now,
            tools=request.tools if format else (),
            variables=variables,
        )
    found = Manner(
        template=template,
        messages=tuple(_unthought(message) for message in request.messages),
        family=family,
        format=format,
        answers=request.continues,
        ignored=(*ignored, *ignored_thinking),
    )
    if family:
        found = _thinking(found, request, family, model)
    return _calling(found, request) if format else found


def _unthought(message: Message) -> Message:
    """Without its reasoning. Most have none, and a chat may have thousands."""
    if not (message.reasoning or message.reasoning_ids):
        return message
    return replace(message, reasoning="", reasoning_ids=())


def _raw_ignored(request: TurnRequest, model: LocalModel) -> tuple[str, ...]:
    """A raw prompt is not taken apart: what is asked about thinking has no effect. Nor has a suffix with a
    model that fills no gaps, or beside images: with them texts cannot be told from special tokens."""
    asked = request.sampling.changed()
    names = ("think", "think_effort", "think_budget", "keep_reasoning")
    thinking = tuple(name for name in names if name in asked)
    lost = request.suffix and (request.images or not model.infill)
    return (*thinking, "suffix") if lost else thinking


def _family(request: TurnRequest, source: str) -> Family | None:
    wanted = request.reasoning_format
    if not wanted:
        return _detected(source)
    if wanted == "none":
        return None
    if wanted not in families.BY_NAME:
        names = ", ".join(("none", *families.BY_NAME))
        raise BadParameter("reasoning_format", wanted, phrase("expected.one_of", names=names))
    return families.BY_NAME[wanted]


@functools.lru_cache(maxsize=64)
def _detected(source: str) -> Family | None:
    return families.detect(source)


# ── think control ───────────────────────────────────────────────────────────────────────────────────


def _variables(
    request: TurnRequest, family: Family | None, template: ChatTemplate
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The template's variables, and what of the think control has no effect with this model."""
    sampling = request.sampling
    variables = {name: value for name, value in request.variables.items() if template.knows(name)}
    heard = {*variables, *(families.KEEPS if sampling.keep_reasoning else ())}
    ignored = [f"chat_template_kwargs.{name}" for name in request.variables if name not in heard]
    if sampling.think and _thinks(request) is False:
        ignored.append("think")
    wishes: tuple[tuple[str, Any, tuple[str, ...], bool], ...] = (
        ("think", _thinks(request), families.SWITCHES, family is not None),
        ("think_effort", sampling.think_effort or None, families.EFFORTS, False),
        ("think_budget", sampling.think_budget, families.BUDGETS, family is not None),
        ("keep_reasoning", sampling.keep_reasoning or None, tuple(families.KEEPS), family is not None),
    )
    for name, value, switches, otherwise in wishes:
        known = [switch for switch in switches if template.knows(switch)]
        if value is not None:
            variables |= {switch: families.KEEPS.get(switch, value) for switch in known}
            if not known and not otherwise and name in sampling.changed():
                ignored.append(name)
    return variables, tuple(ignored)


def _thinks(request: TurnRequest) -> bool | None:
    """A budget of nothing is no thinking; and a form that the whole reply must have leaves no room for it."""
    sampling = request.sampling
    has_form = bool(sampling.grammar or sampling.json_schema or sampling.regex)
    return False if sampling.think_budget == 0 or has_form else sampling.think


def _thinking(found: Manner, request: TurnRequest, family: Family, model: LocalModel) -> Manner:
    """How the prompt ends, and which reasoning it holds."""
    closed = request.messages[:-1] if request.continues else request.messages
    prompt = found.template.render(rows(closed), add_generation_prompt=True)
    opened = family.is_open(prompt)
    messages = _with_reasoning(found, request, family, model) if request.sampling.keep_reasoning else None
    found = replace(found, opened=opened, messages=messages or found.messages)
    if request.continues:
        return _continued(found, request.messages[-1], family, model)
    switchable = any(found.template.knows(switch) for switch in families.SWITCHES)
    if _thinks(request) is False and (opened or not (switchable or _ends_closed(family, prompt))):
        suffix = family.closed() if opened and not family.channels else family.skipped(opened)
        return replace(found, template=found.template.ending(suffix), opened=False, answers=family.channels)
    if _thinks(request) and not (switchable or opened or family.channels):
        return replace(found, template=found.template.ending(f"{family.start}\n"), opened=True)
    return found


def _ends_closed(family: Family, prompt: str) -> bool:
    return prompt.rstrip().endswith(family.end)


def _continued(found: Manner, last: Message, family: Family, model: LocalModel) -> Manner:
    """A reply that goes on stands in the prompt with its own reasoning: it is one reply. Where only its
    reasoning was written so far, that goes on."""
    valid = last.tokenizer == model.tokenizer and bool(last.reasoning_ids)
    start = "" if found.opened else (f"{family.start}\n" if last.reasoning else "")
    thinks_on = bool(last.reasoning) and not last.text
    if thinks_on:
        before: tuple[str | tuple[int, ...], ...] = (start + last.reasoning,)
    elif last.reasoning and valid and not found.opened:
        before = (last.reasoning_ids,)
    elif last.reasoning:
        before = (f"{start}{last.reasoning}\n{family.closed()}",)
    elif family.channels:
        before = (family.answer_header,)
    else:
        before = (family.closed(),) if found.opened else ()
    continued = replace(found.messages[-1], before=before)
    return replace(found, messages=(*found.messages[:-1], continued), opened=thinks_on, answers=not thinks_on)


def _with_reasoning(
    found: Manner, request: TurnRequest, family: Family, model: LocalModel
) -> tuple[Message, ...]:
    """Replies with their reasoning: in the template's own way where it has one, else before the text."""
    shown = found.template.render(rows(request.messages), add_generation_prompt=False)
    return tuple(_kept(message, shown, family, model) for message in request.messages)


def _kept(message: Message, shown: str, family: Family, model: LocalModel) -> Message:
    if not message.reasoning or message.reasoning.strip() in shown:
        return message
    if message.reasoning_ids and message.token_ids and message.tokenizer == model.tokenizer:
        before: tuple[str | tuple[int, ...], ...] = (message.reasoning_ids,)
    else:
        before = (f"{family.start}\n{message.reasoning}\n{family.closed()}",)
    return replace(message, reasoning="", reasoning_ids=(), before=before)


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────


def _tools(request: TurnRequest, source: str) -> tuple[Format | None, tuple[str, ...]]:
    """The format of calls, None where there are no tools or the template takes none, and what is ignored."""
    if not request.tools or request.tool_choice == "none":
        return None, ()
    if not takes_tools(source):
        return None, ("tools", *(("tool_choice",) if request.tool_choice == "required" else ()))
    for number, tool in enumerate(request.tools):
        if MARKUP.search(name := tool["function"]["name"]):
            raise BadParameter(f"tools[{number}].function.name", name[:80], phrase("expected.tool_name"))
    try:
        grammar.check(request.tools)
    except BadSchema as bad:
        raise BadParameter(bad.where, json.dumps(bad.found)[:80], bad.expected) from bad
    return formats.detect(source), ()


def _calling(found: Manner, request: TurnRequest) -> Manner:
    """With the grammars of calls, where the format can be enforced."""
    assert found.format
    several = request.several_calls
    forms = tuple(name for name in FORMS if getattr(request.sampling, name))
    if request.tool_choice == "required":
        wanted = _wanted(request)
        thinks = found.family if found.opened or _thinks(request) is not False else None
        forced = grammar.must_call(found.format, wanted, thinks, opened=found.opened, several=several)
        if not forced:
            return _also_ignored(found, "tool_choice")
        now = grammar.calling(found.format, wanted, several=several) if found.family else ""
        return replace(_also_ignored(found, *forms), must_call=forced, must_call_now=now or "")
    if forms:  # it holds from the first token on; only a grammar may have calls in it
        return found if "grammar" in forms else _also_ignored(found, "tools")
    trigger = found.format.beginning if found.family and not found.answers else found.format.trigger
    calls = grammar.calling(found.format, request.tools, several=several) if trigger else None
    return replace(found, may_call=calls, triggers=(trigger,)) if calls else found


def _wanted(request: TurnRequest) -> Sequence[dict[str, Any]]:
    if not request.only_tool:
        return request.tools
    wanted = [tool for tool in request.tools if tool["function"]["name"] == request.only_tool]
    if not wanted:
        names = ", ".join(tool["function"]["name"] for tool in request.tools)
        raise BadParameter("tool_choice", request.only_tool, phrase("expected.one_of", names=names))
    return wanted


def _also_ignored(found: Manner, *names: str) -> Manner:
    return replace(found, ignored=(*found.ignored, *names))
