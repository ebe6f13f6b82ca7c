"""Our rendering of chat templates is the engine's, on templates that use what published ones use.

The corpus leaves out where the engine's own Jinja differs from Python's: it slices and measures text by
bytes, calls no boolean a number, and knows no `//`, `**`, `%` of text, chained comparisons or `{% raw %}`.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import apply_template
import pytest

from fabula.core.errors import TemplateRefused
from fabula.models.formats.identify import identify
from fabula.prompt.template import ChatTemplate

CORPUS = Path(__file__).parents[1] / "pure" / "template_corpus"
TEMPLATES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(CORPUS.glob("*.jinja"))}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'Weather <of> a "city", 天氣',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city"},
                "days": {"type": "integer", "description": "How many"},
            },
            "required": ["city"],
        },
    },
}


def say(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def call(id: str) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": {"city": "台北 <b>", "days": 2}}
    return {"id": id, "type": "function", "function": function}


def answer(id: str, content: str) -> dict[str, Any]:
    return say("tool", content, tool_call_id=id, name="get_weather")


IDS = "abcdefghi", "abcdefghj"
CONVERSATIONS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "plain": ([say("user", "Hello")], []),
    "Chinese": (
        [
            say("system", "要親切。"),
            say("user", "Hi"),
            say("assistant", "Hello 你好"),
            say("user", "霧 & <b> \"q\" 'x'\n"),
        ],
        [],
    ),
    "empty": ([say("user", ""), say("assistant", ""), say("user", " x ")], []),
    "thought": (
        [say("user", "Hi"), say("assistant", "<think>\nhm\n</think>\n\nHello"), say("user", "x")],
        [],
    ),
    "tools": ([say("system", "Be kind."), say("user", "Weather?")], [TOOL]),
    "one call": (
        [
            say("user", "Weather?"),
            say("assistant", "", tool_calls=[call(IDS[0])]),
            answer(IDS[0], '{"t": 20}'),
            say("assistant", "20."),
            say("user", "Thanks"),
        ],
        [TOOL],
    ),
    "two calls": (
        [
            say("user", "Weather?"),
            say("assistant", "Let me see.", tool_calls=[call(IDS[0]), call(IDS[1])]),
            answer(IDS[0], "1"),
            answer(IDS[1], "2"),
        ],
        [TOOL],
    ),
}


def as_asked(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """The body for the engine, to which arguments come as text, and which is told to think in any case."""
    rows = json.loads(json.dumps(messages))
    for row in rows:
        for each in row.get("tool_calls", ()):
            each["function"]["arguments"] = json.dumps(each["function"]["arguments"], ensure_ascii=False)
    body = {"messages": rows, "chat_template_kwargs": {"enable_thinking": True}}
    return body | ({"tools": tools} if tools else {})


@pytest.fixture(scope="module")
def engines(starter_model: Path) -> dict[str, list[str | None] | None]:
    """What the engine renders, for all templates and conversations."""
    asked = {
        "model": str(starter_model),
        "templates": TEMPLATES | {"starter": identify(starter_model).chat_template},
        "requests": [as_asked(*conversation) for conversation in CONVERSATIONS.values()],
    }
    run = subprocess.run(
        [sys.executable, apply_template.__file__],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
        env=os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"},
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith(apply_template.ANSWER))
    found: dict[str, list[str | None] | None] = json.loads(line.removeprefix(apply_template.ANSWER))
    return found


@pytest.mark.parametrize("name", [*TEMPLATES, "starter"])
def test_our_rendering_is_the_engines(
    name: str, engines: dict[str, list[str | None] | None], starter_model: Path
) -> None:
    model = identify(starter_model)
    rendered = engines[name]
    assert rendered is not None, "the engine cannot read this template"
    ours: list[str | None] = []
    for messages, tools in CONVERSATIONS.values():
        template = ChatTemplate(
            TEMPLATES.get(name, model.chat_template),
            bos=model.bos_token,
            eos=model.eos_token,
            now=datetime.datetime.now().astimezone(),
            tools=tools,
            variables={"enable_thinking": True},
        )
        try:
            ours.append(template.render(messages, add_generation_prompt=True))
        except TemplateRefused:
            ours.append(None)
    assert dict(zip(CONVERSATIONS, ours, strict=True)) == dict(zip(CONVERSATIONS, rendered, strict=True))
    assert any(text is not None for text in ours)
