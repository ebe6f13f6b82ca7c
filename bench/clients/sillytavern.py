"""SillyTavern in front of a studio: python -m bench.clients.sillytavern

Its own server is asked, over the routes and with the fields that its page uses, to connect to each of the
backends that Fabula speaks as, to count tokens and to write, whole and streamed. Prints a table; the exit
status is 1 where something failed. Measures nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.clients.running import MODEL, Row, fields, free_port, installed, process, studio, table, tried

PROGRAM = "SillyTavern 1.19.0"
CONFIG = """
listen: false
whitelistMode: true
browserLaunch:
  enabled: false
enableUserAccounts: false
extensions:
  enabled: false
  autoUpdate: false
enableServerPlugins: false
"""
PROMPT = "The old lighthouse keeper opened the door and"
SAMPLING: dict[str, Any] = {
    "max_new_tokens": 24,
    "max_tokens": 24,
    "n_predict": 24,
    "num_predict": 24,
    "temperature": 0.7,
    "temp": 0.7,
    "top_p": 0.9,
    "typical_p": 1,
    "typical": 1,
    "min_p": 0.05,
    "top_k": 40,
    "top_a": 0,
    "tfs": 1,
    "repetition_penalty": 1.1,
    "rep_pen": 1.1,
    "rep_pen_range": 128,
    "repetition_penalty_range": 128,
    "repeat_penalty": 1.1,
    "repeat_last_n": 128,
    "dry_multiplier": 0,
    "dry_sequence_breakers": '["\\n", ":", "\\"", "*"]',
    "mirostat_mode": 0,
    "mirostat": 0,
    "sampler_seed": -1,
    "seed": -1,
    "truncation_length": 2048,
    "num_ctx": 2048,
    "stopping_strings": ["\nUser:"],
    "stop": ["\nUser:"],
    "can_abort": True,
    "legacy_api": False,
}
BACKENDS = ("llamacpp", "koboldcpp", "ooba", "ollama", "generic")
"""SillyTavern's names of the text completion backends."""
TOKENIZED = ("llamacpp", "koboldcpp", "ooba")


@contextmanager
def sillytavern() -> Iterator[httpx.Client]:
    """A client of its server, with the token that its page sends."""
    program = installed("sillytavern")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        (Path(folder) / "config.yaml").write_text(CONFIG)
        command = [program / "bin" / "node", program / "node_modules" / "sillytavern" / "server.js"]
        flags = ["--port", f"{port}", "--configPath", f"{folder}/config.yaml", "--dataRoot", f"{folder}/data"]
        base = f"http://127.0.0.1:{port}"
        with (
            process([*command, *flags], f"{base}/csrf-token", Path(folder)),
            httpx.Client(base_url=base, timeout=120) as client,
        ):
            client.headers["x-csrf-token"] = client.get("/csrf-token").json()["token"]
            yield client


def text_backend(client: httpx.Client, address: str, name: str) -> Iterator[Row]:
    """A "Text Completion" backend."""
    api = {"api_type": name, "api_server": address}
    asked = api | SAMPLING | {"prompt": PROMPT, "model": MODEL}

    def connects() -> str:
        return str(fields(client.post("/api/backends/text-completions/status", json=api))["result"])

    def counts() -> str:
        body = api | {"text": PROMPT, "url": address, "model": MODEL}
        told = fields(client.post("/api/tokenizers/remote/textgenerationwebui/encode", json=body))
        assert told["count"] > 5, told
        return f"{told['count']} tokens"

    def writes() -> str:
        told = fields(client.post("/api/backends/text-completions/generate", json=asked | {"stream": False}))
        return _some(_text(told))

    def streams() -> str:
        path = "/api/backends/text-completions/generate"
        with client.stream("POST", path, json=asked | {"stream": True}) as answer:
            return _some("".join(_text(row) for row in _events(answer.iter_lines())))

    yield tried(PROGRAM, name, "connects", connects)
    if name in TOKENIZED:
        yield tried(PROGRAM, name, "counts tokens", counts)
    if name == "llamacpp":
        yield tried(PROGRAM, name, "reads properties", lambda: _properties(client, api))
    yield tried(PROGRAM, name, "writes", writes)
    yield tried(PROGRAM, name, "streams", streams)


