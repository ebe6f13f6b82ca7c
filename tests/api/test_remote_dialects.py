"""What is said to servers of every kind, and how their answers are read. The stand-ins speak as the public
documentation of each has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from remoting import talk, text_of, thoughts_of, worker_of, written
from standing_in import Heard, Says, StandIn, lined, says, sent, standing_in

from fabula.core.errors import BadParameter, OnlyConverses, RemoteFiltered
from fabula.core.messages import IMAGE, Message, ToolCall
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token, ToolCallPart
from fabula.core.worker import Conversation, Converses, Counts, Prompt, Spells

PNG = b"\x89PNG\r\n\x1a\n"
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "d", "parameters": {"type": "object"}},
}


def chunk(
    delta: dict[str, object] | None = None, reason: str | None = None, **more: object
) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}], **more}


USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 4},
    "cost": 0.00012,
}
OPENAI = {
    "GET /v1/models": says({"object": "list", "data": [{"id": "m-1", "object": "model", "owned_by": "x"}]}),
    "POST /v1/chat/completions": sent(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm."}),
        chunk({"content": "Hel"}),
        ": a comment\n\n",
        chunk({"content": "lo"}),
        chunk({}, "stop"),
        {"choices": [], "usage": USAGE},
        done=True,
    ),
    "POST /v1/completions": sent({"choices": [{"text": " five", "finish_reason": "length"}]}, done=True),
}


async def test_openai_is_sent_messages_and_what_it_knows(tmp_path: Path) -> None:
    async with standing_in(dict(OPENAI)) as server, worker_of(server, tmp_path, key="sk-1") as worker:
        deltas, end = await written(
            worker,
            talk("Hi"),
            Context(chat_id="chat-7"),
            temperature=0.5,
            top_k=5,
            max_tokens=8,
            stop=("END",),
        )
        heard = server.last("/v1/chat/completions")
        assert worker.honours(Sampling(top_k=5))[1] == ("top_k",)
    assert (text_of(deltas), thoughts_of(deltas), end.reason) == ("Hello", "Hm.", "stop")
    assert (end.prompt_tokens, end.reused_tokens, end.completion_tokens, end.cost) == (9, 4, 2, 0.00012)
    assert heard.headers["authorization"] == "Bearer sk-1"
    assert heard.headers["x-session-id"] == "chat-7"
    asked = heard.body
    assert asked["messages"] == [{"role": "user", "content": "Hi"}]
    assert (asked["temperature"], asked["max_tokens"], asked["stop"]) == (0.5, 8, ["END"])
    assert "top_k" not in asked


async def test_a_seed_is_chosen_told_and_sent(tmp_path: Path) -> None:
    async with standing_in(dict(OPENAI)) as server, worker_of(server, tmp_path) as worker:
        _, end = await written(worker, talk("Hi"))
        assert server.last("/v1/chat/completions").body["seed"] == (end.effective or {})["seed"]


async def test_a_raw_prompt_goes_to_the_endpoint_for_one(tmp_path: Path) -> None:
    async with standing_in(dict(OPENAI)) as server, worker_of(server, tmp_path) as worker:
        deltas, end = await written(worker, Prompt(("1, 2, 3, 4,",)))
        assert (text_of(deltas), end.reason) == (" five", "length")
        with pytest.raises(BadParameter):
            await written(worker, Prompt(((1, 2, 3),)))


async def test_tools_and_images_have_openais_shape(tmp_path: Path) -> None:
    script = dict(OPENAI)
    script["POST /v1/chat/completions"] = sent(
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
        done=True,
    )
    call = ToolCall("c0", "look", "{}")
    messages = (
        Message(role="user", text=f"See {IMAGE}", images=(PNG,)),
        Message(role="assistant", text="", tool_calls=(call,)),
        Message(role="tool", text="a cat", tool_call_id="c0"),
    )
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        asked = Prompt((), conversation=Conversation(messages=messages, tools=(TOOL,), only_tool="look"))
        deltas, end = await written(worker, asked)
        body = server.last("/v1/chat/completions").body
    assert deltas == [ToolCallPart(0, "c1", "look"), ToolCallPart(0, arguments="{}")]
    assert end.reason == "tool_calls"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    user, assistant, tool = body["messages"]
    assert user["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert assistant["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert tool == {"role": "tool", "content": "a cat", "tool_call_id": "c0"}


async def test_log_probabilities_are_read_in_both_shapes(tmp_path: Path) -> None:
    script = dict(OPENAI)
    top = [{"token": "A", "logprob": -0.1, "bytes": [65]}, {"token": "B", "logprob": -2.0, "bytes": [66]}]
    script["POST /v1/chat/completions"] = sent(
        {
            "choices": [
                {"delta": {"content": "A"}, "logprobs": {"content": [top[0] | {"top_logprobs": top}]}},
            ]
        },
        chunk({}, "stop"),
    )
    script["POST /v1/completions"] = sent(
        {
            "choices": [
                {
                    "text": "A",
                    "finish_reason": "stop",
                    "logprobs": {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": -0.1}]},
                }
            ]
        }
    )
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        (chatted,), _ = await written(worker, talk("Hi"), logprobs=2)
        (completed,), _ = await written(worker, Prompt(("x",)), logprobs=1)
    assert isinstance(chatted, Token)
    assert isinstance(completed, Token)
    assert [choice.text for choice in chatted.likeliest] == ["A", "B"]
    assert chatted.chosen
    assert completed.chosen
    assert chatted.chosen.logprob == completed.chosen.logprob == -0.1


async def test_a_parameter_that_is_refused_by_name_is_left_out_and_told(tmp_path: Path) -> None:
    def answer(heard: Heard) -> Says:
        if "temperature" in heard.body:
            error = {"message": "Unsupported value", "param": "temperature", "code": "unsupported_value"}
            return says({"error": error}, 400)
        return sent(chunk({"content": "ok"}), chunk({}, "stop"), done=True)

    async with (
        standing_in({**OPENAI, "POST /v1/chat/completions": answer}) as server,
        worker_of(server, tmp_path) as worker,
    ):
        _, end = await written(worker, talk("Hi"), temperature=0.3)
        assert end.ignored == ("temperature",)
        assert "temperature" not in (end.effective or {})
        assert worker.honours(Sampling(temperature=0.3))[1] == ("temperature",)


async def test_vllm_is_recognized_and_counts_by_its_own_endpoint(tmp_path: Path) -> None:
    row = {"id": "org/m", "owned_by": "vllm", "max_model_len": 4096}
    script = {
        **OPENAI,
        "GET /v1/models": says({"data": [row]}),
        "POST /tokenize": says({"count": 17, "max_model_len": 4096, "tokens": []}),
    }
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        assert worker.plan.context == 4096
        assert await worker.weigh(talk("Hi").conversation) == 17  # type: ignore[arg-type]
        await written(
            worker, talk("Hi", "Well,", continues=True), top_k=7, min_p=0.1, regex="[a-z]+", think=False
        )
        body = server.last("/v1/chat/completions").body
    assert (body["top_k"], body["min_p"], body["structured_outputs"]) == (7, 0.1, {"regex": "[a-z]+"})
    assert body["continue_final_message"] is True
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


async def test_vllm_and_fabula_tell_tokens_in_their_own_ways(tmp_path: Path) -> None:
    script = {
        **OPENAI,
        "POST /tokenize": says({"count": 2, "tokens": [7, 8]}),
        "POST /detokenize": says({"prompt": "a b"}),
        "POST /api/fabula/v1/tokenize": says({"count": 2, "tokens": [7, 8]}),
        "POST /api/fabula/v1/detokenize": says({"text": "a b"}),
    }
    for kind, path in (("vllm", "/tokenize"), ("fabula", "/api/fabula/v1/tokenize")):
        async with standing_in(script) as server, worker_of(server, tmp_path / kind, kind) as worker:
            assert isinstance(worker, Counts)
            assert isinstance(worker, Spells)
            assert await worker.tokenize(Prompt(("a b",), add_special=False)) == [7, 8]
            assert await worker.count(["a b", ""]) == [2, 0]
            assert await worker.detokenize([7, 8]) == "a b"
            assert server.last(path).body["model"] == "m-1"


async def test_openrouter_says_which_parameters_a_model_takes(tmp_path: Path) -> None:
    row = {
        "id": "maker/m",
        "name": "Maker: M",
        "context_length": 8192,
        "supported_parameters": ["temperature", "max_tokens", "top_k", "reasoning"],
        "architecture": {"input_modalities": ["text", "image"]},
        "top_provider": {"max_completion_tokens": 2048},
    }
    script = {**OPENAI, "GET /v1/models": says({"data": [row]})}
    async with standing_in(script) as server, worker_of(server, tmp_path, "openrouter") as worker:
        assert worker.sees_images
        assert worker.honours(Sampling(min_p=0.2, top_k=3, seed=1))[1] == ("min_p", "seed")
        _, end = await written(worker, talk("Hi"), think_budget=100)
        body = server.last("/v1/chat/completions").body
    assert (body["reasoning"], body["usage"], "seed" in body) == (
        {"max_tokens": 100},
        {"include": True},
        False,
    )
    assert end.cost == 0.00012


OLLAMA = {
    "GET /api/version": says({"version": "0.33.0"}),
    "GET /api/tags": says(
        {
            "models": [
                {
                    "name": "qwen3:4b",
                    "model": "qwen3:4b",
                    "size": 2620788019,
                    "details": {"family": "qwen3", "quantization_level": "Q4_K_M"},
                    "capabilities": ["completion", "tools", "thinking"],
                }
            ]
        }
    ),
    "POST /api/show": says(
        {
            "parameters": 'num_ctx                        16384\nstop  "<|im_end|>"',
            "model_info": {"general.architecture": "qwen3", "general.parameter_count": 4022468096},
            "capabilities": ["completion", "tools", "thinking"],
        }
    ),
    "GET /api/ps": says({"models": []}),
    "POST /api/chat": lined(
        {"message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
        {"message": {"role": "assistant", "content": "Hel"}, "done": False},
        {"message": {"role": "assistant", "content": "lo"}, "done": False},
        {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 12,
            "prompt_eval_duration": 5_000_000,
            "eval_count": 3,
            "eval_duration": 60_000_000,
        },
    ),
    "POST /api/generate": lined({"response": " five", "done": False}, {"response": "", "done": True}),
}


async def test_ollama_is_asked_never_to_cut(tmp_path: Path) -> None:
    async with standing_in(dict(OLLAMA)) as server, worker_of(server, tmp_path) as worker:
        asked = {"repetition_penalty": 1.2, "repetition_window": -1, "max_tokens": 3, "think": True}
        deltas, end = await written(worker, talk("Hi"), **asked)
        body = server.last("/api/chat").body
    assert (text_of(deltas), thoughts_of(deltas), end.reason) == ("Hello", "Hm.", "length")
    assert (end.prompt_tokens, end.completion_tokens, end.prompt_ms, end.predicted_ms) == (12, 3, 5, 60)
    assert (body["truncate"], body["shift"], body["think"]) == (False, False, True)
    options = body["options"]
    assert (options["repeat_penalty"], options["repeat_last_n"], options["num_predict"]) == (1.2, -1, 3)
    assert (worker.plan.context, worker.model.parameters) == (16384, 4022468096)


async def test_ollama_loads_with_the_context_that_is_set(tmp_path: Path) -> None:
    async with standing_in(dict(OLLAMA)) as server, worker_of(server, tmp_path, context=9000) as worker:
        await written(worker, talk("Hi"))
        assert server.last("/api/chat").body["options"]["num_ctx"] == worker.plan.context == 9000


async def test_ollama_takes_raw_prompts_and_gives_tool_calls(tmp_path: Path) -> None:
    script = dict(OLLAMA)
    call = {"function": {"name": "look", "arguments": {"at": "sea"}}}
    script["POST /api/chat"] = lined(
        {"message": {"content": "", "tool_calls": [call]}, "done": False},
        {"done": True, "done_reason": "stop"},
    )
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        deltas, _ = await written(worker, Prompt(("1, 2, 3, 4,",)))
        calls, end = await written(worker, talk("Look", tools=(TOOL,), tool_choice="required"))
        assert server.last("/api/generate").body["raw"] is True
    assert text_of(deltas) == " five"
    assert calls == [ToolCallPart(0, "call_0", "look", '{"at": "sea"}')]
    assert (end.reason, end.ignored) == ("tool_calls", ("tool_choice",))


KOBOLD = {
    "GET /api/extra/version": says({"result": "KoboldCpp", "version": "1.120", "vision": False}),
    "GET /api/version": says({"version": "0.7.0"}),  # it answers Ollama's question too
    "GET /api/v1/model": says({"result": "koboldcpp/Tiny-Q4"}),
    "GET /api/extra/true_max_context_length": says({"value": 8192}),
    "GET /props": says({"chat_template": "{{ messages[0].content }}"}),
    "POST /api/extra/tokencount": says({"value": 2, "ids": [11, 12]}),
    "POST /api/extra/abort": says({"success": "true", "done": "true"}),
    "POST /api/extra/generate/stream": sent(
        'event: message\ndata: {"token": "Hel", "finish_reason": null}\n\n',
        'event: message\ndata: {"token": "lo", "finish_reason": null}\n\n',
        'event: message\ndata: {"token": "", "finish_reason": "stop"}\n\n',
    ),
    "POST /v1/chat/completions": OPENAI["POST /v1/chat/completions"],
}


async def test_kobold_gets_prompts_that_are_made_here(tmp_path: Path) -> None:
    async with standing_in(dict(KOBOLD)) as server, worker_of(server, tmp_path) as worker:
        assert not worker.converses
        assert isinstance(worker, Counts)
        assert await worker.count(["a b"]) == [2]
        asked = {"tfs": 0.9, "banned_strings": ("shiver",), "max_tokens": 5}
        asked |= {"repetition_penalty": 1.1, "repetition_window": -1}
        deltas, end = await written(worker, Prompt(("Once",)), **asked, stop=("\n",))
        body = server.last("/api/extra/generate/stream").body
    assert (text_of(deltas), end.reason, worker.model.name) == ("Hello", "stop", "box/Tiny-Q4")
    assert (body["prompt"], body["max_length"], body["max_context_length"]) == ("Once", 5, 8192)
    assert (body["tfs"], body["banned_strings"], body["rep_pen_range"]) == (0.9, ["shiver"], 8192)
    assert body["stop_sequence"] == ["\n"]


async def test_a_kobold_that_hides_its_template_makes_the_prompt_itself(tmp_path: Path) -> None:
    script = {**KOBOLD, "GET /props": says({"error": "none"}, 404)}
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        assert isinstance(worker, Converses)
        assert worker.converses
        deltas, _ = await written(worker, talk("Hi"), top_a=0.1)
        body = server.last("/v1/chat/completions").body
    assert (text_of(deltas), body["top_a"], body["messages"][0]["content"]) == ("Hello", 0.1, "Hi")


async def test_kobold_is_told_when_its_reader_has_gone(tmp_path: Path) -> None:
    script = dict(KOBOLD)
    said = sent('data: {"token": "Hel", "finish_reason": null}\n\n')
    script["POST /api/extra/generate/stream"] = Says(said.pieces, kind=said.kind, hangs=True)
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        stream = worker.stream(Prompt(("Once",)), Sampling())
        assert await anext(stream) == Token("Hel")
        await stream.aclose()
        asked = server.last("/api/extra/generate/stream").body
        assert server.last("/api/extra/abort").body == {"genkey": asked["genkey"]}
        await until_closed(server)


async def until_closed(server: StandIn) -> None:
    for _ in range(500):
        if server.closed:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the connection stayed open")


def anthropic(*events: dict[str, object]) -> Says:
    return sent(*(f"event: {event['type']}\ndata: {_json(event)}\n\n" for event in events))


def _json(event: dict[str, object]) -> str:
    import json

    return json.dumps(event)


CLAUDE = {
    "GET /v1/models": says({"data": [{"type": "model", "id": "claude-x", "display_name": "Claude X"}]}),
    "POST /v1/messages/count_tokens": says({"input_tokens": 21}),
    "POST /v1/messages": anthropic(
        {
            "type": "message_start",
            "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 16, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ),
}


async def test_anthropic_is_sent_the_system_prompt_apart(tmp_path: Path) -> None:
    messages = (
        Message(role="system", text="Be brief."),
        Message(role="user", text="One."),
        Message(role="user", text="Two."),
        Message(role="assistant", text="Three "),
    )
    asked = Prompt((), conversation=Conversation(messages=messages, continues=True))
    async with (
        standing_in(dict(CLAUDE)) as server,
        worker_of(server, tmp_path, "anthropic", key="k") as worker,
    ):
        deltas, end = await written(worker, asked, temperature=1.5, stop=("END",))
        heard = server.last("/v1/messages")
        assert await worker.weigh(asked.conversation) == 21  # type: ignore[arg-type]
    assert (text_of(deltas), thoughts_of(deltas), end.stop_string) == ("Hello", "Hm.", "END")
    assert (end.prompt_tokens, end.reused_tokens, end.completion_tokens) == (21, 16, 9)
    assert (heard.headers["x-api-key"], "authorization" in heard.headers) == ("k", False)
    assert heard.headers["anthropic-version"] == "2023-06-01"
    body = heard.body
    assert (body["system"], body["max_tokens"], body["temperature"]) == ("Be brief.", 4096, 1.0)
    assert "top_p" not in body
    assert [(row["role"], [part["text"] for part in row["content"]]) for row in body["messages"]] == [
        ("user", ["One.", "Two."]),
        ("assistant", ["Three"]),
    ]


async def test_anthropic_thinks_calls_tools_and_keeps_what_it_has_read(tmp_path: Path) -> None:
    script = dict(CLAUDE)
    script["POST /v1/messages"] = anthropic(
        {"type": "message_start", "message": {"usage": {"input_tokens": 5}}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )
    async with standing_in(script) as server, worker_of(server, tmp_path, "anthropic") as worker:
        deltas, end = await written(worker, talk("Hi", tools=(TOOL,)), think_budget=2000, temperature=0.2)
        body = server.last("/v1/messages").body
        assert "temperature" in worker.honours(Sampling(think=True, temperature=0.2))[1]
        with pytest.raises(OnlyConverses):
            await written(worker, Prompt(("Once",)))
    assert deltas == [ToolCallPart(0, "t1", "look"), ToolCallPart(0, arguments="{}")]
    assert end.reason == "tool_calls"
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert body["tools"] == [{"name": "look", "description": "d", "input_schema": {"type": "object"}}]
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


async def test_anthropics_newer_models_are_asked_for_an_effort_and_for_their_thoughts(tmp_path: Path) -> None:
    types = {"adaptive": {"supported": True}, "enabled": {"supported": False}}
    capable = {"image_input": {"supported": False}, "thinking": {"supported": True, "types": types}}
    row = {"type": "model", "id": "claude-y", "display_name": "Y", "capabilities": capable}
    script = {**CLAUDE, "GET /v1/models": says({"data": [row]})}
    async with standing_in(script) as server, worker_of(server, tmp_path, "anthropic") as worker:
        await written(worker, talk("Hi"), think=True, think_effort="low", temperature=0.5)
        body = server.last("/v1/messages").body
        await written(worker, talk("Hi"))
        plain = server.last("/v1/messages").body
        assert worker.honours(Sampling(think_budget=2000))[1] == ("think_budget",)
        assert not worker.sees_images
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": "low"}
    assert not {"temperature", "budget_tokens"} & body.keys()
    assert not {"thinking", "output_config"} & plain.keys()


@pytest.mark.parametrize(("id", "signed"), [("gemini-2.5-pro", False), ("gemini-3.1-pro-preview", True)])
async def test_a_call_without_its_signature_is_told_as_such_to_geminis_newer_models(
    tmp_path: Path, id: str, signed: bool
) -> None:
    row = {"name": f"models/{id}", "supportedGenerationMethods": ["generateContent"]}
    path = f"POST /v1beta/models/{id}:streamGenerateContent"
    answer = GEMINI["POST /v1beta/models/gemini-x:streamGenerateContent"]
    script = {"GET /v1beta/models": says({"models": [row]}), path: answer}
    messages = (
        Message(role="user", text="Look."),
        Message(role="assistant", text="", tool_calls=(ToolCall("c0", "look", "{}"),)),
        Message(role="tool", text="a cat", tool_call_id="c0"),
    )
    asked = Prompt((), conversation=Conversation(messages=messages, tools=(TOOL,)))
    async with standing_in(script) as server, worker_of(server, tmp_path, "gemini") as worker:
        await written(worker, asked)
        contents = server.last(path.removeprefix("POST ")).body["contents"]
    (call,) = contents[1]["parts"]
    assert call["functionCall"] == {"name": "look", "args": {}}
    assert call.get("thoughtSignature") == ("skip_thought_signature_validator" if signed else None)


GEMINI = {
    "GET /v1beta/models": says(
        {
            "models": [
                {
                    "name": "models/gemini-x",
                    "displayName": "Gemini X",
                    "inputTokenLimit": 1_048_576,
                    "outputTokenLimit": 65_536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                    "thinking": True,
                },
                {"name": "models/embedding-x", "supportedGenerationMethods": ["embedContent"]},
            ]
        }
    ),
    "POST /v1beta/models/gemini-x:countTokens": says({"totalTokens": 33}),
    "POST /v1beta/models/gemini-x:streamGenerateContent": sent(
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}]}}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}}]},
        {
            "candidates": [{"finishReason": "MAX_TOKENS"}],
            "usageMetadata": {
                "promptTokenCount": 8,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 3,
            },
        },
    ),
}


async def test_gemini_has_names_of_its_own(tmp_path: Path) -> None:
    async with standing_in(dict(GEMINI)) as server, worker_of(server, tmp_path, "gemini", key="g") as worker:
        asked = {
            "top_k": 9,
            "max_tokens": 2,
            "stop": ("END",),
            "think": False,
            "json_schema": '{"type":"object"}',
        }
        deltas, end = await written(worker, talk("Hi", "Yes?", "Go"), **asked)
        heard = server.last("/v1beta/models/gemini-x:streamGenerateContent")
        assert await worker.weigh(talk("Hi").conversation) == 33  # type: ignore[arg-type]
    assert (text_of(deltas), thoughts_of(deltas), end.reason) == ("Hello", "Hm.", "length")
    assert (end.prompt_tokens, end.reused_tokens, end.completion_tokens, end.reasoning_tokens) == (8, 3, 7, 5)
    assert heard.headers["x-goog-api-key"] == "g"
    assert heard.path.endswith("?alt=sse")
    config = heard.body["generationConfig"]
    assert (config["topK"], config["maxOutputTokens"], config["stopSequences"]) == (9, 2, ["END"])
    assert config["responseJsonSchema"] == {"type": "object"}
    assert config["thinkingConfig"] == {"thinkingBudget": 0}
    assert [row["role"] for row in heard.body["contents"]] == ["user", "model", "user"]
    assert worker.plan.context == 1_048_576


@pytest.mark.parametrize(
    ("script", "kind", "path", "said"),
    [
        (OPENAI, "", "POST /v1/chat/completions", sent(chunk({"content": "x"}), chunk({}, "content_filter"))),
        (
            CLAUDE,
            "anthropic",
            "POST /v1/messages",
            anthropic({"type": "message_delta", "delta": {"stop_reason": "refusal"}}),
        ),
        (
            GEMINI,
            "gemini",
            "POST /v1beta/models/gemini-x:streamGenerateContent",
            sent({"promptFeedback": {"blockReason": "SAFETY"}}),
        ),
    ],
    ids=["openai", "anthropic", "gemini"],
)
async def test_a_filter_of_the_server_is_told_as_such(
    tmp_path: Path, script: dict[str, Says], kind: str, path: str, said: Says
) -> None:
    async with standing_in({**script, path: said}) as server, worker_of(server, tmp_path, kind) as worker:
        with pytest.raises(RemoteFiltered):
            await written(worker, talk("Hi"))


@pytest.mark.parametrize(
    ("script", "kind"),
    [(OPENAI, "compatible"), (OLLAMA, "ollama"), (KOBOLD, "kobold")],
    ids=["openai", "ollama", "kobold"],
)
async def test_the_kind_of_a_server_is_recognized(tmp_path: Path, script: dict[str, Says], kind: str) -> None:
    async with standing_in(dict(script)) as server, worker_of(server, tmp_path) as worker:
        assert worker.model.elsewhere
        assert worker.model.elsewhere.kind == kind


@pytest.mark.parametrize(
    ("script", "kind", "prompt"),
    [
        (OPENAI, "compatible", talk("Hi")),
        (OPENAI, "vllm", talk("Hi")),
        (OPENAI, "textgen", talk("Hi")),
        (OPENAI, "tabby", talk("Hi")),
        (OPENAI, "lmstudio", talk("Hi")),
        (OPENAI, "fabula", talk("Hi")),
        (OLLAMA, "ollama", talk("Hi")),
        (KOBOLD, "kobold", Prompt(("Hi",))),
        (CLAUDE, "anthropic", talk("Hi")),
        (GEMINI, "gemini", talk("Hi")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_honoured_is_in_the_request_and_what_is_not_is_told(
    tmp_path: Path, script: dict[str, Says], kind: str, prompt: Prompt
) -> None:
    """A parameter that is neither ignored nor outside the engine changes the bytes that are sent."""
    changes: dict[str, object] = {
        "temperature": 0.3,
        "top_k": 3,
        "top_p": 0.3,
        "min_p": 0.3,
        "typical_p": 0.3,
        "tfs": 0.3,
        "top_a": 0.3,
        "repetition_penalty": 1.3,
        "presence_penalty": 0.3,
        "frequency_penalty": 0.3,
        "mirostat": 2,
        "dry_multiplier": 0.3,
        "xtc_probability": 0.3,
        "smoothing_factor": 0.3,
        "banned_tokens": (3,),
        "banned_strings": ("x",),
        "grammar": "root ::= [a]",
        "json_schema": '{"type":"object"}',
        "logprobs": 2,
        "ignore_eos": True,
        "min_tokens": 3,
        "max_tokens": 3,
        "stop": ("x",),
    }
    async with standing_in(dict(script)) as server, worker_of(server, tmp_path, kind) as worker:
        await written(worker, prompt, seed=1)
        plain = {name: value for name, value in server.heard[-1].body.items() if name != "genkey"}
        for name, value in changes.items():
            ignored = worker.honours(Sampling(**{name: value}))[1]
            await written(worker, prompt, seed=1, **{name: value})
            now = {key: found for key, found in server.heard[-1].body.items() if key != "genkey"}
            assert (now == plain) == (name in ignored), name


def test_a_finish_without_figures_is_no_rate() -> None:
    end = Finished(
        reason="stop",
        prompt_tokens=0,
        reused_tokens=0,
        processed_tokens=0,
        completion_tokens=0,
        prompt_ms=0,
        predicted_ms=0,
    )
    assert (end.tokens_per_second, end.facts("m")["cost"]) == (0.0, None)
