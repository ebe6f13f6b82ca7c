"""LiteLLM, whatever provider the model's name begins with."""

from __future__ import annotations

import json
from typing import Any

import litellm
from speaking import serve

litellm.suppress_debug_info = True


def body(asked: dict[str, Any]) -> dict[str, Any]:
    asked = dict(asked)
    provider = asked["model"].partition("/")[0]
    base, schema, tools = asked.pop("base"), asked.pop("schema", None), asked.pop("tools", None)
    body = {"api_base": f"{base}/v1" if provider == "openai" else base, "api_key": "none", "max_retries": 0}
    if provider == "anthropic":
        body["allowed_openai_params"] = ["seed"]  # ours, which Anthropic itself has not
    if schema:
        form = {"name": "form", "schema": schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in tools]
    if asked.pop("must", False):
        body |= {"tool_choice": "required", "parallel_tool_calls": False}
    if "timeout" in asked:
        body["timeout"] = asked.pop("timeout") / 1000  # ms
    return asked | body


def said(answer: Any) -> dict[str, Any]:
    choice = answer.choices[0]
    calls = [call.function for call in choice.message.tool_calls or []]
    return {
        "text": choice.message.content or "",
        "thought": getattr(choice.message, "reasoning_content", None) or "",
        "calls": [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls],
        "reason": choice.finish_reason,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
    }


async def chat(asked: dict[str, Any]) -> dict[str, Any]:
    return said(await litellm.acompletion(**body(asked)))


async def stream(asked: dict[str, Any]) -> dict[str, Any]:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in await litellm.acompletion(**body(asked), **options)]
    pieces = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    return said(litellm.stream_chunk_builder(chunks)) | {"pieces": len(pieces)}


async def complete(asked: dict[str, Any]) -> dict[str, Any]:
    answer = await litellm.atext_completion(**body(asked))
    return {"text": answer.choices[0].text, "reason": answer.choices[0].finish_reason}


async def embed(asked: dict[str, Any]) -> list[list[float]]:
    answer = await litellm.aembedding(**body(asked))
    return [row["embedding"] for row in answer.data]


async def give_up(asked: dict[str, Any]) -> dict[str, Any]:
    stream = await litellm.acompletion(**body(asked), stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.aclose()
    return {"aborted": True}


serve({"chat": chat, "stream": stream, "complete": complete, "embed": embed, "give_up": give_up})
