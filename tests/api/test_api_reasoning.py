"""Models that think before they answer, and models that call tools, seen through the APIs."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
import tiny_model
from stage import Stage
from talking import Client, Heard, text_of

from fabula.core.sampling import Sampling
from fabula.core.seams import Event
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply
from fabula.turn.live import replay

TEMPLATE = (
    "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call></tools>"
    "{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
THOUGHT = "<think>\nIt is a greeting.\n</think>\n\nHello!"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "台北"}}\n</tool_call>'


@pytest.fixture(autouse=True)
def thinking_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiny_model.FACTS, "tokenizer.chat_template", TEMPLATE)


def reasoning_of(events: list[Heard]) -> str:
    return "".join(event.data["text"] for event in events if event.kind == "reasoning")


def facts_of(events: list[Heard]) -> dict[str, Any]:
    return dict(events[-1].data["facts"])


def prompt_of(stage: Stage, number: int = -1) -> str:
    """A prompt as text again."""
    worker = stage.worker
    words = {id: word for word, id in worker._ids.items()}
    pieces = worker.prompts[number].pieces
    return "".join(p if isinstance(p, str) else "".join(words[id] for id in p) for p in pieces)


def test_reasoning_is_told_and_stored_beside_the_answer(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT]
    chat = client.new_chat()
    events = chat.say("Hi")
    assert (reasoning_of(events), text_of(events)) == ("It is a greeting.", "Hello!")
    assert (chat.messages[1]["reasoning"], chat.messages[1]["text"]) == ("It is a greeting.", "Hello!")
    assert facts_of(events)["reasoning_tokens"] > 0


def test_reasoning_is_not_sent_again(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT]
    chat = client.new_chat()
    assert facts_of(chat.say("Hi"))["answer_read_again"]
    chat.say("And you?")
    assert prompt_of(stage) == "[user]Hi[assistant]Hello![user]And you?[assistant]"


def test_reasoning_that_is_kept_is_sent_token_for_token(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT]
    chat = client.new_chat(sampling={"keep_reasoning": True})
    first = facts_of(chat.say("Hi"))
    second = facts_of(chat.say("And you?"))
    assert not first["answer_read_again"]
    assert prompt_of(stage).startswith(f"[user]Hi[assistant]{THOUGHT}[user]")
    assert second["reused_tokens"] >= first["prompt_tokens"] + first["completion_tokens"]


@pytest.mark.parametrize(("think", "end"), [(False, "[assistant]<think></think>"), (True, "[assistant]")])
def test_thinking_is_switched_by_the_template(client: Client, stage: Stage, think: bool, end: str) -> None:
    facts = facts_of(client.new_chat().say("Hi", sampling={"think": think}))
    assert prompt_of(stage).endswith(end)
    assert (facts["effective"]["think"], facts["ignored"]) == (think, [])


def test_a_model_that_does_not_think_says_what_it_ignores(client: Client) -> None:
    body = {"messages": [{"role": "user", "text": "Hi"}], "reasoning_format": "none"}
    sampling = {"think_effort": "high", "think_budget": 5}
    with client.events("POST", "/generate", json=body | {"sampling": sampling}) as events:
        facts = facts_of(list(events))
    assert facts["ignored"] == ["think_effort", "think_budget"]


def until_answered(prompt: Prompt, sampling: Sampling) -> Reply:
    """Thinks for ever, unless its block was closed for it."""
    is_closed = len(prompt.pieces) > 1  # what was written, and the bridge
    return Reply("So, hello!" if is_closed else "<think>" + "hm " * 200, delay_s=0.0 if is_closed else 0.01)


def test_a_budget_ends_the_reasoning_and_the_model_answers(client: Client, stage: Stage) -> None:
    stage.script = until_answered
    events = client.new_chat().say("Hi", sampling={"think_budget": 8})
    assert reasoning_of(events).startswith("hm hm")
    assert reasoning_of(events).endswith("will answer now.")
    assert text_of(events) == "So, hello!"
    facts = facts_of(events)
    assert facts["reasoning_tokens"] < 40
    assert facts["finish_reason"] == "stop"


def test_answer_now_ends_the_reasoning_of_a_running_turn(client: Client, stage: Stage) -> None:
    stage.script = until_answered
    chat = client.new_chat()
    started = chat.start(text="Hi")
    heard = []
    with client.events("GET", f"/turns/{started['turn_id']}/events") as events:
        for event in events:
            heard.append(event)
            if event.kind == "reasoning" and reasoning_of(heard).count("hm") == 3:
                client.post(f"/turns/{started['turn_id']}/answer_now", status=202)
    assert text_of(heard) == "So, hello!"
    assert chat.messages[1]["text"] == "So, hello!"


def test_a_thought_that_was_stopped_is_kept_and_goes_on(client: Client, stage: Stage) -> None:
    stage.script = [Reply("<think>One two three four five six", delay_s=0.05), "</think>Done."]
    chat = client.new_chat()
    started = chat.start(text="Hi")
    with client.events("GET", f"/turns/{started['turn_id']}/events") as events:
        for event in events:
            if event.kind == "reasoning" and "two" in event.data["text"]:
                client.post(f"/turns/{started['turn_id']}/stop", status=202)
    chat.wait_until_quiet()
    thought = chat.messages[1]["reasoning"]
    assert (chat.messages[1]["text"], thought.startswith("One two")) == ("", True)
    chat.say(kind="continue")
    assert (chat.messages[1]["text"], chat.messages[1]["reasoning"]) == ("Done.", thought)


def test_a_continued_answer_stands_after_its_own_reasoning(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT, " <think> is a tag."]
    chat = client.new_chat()
    chat.say("Hi")
    chat.say(kind="continue")
    assert prompt_of(stage) == f"[user]Hi[assistant]{THOUGHT}"
    assert chat.messages[1]["text"] == "Hello! <think> is a tag."
    assert chat.messages[1]["reasoning"] == "It is a greeting."


def test_reasoning_of_a_killed_studio_is_read_from_its_journal() -> None:
    told = [("reasoning", "", [1]), ("reasoning", "Hm.", [2]), ("reasoning", "", [3]), ("text", "Yes", [4])]
    events = [Event(n, kind, {"text": text, "ids": ids}) for n, (kind, text, ids) in enumerate(told, 1)]
    (outcome,) = replay(events)
    assert (outcome.reasoning, outcome.reasoning_ids) == ("Hm.", [1, 2, 3])
    assert (outcome.text, outcome.token_ids, outcome.has_reasoning_ids) == ("Yes", [4], True)


def test_what_a_model_can_is_told(client: Client) -> None:
    model = client.get("/models/tiny")
    assert (model["thinks"], model["takes_tools"]) == (True, True)


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────

NATIVE_TOOL = WEATHER["function"]


def generated(client: Client, **body: Any) -> list[Heard]:
    asked = {"messages": [{"role": "user", "text": "Hi"}], "tools": [NATIVE_TOOL], **body}
    with client.events("POST", "/generate", json=asked) as events:
        return list(events)


def test_a_native_turn_takes_tools_and_tells_its_calls(client: Client, stage: Stage) -> None:
    stage.script = [f"Let me see.{CALL}"]
    events = generated(client)
    calls = [event.data for event in events if event.kind == "tool_call"]
    assert (calls[0]["call"], calls[0]["name"], bool(calls[0]["id"])) == (0, "get_weather", True)
    assert json.loads("".join(call["arguments"] for call in calls)) == {"city": "台北"}
    assert (text_of(events), events[-1].data["reason"]) == ("Let me see.", "tool_calls")


def test_the_answer_of_a_tool_goes_back_to_the_model(client: Client, stage: Stage) -> None:
    call = {"id": "abc", "name": "get_weather", "arguments": '{"city": "Oslo"}'}
    asked = [
        {"role": "user", "text": "Hi"},
        {"role": "assistant", "text": "", "tool_calls": [call]},
        {"role": "tool", "text": "20°", "tool_call_id": "abc"},
    ]
    generated(client, messages=asked)
    assert '<tool_call>{"name": "get_weather"' in prompt_of(stage)
    assert "[tool]20°" in prompt_of(stage)


@pytest.mark.parametrize("wish", [{"tool_choice": "required"}, {"tool": "get_weather"}])
def test_a_tool_can_be_asked_for(client: Client, stage: Stage, wish: dict[str, str]) -> None:
    stage.script = [CALL]
    generated(client, **wish)
    assert "get_weather" in stage.worker.samplings[-1].grammar


def test_a_tool_that_was_not_given_cannot_be_asked_for(client: Client) -> None:
    failed = generated(client, tool="get_news")[-1]
    assert (failed.kind, failed.data["fields"]["name"]) == ("error", "tool_choice")


# ── OpenAI's dialect ────────────────────────────────────────────────────────────────────────────────


def complete(client: Client, **body: Any) -> dict[str, Any]:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], **body}
    answer = httpx.post(f"{client.address}/v1/chat/completions", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def streamed(client: Client, **body: Any) -> list[dict[str, Any]]:
    """The choices of all chunks."""
    asked = {"model": "tiny", "stream": True, "messages": [{"role": "user", "content": "Hi"}], **body}
    with httpx.stream("POST", f"{client.address}/v1/chat/completions", json=asked, timeout=60) as answer:
        lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: {")]
    return [choice for line in lines for choice in json.loads(line)["choices"]]


def test_reasoning_content_stands_beside_content(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT]
    answer = complete(client)
    message = answer["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("It is a greeting.", "Hello!")
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    deltas = [choice["delta"] for choice in streamed(client)]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "It is a greeting."
    assert "".join(delta.get("content", "") for delta in deltas) == "Hello!"


def test_reasoning_in_the_history_is_dropped_and_told(client: Client, stage: Stage) -> None:
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!", "reasoning_content": "A greeting."},
        {"role": "user", "content": "And?"},
    ]
    answer = complete(client, messages=history)
    assert prompt_of(stage) == "[user]Hi[assistant]Hello![user]And?[assistant]"
    assert answer["fabula"]["ignored"] == ["messages.reasoning_content"]
    kept = complete(client, messages=history, keep_reasoning=True)
    assert "<think>\nA greeting.\n</think>\n\nHello!" in prompt_of(stage)
    assert kept["fabula"]["ignored"] == []


def test_a_tool_call_comes_in_pieces(client: Client, stage: Stage) -> None:
    stage.script = [f"Let me see.\n{CALL}"]
    first, *others = streamed(client, tools=[WEATHER])[1:]
    choices = [first, *others]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert (calls[0]["index"], calls[0]["type"], calls[0]["function"]) == (
        0,
        "function",
        {"name": "get_weather", "arguments": ""},
    )
    assert len(calls[0]["id"]) == 9
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city": "台北"}'
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert "tool_call" not in "".join(choice["delta"].get("content", "") for choice in choices)


def test_a_tool_call_that_is_not_streamed(client: Client, stage: Stage) -> None:
    stage.script = [CALL]
    choice = complete(client, tools=[WEATHER])["choices"][0]
    call = choice["message"]["tool_calls"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "台北"}'}


def test_the_real_client_reads_reasoning_and_calls(client: Client, stage: Stage) -> None:
    stage.script = [THOUGHT.replace("Hello!", CALL)]
    with openai.OpenAI(base_url=f"{client.address}/v1", api_key="none") as real:
        asked = [{"role": "user", "content": "Weather?"}]
        chunks = list(
            real.chat.completions.create(model="tiny", messages=asked, tools=[WEATHER], stream=True)  # type: ignore[call-overload]
        )
    deltas = [chunk.choices[0].delta for chunk in chunks]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    calls = [call.function for delta in deltas for call in delta.tool_calls or []]
    assert thought == "It is a greeting."
    assert (calls[0].name, "".join(call.arguments for call in calls)) == ("get_weather", '{"city": "台北"}')
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_calls_and_their_answers_are_rendered_by_the_template(client: Client, stage: Stage) -> None:
    call = {
        "id": "abc",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "霧"}'},
    }
    complete(
        client,
        tools=[WEATHER],
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "abc", "content": "20°"},
        ],
    )
    assert (
        '<tool_call>{"name": "get_weather", "arguments": {"city": "霧"}}</tool_call>[tool]20°'
        in prompt_of(stage)
    )


def test_a_tool_that_must_be_called_is_enforced_by_a_grammar(client: Client, stage: Stage) -> None:
    stage.script = [CALL]
    complete(client, tools=[WEATHER], tool_choice="required")
    assert stage.worker.samplings[-1].grammar.startswith("root ::= (")
    assert stage.worker.prompts[-1].triggers == ()
    complete(client, tools=[WEATHER])
    assert stage.worker.prompts[-1].triggers == ('<tool_call>\n{"name',)
    complete(client, tools=[WEATHER], tool_choice="none")
    assert (stage.worker.samplings[-1].grammar, "get_weather" in prompt_of(stage)) == ("", False)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": "weather"}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0]"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"function": {"name": "other"}}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "perhaps"}, "tool_choice"),
        ({"reasoning_format": "klingon"}, "reasoning_format"),
        (
            {"tools": [{"function": {"name": "a", "parameters": {"type": "colour"}}}]},
            "tools[0].function.parameters.type",
        ),
    ],
)
def test_what_is_wrong_about_tools_is_refused(client: Client, body: dict[str, Any], param: str) -> None:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], **body}
    answer = httpx.post(f"{client.address}/v1/chat/completions", json=asked, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_template_that_takes_no_tools_says_so(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabula.turn.manner.takes_tools", lambda source: False)
    answer = complete(client, tools=[WEATHER], tool_choice="required")
    assert answer["fabula"]["ignored"] == ["tool_choice", "tools"]


def test_wishes_about_thinking_have_many_names(client: Client, stage: Stage) -> None:
    for wish in (
        {"reasoning_effort": "none"},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"enable_thinking": False},
        {"think": False},
        {"thinking_budget_tokens": 0},
    ):
        complete(client, **wish)
        assert prompt_of(stage).endswith("<think></think>"), wish
    answer = complete(client, chat_template_kwargs={"colour": "red"}, reasoning_effort="high")
    assert answer["fabula"]["ignored"] == ["chat_template_kwargs.colour", "think_effort"]
