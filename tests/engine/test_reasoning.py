"""Reasoning and tool calls with the real engine: the starter reasons where a prompt makes it."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from asking import collect, text_of

from fabula.core.messages import Message
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Prefill, Thought, Token, ToolCallPart
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.parsing.families import BRIDGE
from fabula.engine.parsing.tools.formats import FORMATS, Format
from fabula.prompt.assemble import render
from fabula.turn.answers import read
from fabula.turn.manner import manner_of
from fabula.turn.request import TurnRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHATML = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QUESTION = Message(role="user", text="What is the weather in Paris?")
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"enum": [1, 2]}},
            "required": ["city"],
        },
    },
}
COUNTING = "1, 2, 3, 4,"
IM_START = 1  # the starter's id of <|im_start|>


async def turn(worker: LlamaCppWorker, hints: str, **request: Any) -> tuple[list[Delta], Finished]:
    """A whole turn with a template that has the hints of a family or a format."""
    model = dataclasses.replace(worker.model, chat_template=CHATML + "{# " + hints + " #}")
    asked = TurnRequest(model=model.name, messages=(QUESTION,), **request)
    manner = manner_of(asked, model, datetime.datetime.now().astimezone())
    prompt = Prompt(render(manner.messages, manner.template))

    def ask(prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        return worker.stream(prompt, sampling)

    *deltas, last = [delta async for delta in read(ask, worker, prompt, asked, manner)]
    assert isinstance(last, Finished)
    return deltas, last


def reasoning_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Thought))


async def test_special_tokens_are_printed_where_that_is_wanted(worker: LlamaCppWorker) -> None:
    forced = {"logit_bias": ((IM_START, 100.0),), "max_tokens": 2, "ignore_eos": True}
    hidden, _ = await collect(worker, "Hi", **forced)
    shown, _ = await collect(worker, Prompt(("Hi",), shown=("<|im_start|>",)), **forced)
    assert (text_of(hidden), text_of(shown)) == ("", "<|im_start|><|im_start|>")


async def test_a_grammar_can_wait_for_a_word(worker: LlamaCppWorker) -> None:
    waiting = Prompt((COUNTING,), triggers=(" 7",))
    deltas, _ = await collect(worker, waiting, grammar='root ::= " 7" ", and so on"', temperature=0)
    assert text_of(deltas) == " 5, 6, 7, and so on"


async def test_a_grammar_can_wait_for_more_than_a_word(worker: LlamaCppWorker) -> None:
    waiting = Prompt((COUNTING,), triggers=(" 5, 6",))
    deltas, _ = await collect(worker, waiting, grammar='root ::= " 5, 6" ", and so on"', temperature=0)
    assert text_of(deltas) == " 5, 6, and so on"


async def test_a_call_that_must_come_comes_when_the_budget_ends_reasoning(worker: LlamaCppWorker) -> None:
    sampling = Sampling(think=True, think_budget=12, temperature=0, max_tokens=160)
    deltas, finished = await turn(
        worker, "<think> <tool_call>", sampling=sampling, tools=(TOOL,), tool_choice="required"
    )
    assert reasoning_of(deltas).endswith(BRIDGE.rstrip())
    assert text_of(deltas) == ""
    calls = [delta.name for delta in deltas if isinstance(delta, ToolCallPart) and delta.name]
    assert (calls[0], finished.reason) == ("get_weather", "tool_calls")


async def test_a_budget_ends_reasoning_and_the_model_answers(worker: LlamaCppWorker) -> None:
    sampling = Sampling(think=True, think_budget=12, temperature=0, max_tokens=60)
    deltas, finished = await turn(worker, "<think>", sampling=sampling)
    assert reasoning_of(deltas).endswith(BRIDGE.rstrip())
    assert text_of(deltas)
    assert "think>" not in text_of(deltas)
    assert finished.completion_tokens <= 60
    assert 12 <= finished.reasoning_tokens < finished.completion_tokens + 30
    assert len([delta for delta in deltas if isinstance(delta, Prefill)]) >= 1


async def test_what_was_thought_is_not_read_again_for_the_answer(worker: LlamaCppWorker) -> None:
    sampling = Sampling(think=True, think_budget=12, temperature=0, max_tokens=40)
    _, finished = await turn(worker, "<think>", sampling=sampling)
    read_for_the_answer = finished.processed_tokens - (finished.prompt_tokens - finished.reused_tokens)
    assert read_for_the_answer < 30  # the bridge, and the token before it


async def test_ids_of_reasoning_and_answer_are_those_of_their_texts(worker: LlamaCppWorker) -> None:
    sampling = Sampling(think=True, think_budget=12, temperature=0, max_tokens=40)
    deltas, _ = await turn(worker, "<think>", sampling=sampling)
    ids = [id for delta in deltas if isinstance(delta, Thought | Token) for id in delta.ids]
    block = f"<think>\n{reasoning_of(deltas)}\n</think>\n\n{text_of(deltas)}"
    text = await worker._post("/detokenize", {"tokens": ids})
    assert text["content"].split() == block.split()  # white space at the edges of a block is not shown


async def test_thinking_that_is_off_gives_an_answer_at_once(worker: LlamaCppWorker) -> None:
    sampling = Sampling(think=False, temperature=0, max_tokens=8)
    deltas, finished = await turn(worker, "<think>", sampling=sampling)
    assert (reasoning_of(deltas), finished.reasoning_tokens) == ("", 0)
    assert text_of(deltas)


@pytest.mark.parametrize("each", [each for each in FORMATS if each.call or each.fields], ids=lambda f: f.name)
async def test_a_call_that_is_a_must_comes_in_every_format(worker: LlamaCppWorker, each: Format) -> None:
    deltas, finished = await turn(
        worker,
        " ".join(each.hints),
        sampling=Sampling(temperature=0, max_tokens=160),
        tools=(TOOL,),
        tool_choice="required",
        several_calls=False,
        reasoning_format="harmony" if each.name == "harmony" else "none",
    )
    calls = [delta for delta in deltas if isinstance(delta, ToolCallPart)]
    assert [call.name for call in calls if call.name] == ["get_weather"]
    arguments = json.loads("".join(call.arguments for call in calls))
    assert arguments["city"] in ("Paris", "Rome")
    assert (text_of(deltas), finished.reason) == ("", "tool_calls")
