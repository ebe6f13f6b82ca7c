"""A form that the engine does not understand is refused, though the engine itself says nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asking import collect, text_of

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling
from fabula.engine.llamacpp.worker import LlamaCppWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_UNDERSTOOD: list[dict[str, Any]] = [
    {"json_schema": {"not": {"type": "integer"}}},
    {"json_schema": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}},
    {"json_schema": {"type": "object", "propertyNames": {"pattern": "^a"}}},
    {"json_schema": {"$ref": "#/$defs/missing"}},
    {"json_schema": {"type": "integer", "minimum": 5, "maximum": 3}},
    {"json_schema": {"type": "string", "pattern": "^(?=a)[a-c]{3}$"}},
    {"regex": "(?=a)b"},
    {"regex": r"(a|b)\1"},
    {"grammar": "%llguidance {}\nstart: missing"},
    {"grammar": "%llguidance {}\nstart: /(?=a)b/"},
]


async def ask(worker: LlamaCppWorker, form: dict[str, Any], **more: object) -> str:
    asked = Sampling.of({"max_tokens": 40, "seed": 1} | form | more)
    deltas, _ = await collect(worker, "Answer: ", **asked.all())
    return text_of(deltas)


@pytest.mark.parametrize("form", NOT_UNDERSTOOD, ids=str)
async def test_it_is_refused_with_the_engines_reason(worker: LlamaCppWorker, form: dict[str, Any]) -> None:
    with pytest.raises(BadParameter) as refusal:
        await ask(worker, form)
    assert refusal.value.name == next(iter(form))
    assert "(" in f"{refusal.value.expected}"


async def test_the_log_is_marked_so_that_nobody_waits_for_a_line_that_never_comes(
    worker: LlamaCppWorker,
) -> None:
    assert worker._process
    before, _ = worker._process.lines_since(0)
    assert await ask(worker, {"regex": "[x-z]{4}"})
    assert any("fabula-mark" in line for line in worker._process.lines_since(before)[1])


@pytest.mark.parametrize("form", [{"json_schema": {"$ref": "#"}}, {"regex": r"[^\s\S]"}], ids=str)
async def test_what_no_reply_can_have_is_told_so(worker: LlamaCppWorker, form: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match="some reply can have"):
        await ask(worker, form)


async def test_after_a_refusal_the_next_request_is_answered(worker: LlamaCppWorker) -> None:
    with pytest.raises(BadParameter):
        await ask(worker, {"regex": "(?=a)b"})
    assert await ask(worker, {"regex": "[a-c]{3}"})


async def test_a_refusal_does_not_touch_a_good_form_beside_it(worker: LlamaCppWorker) -> None:
    good = [ask(worker, {"json_schema": {"const": number}}) for number in range(4)]
    bad = [ask(worker, form) for form in NOT_UNDERSTOOD[:3]]
    *answers, one, two, three = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert [json.loads(str(answer)) for answer in answers] == [0, 1, 2, 3]
    assert all(isinstance(refusal, BadParameter) for refusal in (one, two, three))


async def test_an_object_is_written_on_one_line(worker: LlamaCppWorker) -> None:
    """Free to break lines, this model breaks them until its limit."""
    fields = {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 99}}
    schema = {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
    text = await ask(worker, {"json_schema": schema}, max_tokens=60)
    assert json.dumps(json.loads(text), ensure_ascii=False) == text
