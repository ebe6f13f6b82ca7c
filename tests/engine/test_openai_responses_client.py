"""`client.responses` of the real `openai` client with the real engine and the starter model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, ConfigDict
from studio_process import StudioProcess, home_with
from waiting import until

HELLO = "Tell me a short story about a fox."
MODEL = "smollm2"
CHATML = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_TOOLS = {"load": {"chat_template": CHATML + "{# <tool_call> #}"}}
THINKS = {"load": {"chat_template": CHATML + "{# <think></think> #}"}}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Fox(BaseModel):
    model_config = ConfigDict(extra="forbid")
    is_red: bool
    legs: int


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file, its model loaded."""
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("home") / "home", starter_model))
    studio.client.post(f"/models/{MODEL}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def asking(more: dict[str, Any]) -> dict[str, Any]:
    return {"model": MODEL, "input": HELLO, "max_output_tokens": 24, "temperature": 0, **more}


def respond(client: OpenAI, **more: Any) -> Any:
    return client.responses.create(**asking(more))


def test_a_response_says_what_a_chat_completion_says(client: OpenAI) -> None:
    chat = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": HELLO}], max_tokens=24, temperature=0
    )
    response = respond(client)
    assert response.output_text == chat.choices[0].message.content
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert chat.usage
    assert response.usage.input_tokens == chat.usage.prompt_tokens
    assert response.usage.output_tokens == 24


def test_a_stream_says_the_same_and_ends_with_the_response(client: OpenAI) -> None:
    whole = respond(client)
    events = list(respond(client, stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    assert [event.type for event in events[:3]] == [
        *("response.created", "response.in_progress", "response.output_item.added"),
    ]
    assert (events[-1].type, events[-1].response.output_text) == ("response.incomplete", whole.output_text)


async def test_the_asynchronous_client_gets_the_same(client: OpenAI) -> None:
    asked = asking({"input": "Say only: OK.", "max_output_tokens": 200})
    other = AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0)
    async with other, other.responses.stream(**asked) as stream:
        final = await stream.get_final_response()
    assert (final.status, final.output_text) == ("completed", client.responses.create(**asked).output_text)


def test_a_conversation_goes_on_with_the_items_of_the_answer(client: OpenAI) -> None:
    first = respond(client)
    before, after = {"role": "user", "content": HELLO}, {"role": "user", "content": "Whose tale?"}
    second = respond(client, input=[before, *first.output, after])
    spoken = {"role": "assistant", "content": first.output_text}
    chat = client.chat.completions.create(
        model=MODEL, messages=[before, spoken, after], max_tokens=24, temperature=0
    )
    assert second.output_text == chat.choices[0].message.content


def test_a_form_is_parsed_by_the_client(client: OpenAI) -> None:
    response = client.responses.parse(**asking({"text_format": Fox, "max_output_tokens": 120}))
    assert isinstance(response.output_parsed, Fox)


def test_a_function_is_called_and_answered(client: OpenAI) -> None:
    asked = {"tools": [WEATHER], "extra_body": WITH_TOOLS, "max_output_tokens": 150}
    forced = asked | {"tool_choice": "required", "parallel_tool_calls": False}
    with client.responses.stream(**asking(forced)) as stream:
        pieces = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        (call,) = stream.get_final_response().output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert call.arguments == "".join(pieces)
    assert call.parsed_arguments["city"] in ("Paris", "Rome")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
    history = [{"role": "user", "content": HELLO}, call.to_dict(), result]
    assert respond(client, input=history, **asked).output_text


def test_reasoning_is_an_item_of_its_own(client: OpenAI) -> None:
    response = respond(client, extra_body=THINKS | {"think": True, "think_budget": 12}, max_output_tokens=60)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text.endswith("will answer now.")
    assert response.usage.output_tokens_details.reasoning_tokens >= 12


def test_reasoning_is_ended_while_it_runs(client: OpenAI) -> None:
    events = iter(respond(client, stream=True, extra_body=THINKS | {"think": True}, max_output_tokens=400))
    id = next(events).response.id
    next(event for event in events if event.type == "response.reasoning_text.delta")
    asked = {"id": id, "action": "reasoning_end"}
    told = client.post("/chat/completions/control", body=asked, cast_to=dict[str, Any])
    *_, last = events
    thought, answer = last.response.output
    assert told["success"]
    assert thought.content[0].text.endswith("will answer now.")
    assert answer.content[0].text


def test_logprobs_are_aligned_with_the_text(client: OpenAI) -> None:
    response = respond(client, top_logprobs=2, include=["message.output_text.logprobs"])
    rows = response.output[0].content[0].logprobs
    assert "".join(row.token for row in rows) == response.output_text
    assert all(len(row.top_logprobs) == 2 and row.logprob <= 0 for row in rows)


def test_tokens_are_counted_exactly(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input=HELLO).input_tokens
    assert counted == respond(client).usage.input_tokens


def test_what_has_no_effect_is_said(client: OpenAI) -> None:
    response = respond(client, store=True, user="ann", service_tier="flex")
    assert response.fabula["ignored"] == ["service_tier", "store", "user"]


@pytest.mark.parametrize("stream", [False, True])
def test_wrong_requests_are_refused_with_their_parameter(client: OpenAI, stream: bool) -> None:
    for more, param in (
        ({"temperature": -1}, "temperature"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ):
        with pytest.raises(openai.BadRequestError) as refusal:
            respond(client, stream=stream, **more)
        assert refusal.value.param == param
    with pytest.raises(openai.BadRequestError) as refusal:
        respond(client, stream=stream, input="word " * 3000)
    assert (refusal.value.code, "2,048" in refusal.value.message) == ("context_length_exceeded", True)


def test_a_client_that_gives_up_frees_the_engine(studio: StudioProcess, client: OpenAI) -> None:
    events = respond(client, stream=True, max_output_tokens=1900, extra_body={"ignore_eos": True})
    next(event for event in events if event.type == "response.output_text.delta")
    events.close()  # the client's own: a generator over it would hang up when garbage is collected
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    assert respond(client, max_output_tokens=4).output_text
