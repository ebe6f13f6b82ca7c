"""The real `ollama` client against a real `fabula serve` with the real engine and the starter model."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest
import pytest_asyncio
import tiny_bert
import tiny_model
from adapter_making import changes_of, write_gguf
from ollama import AsyncClient, Client, ResponseError
from studio_process import StudioProcess, home_with
from waiting import until

MODEL = "smollm2"
HELLO = [{"role": "user", "content": "Tell me a short story about a fox."}]
SHORT = {"temperature": 0, "num_predict": 24}


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file."""
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    tiny_bert.write(home / "models" / "bert.gguf")
    studio = StudioProcess(home)
    yield studio
    studio.close()


@pytest.fixture(autouse=True)
def nothing_is_left() -> None:
    """Engines come and go inside the studio; what is left of it at the end is looked at there."""


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[Client]:
    with Client(studio.address, timeout=120) as client:
        yield client


@pytest_asyncio.fixture
async def gently(studio: StudioProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(studio.address, timeout=120) as client:
        yield client


def chat(client: Client, **more: Any) -> ollama.ChatResponse:
    return client.chat(**{"model": MODEL, "messages": HELLO, "options": SHORT, **more})


# ── every method ────────────────────────────────────────────────────────────────────────────────────────


def test_the_clients_default_calls_reach_a_studio_by_ollama_host(
    studio: StudioProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", studio.address.removeprefix("http://"))
    with Client() as client:
        assert client.chat(MODEL, HELLO, options=SHORT).message.content
    assert httpx.get(studio.address).text == "Ollama is running"


def test_models_are_listed_and_shown(client: Client, starter_model: Path) -> None:
    row = client.list().models[-1]
    assert row.model == f"{starter_model.stem}:latest"
    assert row.size == starter_model.stat().st_size
    shown = client.show(row.model)
    assert shown.modelinfo
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.capabilities
    assert "completion" in shown.capabilities
    assert shown.template
    assert shown.details
    assert (shown.details.parameter_size, shown.details.quantization_level) == ("134.52M", "Q4_1")


def test_a_model_is_loaded_listed_and_unloaded(client: Client) -> None:
    assert client.generate(MODEL, keep_alive="10m").done_reason == "load"
    row = client.ps().models[0]
    assert row.context_length == 2048
    assert row.size
    assert row.expires_at
    assert client.generate(MODEL, keep_alive=0).done_reason == "unload"
    assert client.ps().models == []


async def test_a_chat_says_the_same_whole_streamed_and_asynchronously(
    client: Client, gently: AsyncClient
) -> None:
    whole = chat(client)
    pieces = list(chat(client, stream=True))
    again = await gently.chat(MODEL, HELLO, options=SHORT)
    stream = await gently.chat(MODEL, HELLO, options=SHORT, stream=True)
    streamed = "".join([piece.message.content or "" async for piece in stream])
    text = "".join(piece.message.content or "" for piece in pieces)
    assert whole.message.content == text == again.message.content == streamed
    assert (whole.done_reason, whole.eval_count, pieces[-1].eval_count) == ("length", 24, 24)
    assert pieces[-1].prompt_eval_count == whole.prompt_eval_count
    assert whole.total_duration
    assert whole.eval_duration
    assert whole.total_duration >= whole.eval_duration > 0


def test_the_text_is_that_of_openais_dialect(client: Client, studio: StudioProcess) -> None:
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 24, "temperature": 0}
    theirs = httpx.post(f"{studio.address}/v1/chat/completions", json=body, timeout=60).json()
    assert chat(client).message.content == theirs["choices"][0]["message"]["content"]
    seeded = {"temperature": 1.2, "seed": 7, "num_predict": 24}
    body |= {"temperature": 1.2, "seed": 7}
    theirs = httpx.post(f"{studio.address}/v1/chat/completions", json=body, timeout=60).json()
    assert chat(client, options=seeded).message.content == theirs["choices"][0]["message"]["content"]


async def test_a_text_is_generated_whole_and_streamed(client: Client, gently: AsyncClient) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "prompt": "The capital of France is",
        "options": SHORT,
        "raw": True,
    }
    whole = client.generate(**asked)
    streamed = "".join(piece.response for piece in client.generate(**asked, stream=True))
    assert "Paris" in whole.response
    assert whole.response == streamed == (await gently.generate(**asked)).response


