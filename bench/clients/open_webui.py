"""Open WebUI in front of a studio: python -m bench.clients.open_webui

It is started with the studio as its Ollama and as its OpenAI-compatible server, a first account is made, and
its own API, which its page uses, lists the models of both and chats with each, whole and streamed. Prints a
table; the exit status is 1 where something failed. Measures nothing. It weighs 2.4 GB, torch included.
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

from bench.clients.running import Row, fields, free_port, installed, process, studio, table, tried

PROGRAM = "Open WebUI 0.12.4"
PERSON = {"name": "Ann", "email": "ann@example.com", "password": "a-long-password-1"}
QUIET = {
    # It looks for nothing on the network and loads no model of its own.
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "RAG_EMBEDDING_ENGINE": "openai",
    "ENABLE_TITLE_GENERATION": "false",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "WEBUI_SECRET_KEY": "for-this-run-only",
    "FROM_INIT_PY": "true",  # as its own command starts it: the page lies in the package
}


@contextmanager
def open_webui(address: str) -> Iterator[httpx.Client]:
    """A client of its API, signed in."""
    program = installed("open_webui")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        command = [program / "bin" / "python", "-m", "uvicorn", "open_webui.main:app"]
        settings = QUIET | {
            "DATA_DIR": folder,
            "OLLAMA_BASE_URL": address,
            "OPENAI_API_BASE_URL": f"{address}/v1",
            "OPENAI_API_KEY": "none",
        }
        flags = ["--host", "127.0.0.1", "--port", f"{port}"]
        with (
            process([*command, *flags], f"{base}/health", Path(folder), **settings),
            httpx.Client(base_url=base, timeout=120) as client,
        ):
            token = fields(client.post("/api/v1/auths/signup", json=PERSON))["token"]
            client.headers["authorization"] = f"Bearer {token}"
            yield client


def ways(client: httpx.Client) -> Iterator[Row]:
    """Both kinds of servers that it knows; its list has the models of each."""

    def listed() -> str:
        return ", ".join(f"{model['id']} ({model['owned_by']})" for model in _models(client))

    yield tried(PROGRAM, "both", "lists models", listed)
    yield tried(
        PROGRAM, "ollama", "version", lambda: str(fields(client.get("/ollama/api/version"))["version"])
    )
    for model in _models(client):
        way = str(model["owned_by"])
        asked = {
            "model": model["id"],
            "messages": [{"role": "user", "content": "Tell me a short story about a fox."}],
            "max_tokens": 24,
            "temperature": 0.7,
        }

        def writes(asked: dict[str, Any] = asked) -> str:
            told = fields(client.post("/api/chat/completions", json=asked | {"stream": False}))
            return _some(str(told["choices"][0]["message"]["content"]))

        def streams(asked: dict[str, Any] = asked) -> str:
            path = "/api/chat/completions"
            with client.stream("POST", path, json=asked | {"stream": True}) as answer:
                lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: {")]
            deltas = [choice["delta"] for line in lines for choice in json.loads(line).get("choices", ())]
            return _some("".join(delta.get("content") or "" for delta in deltas))

        yield tried(PROGRAM, way, "chats", writes)
        yield tried(PROGRAM, way, "streams", streams)


def _models(client: httpx.Client) -> list[dict[str, Any]]:
    models = fields(client.get("/api/models"))["data"]
    return [model for model in models if model["owned_by"] in ("ollama", "openai", "local")]


def _some(text: str) -> str:
    assert text.strip(), "no text came"
    return repr(text)


def main() -> int:
    with studio() as address, open_webui(address) as client:
        rows = list(ways(client))
    print(table(rows))
    return int(any(row.result.startswith("FAILED") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
