"""The formats of tool calls, as data: marks, readers, and how a call is written. Knows no stream.

Written from the chat templates that the makers publish, and from what their models write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fabula.engine.parsing.tools import code, named, tagged
from fabula.engine.parsing.tools.kinds import Schemas
from fabula.engine.parsing.tools.objects import one_or_more, several
from fabula.engine.parsing.tools.reading import Reading, Text, skip
from fabula.engine.parsing.tools.telling import Calls

PLAIN_TAG = re.compile(r"<[\w:]+>$")
Reader = Callable[[Text, Calls, Schemas], Reading[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """`begins` are the marks with which a block of calls begins in an answer, each with its reader; with
    `bare` an answer may also begin with the `{` of a call. `hints` are texts of which a template of this
    format has all. `shown` are further marks that may be special tokens.

    `call` is how a call with JSON arguments is written: before the name, between name and arguments, after
    them. Where each argument has tags of its own, `fields` is how it is written: before the name, after it,
    before a key, after it, after a value, after the last value. A format without both cannot be enforced.
    With `own_syntax` arguments have a syntax of the model's own, and are JSON only where it must call.
    """

    name: str
    begins: dict[str, Reader] = field(default_factory=dict)
    hints: tuple[str, ...]
    shown: tuple[str, ...] = ()
    bare: Reader | None = None
    call: tuple[str, str, str] | None = None
    fields: tuple[str, str, str, str, str, str] | None = None
    own_syntax: bool = False

    @property
    def trigger(self) -> str:
        """What a model writes first when it calls as the grammar says; "" where it may call otherwise."""
        first = (self.call or self.fields or ("",))[0]
        if self.bare or self.own_syntax:
            return ""
        return next((begin for begin in self.begins if first.startswith(begin)), first)

    @property
    def beginning(self) -> str:
        """The same for a model that reasons, which may speak of a tag in its thoughts and would be held to a
        call there: more of what a call begins with. It ends with a letter, beyond which no token goes."""
        before = (self.call or self.fields or ("",))[0]
        begins = re.sub(r"\W+$", "", before)
        return begins if PLAIN_TAG.match(self.trigger) and len(begins) > len(self.trigger) else self.trigger

    @property
    def marks(self) -> tuple[str, ...]:
        return (*self.begins, *self.shown)


def _objects(*closing: str) -> Reader:
    """JSON objects, and a mark after them that may be missing."""

    def read(text: Text, calls: Calls, schemas: Schemas) -> Reading[None]:
        yield from several(text, calls) if closing else one_or_more(text, calls)
        yield from skip(text, *closing)

    return read


LFM2_CALL = ('<|tool_call_start|>[{"name": "', '", "arguments": ', "}]<|tool_call_end|>")
HARMONY = Format(
    name="harmony",
    hints=("<|channel|>", "<|message|>"),
    call=("<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", ""),
)

FORMATS = (
    HARMONY,
    Format(
        name="deepseek",
        begins={"<｜tool▁calls▁begin｜>": named.deepseek},
        hints=("<｜tool▁calls▁begin｜>",),
        shown=named.DEEPSEEK,
        call=(
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ),
    ),
    Format(
        name="kimi",
        begins={"<|tool_calls_section_begin|>": named.kimi},
        hints=("<|tool_calls_section_begin|>",),
        shown=named.KIMI,
        call=(
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.",
            ":0<|tool_call_argument_begin|>",
            "<|tool_call_end|><|tool_calls_section_end|>",
        ),
    ),
    Format(
        name="mistral",
        begins={"[TOOL_CALLS]": named.mistral},
        hints=("[TOOL_CALLS]", "[ARGS]"),
        shown=("[ARGS]", "[CALL_ID]"),
        call=("[TOOL_CALLS]", "[ARGS]", ""),
    ),
    Format(
        name="mistral-list",
        begins={"[TOOL_CALLS]": named.mistral},
        hints=("[TOOL_CALLS]",),
        call=('[TOOL_CALLS][{"name": "', '", "arguments": ', "}]"),
    ),
    Format(
        name="gemma",
        begins={"<|tool_call>": tagged.gemma},
        hints=("<|tool_call>", "<tool_call|>"),
        shown=("<tool_call|>", tagged.GEMMA_QUOTE),
        call=("<|tool_call>call:", "", "<tool_call|>"),
        own_syntax=True,
    ),
    Format(
        name="function-gemma",
        begins={"<start_function_call>": tagged.function_gemma},
        hints=("<start_function_call>",),
        shown=("<end_function_call>", tagged.FUNCTION_GEMMA_QUOTE),
        call=("<start_function_call>call:", "", "<end_function_call>"),
        own_syntax=True,
    ),
    Format(
        name="nemotron",
        begins={"<TOOLCALL>": _objects("</TOOLCALL>")},
        hints=("<TOOLCALL>",),
        shown=("</TOOLCALL>",),
        call=('<TOOLCALL>[{"name": "', '", "arguments": ', "}]</TOOLCALL>"),
    ),
    Format(
        name="olmo",
        begins={"<function_calls>": code.olmo},
        hints=("<function_calls>",),
        shown=("</function_calls>",),
        call=('<function_calls>[{"name": "', '", "arguments": ', "}]</function_calls>"),
        own_syntax=True,
    ),
    Format(
        name="deepseek-v3.2",
        begins={f"<{tagged.DSML}function_calls>": tagged.dsml, f"<{tagged.DSML}tool_calls>": tagged.dsml},
        hints=(tagged.DSML,),
        shown=(tagged.DSML,),
    ),
    Format(
        name="phi",
        begins={"<|tool_call|>": _objects("<|/tool_call|>")},
        hints=("<|tool_call|>", "<|/tool_call|>"),
        shown=("<|/tool_call|>",),
        call=('<|tool_call|>{"name": "', '", "arguments": ', "}<|/tool_call|>"),
    ),
    Format(
        name="granite",
        begins={"<|tool_call|>": _objects()},
        hints=("<|tool_call|>",),
        call=('<|tool_call|>[{"name": "', '", "arguments": ', "}]"),
    ),
    Format(
        name="command",
        begins={"<|START_ACTION|>": named.command},
        hints=("<|START_ACTION|>",),
        shown=("<|END_ACTION|>",),
        call=(
            '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "',
            '", "parameters": ',
            "}]<|END_ACTION|>",
        ),
    ),
    Format(
        name="lfm2",
        begins={"<|tool_call_start|>": code.lfm2},
        hints=("<|tool_call_start|>",),
        shown=("<|tool_call_end|>",),
        call=LFM2_CALL,
        own_syntax=True,
    ),
    Format(
        name="lfm2",
        begins={"<|tool_call_start|>": code.lfm2},
        hints=("<|tool_list_start|>",),
        shown=("<|tool_call_end|>",),
        call=LFM2_CALL,
        own_syntax=True,
    ),
    Format(
        name="minimax",
        begins={"<minimax:tool_call>": tagged.minimax},
        hints=("minimax:tool_call",),
        shown=("</minimax:tool_call>",),
        fields=(
            '<minimax:tool_call>\n<invoke name="',
            '">\n',
            '<parameter name="',
            '">',
            "</parameter>\n",
            "</invoke>\n</minimax:tool_call>",
        ),
    ),
    Format(
        name="seed",
        begins={"<seed:tool_call>": tagged.seed},
        hints=("<seed:tool_call>",),
        shown=("</seed:tool_call>",),
        fields=(
            "<seed:tool_call>\n<function=",
            ">\n",
            "<parameter=",
            ">",
            "</parameter>\n",
            "</function>\n</seed:tool_call>",
        ),
    ),
    Format(
        name="jamba",
        begins={"<tool_calls>": _objects("</tool_calls>")},
        hints=("<tool_calls>",),
        shown=("</tool_calls>",),
        call=('<tool_calls>[{"name": "', '", "arguments": ', "}]</tool_calls>"),
    ),
    Format(
        name="glm",
        begins={"<tool_call>": tagged.tool_call},
        hints=("<tool_call>", "<arg_key>"),
        shown=("</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
        fields=(
            "<tool_call>",
            "\n",
            "<arg_key>",
            "</arg_key>\n<arg_value>",
            "</arg_value>\n",
            "</tool_call>",
        ),
    ),
    Format(
        name="qwen-coder",
        begins={"<tool_call>": tagged.tool_call, "<function=": tagged.bare_function},
        hints=("<tool_call>", "<function="),
        shown=("</tool_call>",),
        fields=(
            "<tool_call>\n<function=",
            ">\n",
            "<parameter=",
            ">\n",
            "\n</parameter>\n",
            "</function>\n</tool_call>",
        ),
    ),
    Format(
        name="hermes",
        begins={"<tool_call>": tagged.tool_call},
        hints=("<tool_call>",),
        shown=("</tool_call>",),
        call=('<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>"),
    ),
    Format(
        name="llama",
        begins={"<|python_tag|>": code.llama, "<function=": tagged.bare_function},
        hints=("<|start_header_id|>",),
        bare=code.llama,
        call=('{"name": "', '", "parameters": ', "}"),
    ),
)
"""In this order: the first whose hints a template has is its format."""

GENERAL = Format(
    name="general",
    begins={"<tool_call>": tagged.tool_call, "<function=": tagged.bare_function},
    hints=(),
    shown=("</tool_call>",),
    bare=code.llama,
    call=('{"name": "', '", "arguments": ', "}"),
)
"""For templates that take tools in a way that is not known here."""

BY_NAME = {each.name: each for each in (*FORMATS, GENERAL)}


def detect(template: str) -> Format:
    """The format in which a template, one that takes tools, asks for calls."""
    return next((each for each in FORMATS if all(hint in template for hint in each.hints)), GENERAL)