def _properties(client: httpx.Client, api: dict[str, Any]) -> str:
    told = fields(client.post("/api/backends/text-completions/props", json=api))
    return f"template {told['chat_template_hash'][:12]}"


def kobold_classic(client: httpx.Client, address: str) -> Iterator[Row]:
    """The backend "KoboldAI Classic"."""
    name, server = "kobold (classic)", f"{address}/api"
    asked = SAMPLING | {
        "api_server": server,
        "prompt": PROMPT,
        "max_length": 24,
        "max_context_length": 1024,
        "sampler_order": [6, 0, 1, 3, 4, 2, 5],
        "stop_sequence": ["\nUser:"],
    }

    def connects() -> str:
        told = fields(client.post("/api/backends/kobold/status", json={"api_server": server}))
        assert told["model"] != "no_connection", told
        return f"{told['model']} {told['koboldCppVersion']} {told['koboldUnitedVersion']}"

    def writes() -> str:
        told = fields(client.post("/api/backends/kobold/generate", json=asked | {"streaming": False}))
        return _some(str(told["results"][0]["text"]))

    def streams() -> str:
        path = "/api/backends/kobold/generate"
        with client.stream("POST", path, json=asked | {"streaming": True}) as answer:
            return _some("".join(str(row["token"]) for row in _events(answer.iter_lines())))

    def counts() -> str:
        body = {"url": server, "text": PROMPT}
        return f"{fields(client.post('/api/tokenizers/remote/kobold/count', json=body))['count']} tokens"

    yield tried(PROGRAM, name, "connects", connects)
    yield tried(PROGRAM, name, "counts tokens", counts)
    yield tried(PROGRAM, name, "writes", writes)
    yield tried(PROGRAM, name, "streams", streams)


def chat_backend(client: httpx.Client, address: str) -> Iterator[Row]:
    """The backend "Chat Completion / Custom (OpenAI-compatible)"."""
    name = "custom (OpenAI)"
    api = {"chat_completion_source": "custom", "custom_url": f"{address}/v1"}
    asked = api | {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me a short story about a fox."}],
        "max_tokens": 24,
        "temperature": 0.7,
        "top_p": 0.9,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "stop": [],
    }
    path = "/api/backends/chat-completions/generate"

    def connects() -> str:
        told = fields(client.post("/api/backends/chat-completions/status", json=api))
        return ", ".join(model["id"] for model in told["data"])

    def writes() -> str:
        told = fields(client.post(path, json=asked | {"stream": False}))
        return _some(str(told["choices"][0]["message"]["content"]))

    def streams() -> str:
        with client.stream("POST", path, json=asked | {"stream": True}) as answer:
            found = [row["choices"][0]["delta"].get("content") for row in _events(answer.iter_lines())]
        return _some("".join(filter(None, found)))

    yield tried(PROGRAM, name, "connects", connects)
    yield tried(PROGRAM, name, "writes", writes)
    yield tried(PROGRAM, name, "streams", streams)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line[len("data: ") :])


def _text(row: dict[str, Any] | Any) -> str:
    """Where the page looks for the text, whichever backend it was."""
    choice = (row.get("choices") or [{}])[0]
    return str(choice.get("text") or row.get("content") or row.get("response") or "")


def _some(text: str) -> str:
    assert text.strip(), "no text came"
    return repr(text)


def main() -> int:
    with studio() as address, sillytavern() as client:
        rows = [row for name in BACKENDS for row in text_backend(client, address, name)]
        rows += [*kobold_classic(client, address), *chat_backend(client, address)]
    print(table(rows))
    return int(any(row.result.startswith("FAILED") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
