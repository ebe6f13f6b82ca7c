"""The real `anthropic` client against a real `fabula serve` with the real engine and the starter model."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from openai import OpenAI
from studio_process import StudioProcess, home_with
from waiting import until

HELLO = [{"role": "user", "content": "Tell me a short story about a fox."}]
MODEL = "smollm2"
GREEDY = {"temperature": 0, "seed": 1}
"""This client has no arguments for sampling any more; what it does not know goes into `extra_body`."""
CHATML = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_TOOLS = {"load": {"chat_template": CHATML + "{# <tool_call> #}"}}
THINKS = {"load": {"chat_template": CHATML + "{# <think></think> #}"}}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file, its model loaded."""
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("home") / "home", starter_model))
    studio.client.post(f"/models/{MODEL}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=studio.address, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def asking(more: dict[str, Any]) -> dict[str, Any]:
    extra = GREEDY | more.get("extra_body", {})
    return {"model": MODEL, "messages": HELLO, "max_tokens": 24, **more, "extra_body": extra}


def say(client: Anthropic, **more: Any) -> Any:
    return client.messages.create(**asking(more))


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


# ── messages ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_answered(client: Anthropic, starter_model: Path) -> None:
    message = say(client)
    assert (message.type, message.role, message.model) == ("message", "assistant", starter_model.stem)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 24)
    assert len(text_of(message)) > 20


def test_a_streamed_message_says_the_same(client: Anthropic) -> None:
    whole = say(client)
    with client.messages.stream(**asking({})) as stream:
        assert "".join(stream.text_stream) == text_of(whole)
        final = stream.get_final_message()
    assert (text_of(final), final.stop_reason) == (text_of(whole), "max_tokens")
    read = final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)
    assert read == whole.usage.input_tokens + whole.usage.cache_read_input_tokens


def test_the_raw_events_begin_and_end_as_they_should(client: Anthropic) -> None:
    kinds = [event.type for event in say(client, stream=True)]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_the_asynchronous_client_gets_the_same(client: Anthropic) -> None:
    async with AsyncAnthropic(base_url=str(client.base_url), auth_token="none", max_retries=0) as other:
        message = await other.messages.create(**asking({}))
        async with other.messages.stream(**asking({})) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert text_of(message) == text == text_of(say(client))


def test_openais_dialect_writes_the_same_text(client: Anthropic, studio: StudioProcess) -> None:
    for sampling in ({"temperature": 0}, {"temperature": 1.2, "seed": 7}):
        ours = say(client, extra_body=sampling)
        with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0) as other:
            theirs = other.chat.completions.create(
                model=MODEL, messages=HELLO, max_tokens=24, extra_body=sampling
            )
        assert text_of(ours) == theirs.choices[0].message.content


def test_a_system_prompt_changes_the_answer(client: Anthropic) -> None:
    asked = [{"type": "text", "text": "You are a pirate."}, {"type": "text", "text": "Say arr."}]
    assert text_of(say(client, system=asked)) == text_of(say(client, system="You are a pirate.\nSay arr."))
    assert text_of(say(client, system=asked)) != text_of(say(client))


def test_a_stop_sequence_ends_the_text_and_is_told(client: Anthropic) -> None:
    plain = text_of(say(client))
    message = say(client, stop_sequences=[plain[20:27], "never said"])
    assert (text_of(message), message.stop_reason) == (plain[: plain.index(plain[20:27])], "stop_sequence")
    assert message.stop_sequence == plain[20:27]


def test_an_assistants_message_at_the_end_is_lengthened(client: Anthropic) -> None:
    start = "Once upon a time, there was a fox named"
    text = text_of(say(client, messages=[*HELLO, {"role": "assistant", "content": start}], max_tokens=8))
    assert text.startswith(" ")
    assert not text.lower().lstrip().startswith("once upon")


def test_a_form_is_kept(client: Anthropic) -> None:
    schema = WEATHER["input_schema"]
    form = {"format": {"type": "json_schema", "schema": schema}}
    answer = say(client, output_config=form, max_tokens=60)
    assert json.loads(text_of(answer))["city"] in ("Paris", "Rome")


# ── tools, thinking, images ─────────────────────────────────────────────────────────────────────────────


def test_a_tool_is_called_answered_and_heeded(client: Anthropic) -> None:
    choice = {"type": "any", "disable_parallel_tool_use": True}
    asked = {"tools": [WEATHER], "tool_choice": choice, "extra_body": WITH_TOOLS}
    message = say(client, max_tokens=150, **asked)
    (call,) = message.content
    assert (message.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "get_weather")
    assert call.input["city"] in ("Paris", "Rome")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny, 20 degrees."}
    history = [*HELLO, message.to_param(), {"role": "user", "content": [result]}]
    answer = say(client, messages=history, tools=[WEATHER], extra_body=WITH_TOOLS)
    assert text_of(answer)


def test_the_input_of_a_tool_is_streamed_in_pieces(client: Anthropic) -> None:
    choice = {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}
    asked = {"tools": [WEATHER], "tool_choice": choice, "max_tokens": 150, "extra_body": WITH_TOOLS}
    with client.messages.stream(**asking(asked)) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        content = stream.get_final_message().content
    assert [block.type for block in content] == ["tool_use"], content
    (call,) = content
    assert len(pieces) > 1
    assert json.loads("".join(pieces)) == call.input