def test_a_context_carries_the_conversation_on(client: Client) -> None:
    first = client.generate(MODEL, "My name is Robin. Say hello to me.", options=SHORT)
    assert first.context
    assert len(first.context) == (first.prompt_eval_count or 0) + (first.eval_count or 0)
    second = client.generate(MODEL, "What is my name?", context=first.context, options=SHORT)
    assert (second.prompt_eval_count or 0) > len(first.context)
    talk = [
        {"role": "user", "content": "My name is Robin. Say hello to me."},
        {"role": "assistant", "content": first.response},
        {"role": "user", "content": "What is my name?"},
    ]
    assert client.chat(MODEL, talk, options=SHORT).message.content is not None


def test_a_form_is_kept(client: Client) -> None:
    """The starter may fill its limit with white space; the form begins all the same."""
    kinds = {"type": "object", "properties": {"kind": {"enum": ["fox", "hare"]}}, "required": ["kind"]}
    made = chat(client, format=kinds, options=SHORT | {"num_predict": 60}).message.content or ""
    assert re.match(r'\s*\{\s*"kind"\s*:\s*"(fox|hare)"', made)
    assert (chat(client, format="json").message.content or "").lstrip().startswith("{")


def test_log_probabilities_are_told(client: Client) -> None:
    answer = chat(client, logprobs=True, top_logprobs=3)
    assert answer.logprobs
    assert "".join(row.token for row in answer.logprobs) == answer.message.content
    assert all(len(row.top_logprobs or []) == 3 for row in answer.logprobs)
    best = max(math.exp(choice.logprob) for choice in answer.logprobs[0].top_logprobs or [])
    assert 0 < best <= 1


def test_tools_that_the_model_cannot_see_are_told(client: Client, studio: StudioProcess) -> None:
    def weather(city: str) -> str:
        """The weather.

        Args:
          city: a city
        """
        return city

    assert chat(client, tools=[weather]).message.content
    body = {"model": MODEL, "messages": HELLO, "options": SHORT, "tools": [], "stream": False}
    assert (
        "tools"
        not in httpx.post(f"{studio.address}/api/chat", json=body, timeout=60).json()["fabula"]["ignored"]
    )


