"""Bodies near the real shapes of the dialects, made odd by hypothesis. Knows no server.

The dialects read their bodies by hand, so that the OpenAPI document does not say what is in them.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

SAID = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {}}}},
}
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwC"
    "AAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
SAMPLING = {
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.05,
    "seed": 1,
    "stop": ["\n"],
    "repeat_penalty": 1.1,
    "logit_bias": {"5": -100},
    "mirostat": 0,
    "dry_sequence_breakers": ["\n"],
    "grammar": "",
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
KOBOLD = {"prompt": "Hi", "max_length": 5, "max_context_length": 2048, "rep_pen": 1.1, "rep_pen_range": 320}
KOBOLD |= {"sampler_order": [6, 0, 1, 3, 4, 2, 5], "stop_sequence": ["\n"], "genkey": "k", "memory": "m"}
KOBOLD |= {"banned_tokens": ["a"], "logprobs": True, "images": [], "grammar": "", "trim_stop": True}


def examples(model: str) -> dict[tuple[str, str], Any]:
    """A good body for each route of a dialect that takes one."""
    return {
        ("POST", "/v1/chat/completions"): {
            "model": model,
            "messages": [
                *SAID,
                {"role": "assistant", "content": None, "tool_calls": [_call()]},
                {"role": "tool", "tool_call_id": "c", "content": "5"},
                {"role": "user", "content": [{"type": "text", "text": "and"}, _picture()]},
            ],
            "max_tokens": 5,
            "n": 1,
            "stream": False,
            "stream_options": {"include_usage": True},
            "tools": [TOOL],
            "tool_choice": "auto",
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
            "logprobs": True,
            "top_logprobs": 2,
            **SAMPLING,
        },
        ("POST", "/v1/completions"): {
            "model": model,
            "prompt": ["Once", [1, 2]],
            "suffix": "end",
            "max_tokens": 5,
            "echo": True,
            "logprobs": 2,
            "best_of": 1,
            "n": 1,
            **SAMPLING,
        },
        ("POST", "/v1/embeddings"): {
            "model": model,
            "input": ["a"],
            "encoding_format": "base64",
            "dimensions": 8,
        },
        ("POST", "/v1/rerank"): {"model": model, "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1},
        ("POST", "/v1/responses"): {
            "model": model,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
            "instructions": "Be brief.",
            "max_output_tokens": 5,
            "stream": False,
            "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}],
            "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
            "reasoning": {"effort": "low"},
            "metadata": {"a": "b"},
        },
        ("POST", "/v1/batches"): {
            "input_file_id": "file-1",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {},
        },
        ("POST", "/v1/messages"): {
            "model": model,
            "max_tokens": 5,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, _anthropic_picture()]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "5"}]},
            ],
            "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
            "tool_choice": {"type": "auto"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "stop_sequences": ["\n"],
            "stream": False,
            "metadata": {"user_id": "u"},
            "top_k": 5,
        },
        ("POST", "/v1/messages/count_tokens"): {
            "model": model,
            "messages": [{"role": "user", "content": "Hi"}],
        },
        ("POST", "/api/generate"): {
            "model": model,
            "prompt": "Hi",
            "suffix": "",
            "system": "s",
            "template": "{{ .Prompt }}",
            "context": [1, 2],
            "stream": False,
            "raw": False,
            "format": "json",
            "images": [],
            "options": {**SAMPLING, "num_predict": 5, "num_ctx": 512},
            "keep_alive": "5m",
            "think": False,
        },
        ("POST", "/api/chat"): {
            "model": model,
            "messages": [*SAID, {"role": "user", "content": "x", "images": [DOT.partition(",")[2]]}],
            "tools": [TOOL],
            "format": SCHEMA,
            "stream": False,
            "options": {"num_predict": 5},
            "keep_alive": -1,
        },
        ("POST", "/api/show"): {"model": model, "verbose": True},
        ("POST", "/api/embed"): {"model": model, "input": ["a"], "truncate": True, "dimensions": 8},
        ("POST", "/api/embeddings"): {"model": model, "prompt": "a", "options": {}},
        ("POST", "/api/copy"): {"source": "nothing", "destination": "other"},
        ("DELETE", "/api/delete"): {"model": "nothing"},
        ("POST", "/api/create"): {
            "model": "new",
            "from": "nothing",
            "template": "t",
            "system": "s",
            "parameters": {"stop": ["x"], "temperature": 0.5},
            "messages": SAID,
            "files": {"a.gguf": "sha256:00"},
            "stream": False,
        },
        ("POST", "/api/v1/generate"): KOBOLD,
        ("POST", "/api/extra/generate/stream"): KOBOLD,
        ("POST", "/api/extra/generate/check"): {"genkey": "k"},
        ("POST", "/api/extra/abort"): {"genkey": "k"},
        ("POST", "/api/extra/tokencount"): {"prompt": "Hi", "special": True},
        ("POST", "/api/extra/detokenize"): {"ids": [1, 2]},
        ("POST", "/api/extra/embeddings"): {"input": ["a"], "truncate": True},
        ("POST", "/api/extra/data/save"): {"slot": 1, "title": "t", "data": "d", "format": "f"},
        ("POST", "/api/extra/data/load"): {"slot": 1},
        ("POST", "/completion"): {
            "prompt": ["Hi", 1],
            "n_predict": 5,
            "id_slot": -1,
            "cache_prompt": True,
            "samplers": ["top_k", "temperature"],
            "n_probs": 1,
            "json_schema": SCHEMA,
            "lora": [{"id": 0, "scale": 0.5}],
            "response_fields": ["content"],
            "stream": False,
            **SAMPLING,
        },
        ("POST", "/infill"): {"input_prefix": "a", "input_suffix": "b", "input_extra": [], "n_predict": 5},
        ("POST", "/tokenize"): {"content": "Hi", "add_special": True, "with_pieces": True},
        ("POST", "/detokenize"): {"tokens": [1, 2]},
        ("POST", "/apply-template"): {"messages": SAID, "tools": [TOOL], "chat_template_kwargs": {"a": 1}},
        ("POST", "/embedding"): {"content": "Hi"},
        ("POST", "/reranking"): {"query": "q", "documents": ["a"]},
        ("POST", "/lora-adapters"): [{"id": 0, "scale": 0.5}],
        ("POST", "/props"): {"default_generation_settings": {"temperature": 1}},
        ("POST", "/models/load"): {"model": model},
        ("POST", "/v1/internal/encode"): {"text": "Hi"},
        ("POST", "/v1/internal/decode"): {"tokens": [1, 2]},
        ("POST", "/v1/internal/token-count"): {"text": "Hi"},
        ("POST", "/v1/internal/logits"): {"prompt": "Hi", "top_logits": 5, "use_samplers": False},
        ("POST", "/v1/internal/chat-prompt"): {"messages": SAID},
        ("POST", "/v1/internal/model/load"): {"model_name": model, "args": {"ctx_size": 512}, "settings": {}},
        ("POST", "/v1/internal/lora/load"): {"lora_names": ["a"]},
    }


def _call() -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def _picture() -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": DOT}}


def _anthropic_picture() -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": DOT.partition(",")[2]}
    return {"type": "image", "source": source}


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, -(2**63), 10**30, 10**400, 1e-320, 1e308, -0.0]),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "\x00", "\ud800", "é" * 2000, "{{ x }}", "[IMG-1]", "../../x", "%s", "sha256:zz", "1e999"]
    ),
)
ODD = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
Place = tuple[Any, ...]


def places(value: Any, here: Place = ()) -> list[Place]:
    """The way to each part of a value, itself first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for name, part in inner for place in places(part, (*here, name)))]


@st.composite
def near(draw: st.DrawFn, good: Any) -> Any:
    """A good body in which some parts were replaced, left out, doubled or wrapped, or others added."""
    body = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(body)))
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return draw(ODD)
            if isinstance(body, dict):
                body[draw(st.text(max_size=12))] = draw(ODD)
            continue
        _change(draw, body, place)
    return body


def _change(draw: st.DrawFn, body: Any, place: Place) -> None:
    around = body
    for name in place[:-1]:
        around = around[name]
    last = place[-1]
    match draw(st.sampled_from(["odd", "odd", "out", "twice", "list", "object"])):
        case "odd":
            around[last] = draw(ODD)
        case "out":
            del around[last]
        case "twice":
            around[last] = [around[last]] * draw(st.sampled_from([2, 40]))
        case "list":
            around[last] = [around[last]]
        case "object":
            around[last] = {"text": around[last], "type": around[last]}


def as_sent(body: Any) -> bytes:
    """With the numbers that Python's JSON has and others have not, and halves of characters as escapes."""
    return json.dumps(body).encode()