def test_thinking_comes_in_a_block_of_its_own_and_ends_with_its_budget(client: Anthropic) -> None:
    asked = {"thinking": {"type": "enabled", "budget_tokens": 12}, "extra_body": THINKS, "max_tokens": 60}
    message = say(client, **asked)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking.endswith("will answer now.")
    assert message.usage.output_tokens_details.thinking_tokens >= 12
    streamed = say(client, stream=True, **asked)
    thought = "".join(event.delta.thinking for event in streamed if _is_thought(event))
    assert thought == message.content[0].thinking


def _is_thought(event: Any) -> bool:
    return event.type == "content_block_delta" and event.delta.type == "thinking_delta"


def test_a_model_that_sees_nothing_refuses_an_image(client: Anthropic) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    source = {"type": "base64", "media_type": "image/png", "data": pixel}
    with pytest.raises(anthropic.BadRequestError, match="image"):
        say(client, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])


# ── counting, models ────────────────────────────────────────────────────────────────────────────────────


def test_tokens_are_counted_exactly(client: Anthropic) -> None:
    asked = {"system": "Be brief.", "messages": HELLO}
    counted = client.messages.count_tokens(model=MODEL, **asked).input_tokens
    usage = say(client, max_tokens=1, **asked).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens
    longer = client.messages.count_tokens(model=MODEL, tools=[WEATHER], extra_body=WITH_TOOLS, **asked)
    assert longer.input_tokens > counted


def test_models_are_listed_and_retrieved(client: Anthropic, starter_model: Path) -> None:
    (model,) = list(client.models.list(limit=1))
    assert (model.type, model.id, model.lifecycle) == ("model", starter_model.stem, "active")
    assert client.models.retrieve(model.id) == model


# ── errors, and parameters beyond Anthropic's ───────────────────────────────────────────────────────────


def test_an_unknown_model_is_not_found(client: Anthropic) -> None:
    for ask in (lambda: client.models.retrieve("claude"), lambda: say(client, model="claude")):
        with pytest.raises(anthropic.NotFoundError, match="SmolLM2") as refusal:
            ask()
        assert refusal.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(client: Anthropic, stream: bool) -> None:
    with pytest.raises(anthropic.BadRequestError, match="2,048") as refusal:
        say(client, messages=[{"role": "user", "content": "word " * 3000}], stream=stream)
    assert refusal.value.body["error"]["fields"]["prompt_tokens"] > 3000


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"extra_body": {"temperature": -1}}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"extra_body": {"min_p": "much"}}, "min_p"),
    ],
)
def test_a_wrong_parameter_is_named(client: Anthropic, more: dict[str, Any], name: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as refusal:
        say(client, **more)
    assert refusal.value.body["error"]["fields"]["name"] == name


def test_our_own_sampling_parameters_are_honoured(client: Anthropic) -> None:
    options = {"min_p": 1.0, "top_k": 0, "temperature": 1.5}
    answer = say(client, extra_body=options)
    assert text_of(answer) == text_of(say(client)), "with min_p = 1 only the likeliest token is left"
    assert answer.fabula["effective"]["min_p"] == 1.0


def test_what_has_no_effect_is_said(client: Anthropic) -> None:
    answer = say(client, metadata={"user_id": "ann"}, tools=[WEATHER], max_tokens=2)
    assert answer.fabula["ignored"] == ["metadata", "tools"]
    *_, last, _ = list(say(client, metadata={"user_id": "ann"}, stream=True, max_tokens=2))
    assert last.fabula["ignored"] == ["metadata"]


# ── many at once, and those that go away ────────────────────────────────────────────────────────────────


async def test_eight_at_once_are_all_answered(client: Anthropic) -> None:
    async with AsyncAnthropic(base_url=str(client.base_url), api_key="none", max_retries=0) as other:

        async def ask(number: int) -> Any:
            question = [{"role": "user", "content": f"What is {number} plus {number}?"}]
            async with other.messages.stream(model=MODEL, messages=question, max_tokens=16) as stream:
                return await stream.get_final_message()

        answers = await asyncio.gather(*map(ask, range(8)))
    assert all(0 < answer.usage.output_tokens <= 16 and answer.stop_reason for answer in answers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_gives_up_frees_the_engine(
    studio: StudioProcess, client: Anthropic, stream: bool
) -> None:
    endless = {"max_tokens": 1900, "extra_body": {"ignore_eos": True}}
    if stream:
        answer = say(client, stream=True, **endless)
        next(event for event in answer if event.type == "content_block_delta")
        answer.close()
    else:
        with pytest.raises(anthropic.APITimeoutError):
            say(client, timeout=0.5, **endless)
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    assert text_of(say(client, max_tokens=4))
    assert "Traceback" not in (studio.home / "logs" / "studio.log").read_text()


def test_an_engine_that_is_killed_is_an_error_and_no_short_reply(starter_model: Path, tmp_path: Path) -> None:
    studio = StudioProcess(home_with(tmp_path / "home", starter_model))
    try:
        with Anthropic(base_url=studio.address, api_key="none", max_retries=0, timeout=60) as client:
            events = iter(say(client, stream=True, max_tokens=1900, extra_body={"ignore_eos": True}))
            next(event for event in events if event.type == "content_block_delta")
            studio.engine.send_signal(signal.SIGKILL)
            with pytest.raises(anthropic.APIStatusError) as failure:
                list(events)
            assert failure.value.body["error"]["code"] == "engine_died"
            assert text_of(say(client, max_tokens=4)), "the next request loads the model again"
    finally:
        studio.close()