def test_a_model_is_made_used_copied_and_deleted(client: Client) -> None:
    made = client.create(
        "pirate",
        from_=MODEL,
        system="You are a pirate.",
        parameters={"temperature": 0, "num_predict": 16},
        messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Arr!"}],
    )
    assert made.status == "success"
    alone = client.chat("pirate", HELLO)
    said = [{"role": "system", "content": "You are a pirate."}]
    said += [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Arr!"}, *HELLO]
    spelled = client.chat(MODEL, said, options={"temperature": 0, "num_predict": 16})
    assert alone.message.content == spelled.message.content
    assert alone.eval_count == 16
    assert client.copy("pirate", "captain").status == "success"
    assert client.chat("captain:latest", HELLO).message.content == alone.message.content
    shown = client.show("captain")
    assert shown.parameters
    assert shown.parameters.split() == ["temperature", "0", "num_predict", "16"]
    for name in ("pirate", "captain"):
        assert client.delete(name).status == "success"
    assert len(client.list().models) == 2


def test_a_model_with_an_adapter_has_an_engine_of_its_own(
    client: Client, starter_model: Path, tmp_path: Path
) -> None:
    changes = changes_of(starter_model, ("attn_output", "ffn_down"), 1, "one")
    digest = client.create_blob(write_gguf(tmp_path / "one.gguf", changes))
    plain = chat(client).message.content
    assert client.create("odd", from_=MODEL, adapters={"one.gguf": digest}).status == "success"
    assert chat(client, model="odd").message.content != plain
    assert chat(client).message.content == plain, "its base stays what it is"
    assert {row.model for row in client.ps().models} >= {"odd:latest"}
    client.delete("odd")
    assert "odd:latest" not in {row.model for row in client.ps().models}


def test_a_file_is_sent_and_becomes_a_smaller_model(
    client: Client, studio: StudioProcess, tmp_path: Path
) -> None:
    digest = client.create_blob(tiny_model.write(tmp_path / "tiny.gguf"))
    steps = list(client.create("sent", files={"tiny.gguf": digest}, stream=True))
    assert steps[-1].status == "success"
    assert "sent:latest" in [row.model for row in client.list().models]
    client.delete("sent")


def test_a_model_that_is_here_is_not_pulled_again(client: Client) -> None:
    assert client.pull(MODEL).status == "success"
    assert [step.status for step in client.pull(MODEL, stream=True)][-1] == "success"


async def test_texts_become_vectors(client: Client, gently: AsyncClient) -> None:
    made = client.embed("bert", ["the cat sat", "the king ate"])
    assert [math.hypot(*row) for row in made.embeddings] == pytest.approx([1, 1], abs=1e-3)
    assert list(client.embeddings("bert", "the cat sat").embedding) == pytest.approx(
        made.embeddings[0], abs=1e-4
    )
    assert len((await gently.embed("bert", "the cat sat", dimensions=4)).embeddings[0]) == 4


def test_a_text_that_is_too_long_is_cut_only_where_asked(client: Client, studio: StudioProcess) -> None:
    long = "cat " * 100
    with pytest.raises(ResponseError) as refusal:
        client.embed("bert", long)
    assert refusal.value.status_code == 400
    assert len(client.embed("bert", [long, "cat"], truncate=True).embeddings) == 2
    body = {"model": "bert", "input": [long, "cat"], "truncate": True}
    told = httpx.post(f"{studio.address}/api/embed", json=body, timeout=60).json()
    assert told["fabula"]["cut_texts"] == 1


# ── errors, going away, several at once ─────────────────────────────────────────────────────────────────


async def test_errors_are_what_the_client_expects(client: Client, gently: AsyncClient) -> None:
    for ask, status in (
        (lambda: client.chat("gpt-9", HELLO), 404),
        (lambda: list(client.chat("gpt-9", HELLO, stream=True)), 404),
        (lambda: client.show("gpt-9"), 404),
        (lambda: client.delete("gpt-9"), 404),
        (lambda: client.copy("gpt-9", "x"), 404),
        (lambda: client.push(MODEL), 400),
        (lambda: client.embed(MODEL, "x"), 400),
        (lambda: chat(client, options={"temperature": -1}), 400),
        (lambda: chat(client, messages=[{"role": "user", "content": "word " * 3000}]), 400),
        (lambda: client.create("mario", from_=MODEL, template="{{ .Tools }}"), 400),
    ):
        with pytest.raises(ResponseError) as refusal:
            ask()
        assert refusal.value.status_code == status
        assert refusal.value.error
    with pytest.raises(ResponseError):
        await gently.chat("gpt-9", HELLO)


async def test_going_away_stops_the_engine(gently: AsyncClient, studio: StudioProcess) -> None:
    stream = await gently.chat(MODEL, HELLO, options={"num_predict": 1500}, stream=True)
    await anext(aiter(stream))
    await stream.aclose()  # type: ignore[attr-defined]
    until(lambda: all(not row["busy"] for row in studio.client.get("/system")["running"]))


async def test_several_ask_at_once(gently: AsyncClient) -> None:
    prompts = ["One, two, three,", "The capital of France is", "Once upon a time"]

    async def write(prompt: str) -> str:
        stream = await gently.generate(MODEL, prompt, raw=True, options=SHORT, stream=True)
        return "".join([piece.response async for piece in stream])

    together = await asyncio.gather(*map(write, prompts))
    assert [bool(text) for text in together] == [True, True, True]
    assert len(set(together)) == 3


def test_a_longer_context_is_loaded_and_stays(client: Client) -> None:
    chat(client, options=SHORT | {"num_ctx": 4096})
    assert client.ps().models[0].context_length == 4096
    chat(client, options=SHORT | {"num_ctx": 1024})
    assert client.ps().models[0].context_length == 4096, "what is there is enough"
