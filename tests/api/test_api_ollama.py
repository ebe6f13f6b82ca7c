"""Ollama's dialect over the real server, with a scripted model: shapes, names, models that are made."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import zipfile
from collections.abc import Generator
from typing import Any

import httpx
import ollama
import pytest
import tiny_model
from hub_stand_in import Hub, serving
from models_stand_ins import tiny_gguf
from stage import ENDLESS, Stage
from talking import Client
from waiting import until

from fabula.app import Studio
from fabula.core.errors import EngineDied
from fabula.core.messages import IMAGE
from fabula.engine.scripted import Reply
from fabula.store.home import Home

HI = [{"role": "user", "content": "Hi"}]
GIF = b"GIF89a\x05\0\x05\0"
Json = dict[str, Any]


@pytest.fixture
def there(api: httpx.AsyncClient) -> httpx.AsyncClient:
    api.base_url = httpx.URL("http://127.0.0.1/api")
    return api


@pytest.fixture
def client_of(client: Client) -> Generator[ollama.Client]:
    """The Python client, at a server in a thread."""
    with ollama.Client(client.address) as other:
        yield other


def lines(answer: httpx.Response) -> list[Json]:
    return [json.loads(line) for line in answer.text.splitlines()]


async def chat(there: httpx.AsyncClient, **body: Any) -> Json:
    answer = await there.post("/chat", json={"model": "tiny", "messages": HI, "stream": False, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def make(there: httpx.AsyncClient, **body: Any) -> list[Json]:
    answer = await there.post("/create", json={"model": "mario", "from": "tiny", **body})
    assert answer.status_code == 200, answer.text
    return lines(answer)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_chat_streams_unless_told_otherwise(there: httpx.AsyncClient) -> None:
    answer = await there.post("/chat", json={"model": "tiny", "messages": HI, "tools": []})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *pieces, end = lines(answer)
    assert "".join(row["message"]["content"] for row in pieces) == "Hello there, traveller."
    assert not any(row["done"] for row in pieces)
    assert (end["done"], end["done_reason"], end["eval_count"]) == (True, "stop", 7)
    assert all(end[name] >= 0 for name in ("total_duration", "load_duration", "prompt_eval_duration"))


async def test_a_generated_text_comes_in_the_models_template(there: httpx.AsyncClient, stage: Stage) -> None:
    body = {"model": "tiny", "prompt": "Hi", "system": "Be kind.", "stream": False}
    told = (await there.post("/generate", json=body)).json()
    assert told["response"] == "Hello there, traveller."
    assert stage.worker.prompts[-1].pieces == ("<system>Be kind.</><user>Hi</><assistant>",)
    assert len(told["context"]) == told["prompt_eval_count"] + told["eval_count"]


async def test_a_context_is_gone_on_from(there: httpx.AsyncClient, stage: Stage) -> None:
    body: Json = {"model": "tiny", "prompt": "Hi", "stream": False}
    before = (await there.post("/generate", json=body)).json()["context"]
    await there.post("/generate", json=body | {"prompt": "And you?", "context": before})
    assert stage.worker.prompts[-1].pieces == (tuple(before), "<user>And you?</><assistant>")


async def test_a_raw_prompt_is_sent_as_it_is(there: httpx.AsyncClient, stage: Stage) -> None:
    await there.post("/generate", json={"model": "tiny", "prompt": "Once", "raw": True})
    assert stage.worker.prompts[-1].pieces == ("Once",)
    refused = await there.post("/generate", json={"model": "tiny", "prompt": "x", "raw": True, "system": "y"})
    assert (refused.status_code, "system" in refused.json()["error"]) == (400, True)


async def test_a_template_of_the_request_is_used_or_refused(there: httpx.AsyncClient, stage: Stage) -> None:
    body: Json = {"model": "tiny", "prompt": "Hi", "stream": False}
    await there.post("/generate", json=body | {"template": "Q: {{ .Prompt }}\nA: {{ .Response }}"})
    assert stage.worker.prompts[-1].pieces == ("Q: Hi\nA: ",)
    refused = await there.post("/generate", json=body | {"template": "{{ .Tools }}"})
    assert (refused.status_code, ".Tools" in refused.json()["error"]) == (400, True)


async def test_options_become_sampling_and_what_nobody_heeds_is_told(
    there: httpx.AsyncClient, stage: Stage
) -> None:
    options = {"temperature": 0, "num_predict": 3, "repeat_penalty": 1.3, "num_keep": 4, "numa": True}
    answer = await there.post(
        "/chat", json={"model": "tiny", "messages": HI, "options": options, "min_p": 0.2, "wizard": 1}
    )
    sampling = stage.worker.samplings[-1]
    assert (sampling.temperature, sampling.max_tokens, sampling.repetition_penalty) == (0, 3, 1.3)
    assert sampling.min_p == 0.2
    assert lines(answer)[-1]["fabula"]["ignored"] == ["options.num_keep", "options.numa", "wizard"]
    assert answer.headers["x-fabula-ignored"] == "wizard, options.num_keep, options.numa"


async def test_a_form_is_json_or_a_schema(there: httpx.AsyncClient, stage: Stage) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    for form, wanted in (("json", {"type": "object"}), (schema, schema), ("", None)):
        await chat(there, format=form)
        told = stage.worker.samplings[-1].json_schema
        assert (json.loads(told) if told else None) == wanted


WRONG: list[Json] = [
    {"format": "xml"},
    {"think": "a lot"},
    {"options": {"temperature": "hot"}},
    {"options": {"top_p": 7}},
    {"options": []},
    {"messages": [{"role": "wizard", "content": "x"}]},
    {"messages": [{"role": "user", "content": "x", "images": ["no image"]}]},
    {"messages": "Hi"},
    {"keep_alive": "soon"},
    {"tools": [{"type": "function"}]},
    {"model": ""},
    {"stream": "yes"},
]


async def test_what_is_wrong_is_refused_with_a_text(there: httpx.AsyncClient) -> None:
    for body in WRONG:
        answer = await there.post("/chat", json={"model": "tiny", "messages": HI, **body})
        assert (answer.status_code, isinstance(answer.json()["error"], str)) == (400, True), body


async def test_an_unknown_model_is_404_with_a_text(there: httpx.AsyncClient) -> None:
    answer = await there.post("/chat", json={"model": "gpt-9", "messages": HI})
    assert (answer.status_code, "gpt-9" in answer.json()["error"]) == (404, True)
    assert (await there.get("/nowhere")).json()["error"]


async def test_a_failure_in_mid_stream_is_one_line_with_a_text(
    there: httpx.AsyncClient, stage: Stage
) -> None:
    stage.script = [Reply("Hello there.", error=EngineDied("tiny", "it fell over"), fail_at=2)]
    *_, last = lines(await there.post("/chat", json={"model": "tiny", "messages": HI}))
    assert list(last) == ["error"]
    assert "it fell over" in last["error"]


async def test_a_long_prompt_is_refused_with_numbers_and_cut_only_where_asked(
    there: httpx.AsyncClient,
) -> None:
    talk = [{"role": role, "content": "word " * 600} for role in ("user", "assistant", "user")]
    refused = await there.post("/chat", json={"model": "tiny", "messages": talk})
    assert (refused.status_code, "2,048" in refused.json()["error"]) == (400, True)
    told = await chat(there, messages=talk, truncate=True)
    assert told["fabula"]["cut_messages"] == 2


async def test_images_reach_a_model_that_sees(there: httpx.AsyncClient, stage: Stage, home: Home) -> None:
    tiny_model.write(home.models / "seer-Q4_0.gguf")
    tiny_model.write(home.models / "mmproj-seer-F16.gguf", **{"general.type": "mmproj"})
    coded = base64.b64encode(GIF).decode()
    await chat(there, model="seer-Q4_0", messages=[{"role": "user", "content": "What?", "images": [coded]}])
    assert stage.worker.prompts[-1].images == (GIF,)
    assert stage.worker.prompts[-1].pieces == (f"<user>{IMAGE}What?</><assistant>",)
    shown = (await there.post("/show", json={"model": "seer-Q4_0"})).json()
    assert "vision" in shown["capabilities"]


async def test_log_probabilities_stand_beside_their_tokens(there: httpx.AsyncClient) -> None:
    rows = (await chat(there, logprobs=True, top_logprobs=2))["logprobs"]
    assert "".join(row["token"] for row in rows) == "Hello there, traveller."
    assert all(len(row["top_logprobs"]) == 2 and row["logprob"] <= 0 for row in rows)
    streamed = lines(await there.post("/chat", json={"model": "tiny", "messages": HI, "logprobs": True}))
    assert [row["logprobs"][0]["token"] for row in streamed[:-1]] == [row["token"] for row in rows]


async def test_a_client_that_goes_away_stops_the_engine(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    async with httpx.AsyncClient(base_url=client.address) as other:
        async with other.stream("POST", "/api/chat", json={"model": "tiny", "messages": HI}) as answer:
            await anext(answer.aiter_lines())
        await asyncio.to_thread(until, lambda: stage.stopped)
    assert stage.stopped == 1


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_to_write_loads_and_keep_alive_nought_unloads(there: httpx.AsyncClient) -> None:
    empty: list[tuple[str, Json]] = [
        ("/chat", {"messages": []}),
        ("/generate", {}),
        ("/generate", {"prompt": ""}),
    ]
    for path, body in empty:
        told = (await there.post(path, json={"model": "tiny", "keep_alive": "10m", **body})).json()
        assert (told["done"], told["done_reason"]) == (True, "load")
        (row,) = (await there.get("/ps")).json()["models"]
        assert (row["name"], row["context_length"], row["size_vram"]) == ("tiny:latest", 2048, 0)
        told = (await there.post(path, json={"model": "tiny", "keep_alive": 0, **body})).json()
        assert told["done_reason"] == "unload"
        assert (await there.get("/ps")).json() == {"models": []}


async def test_a_model_goes_with_its_exact_copy(there: httpx.AsyncClient, studio: Studio) -> None:
    await there.post("/generate", json={"model": "tiny"})
    await studio.by_hand.load("tiny@direct")
    assert len(studio.supervisor.running()) == 2
    await there.post("/generate", json={"model": "tiny", "keep_alive": 0})
    assert studio.supervisor.running() == []


async def test_a_negative_keep_alive_stays_for_ever(there: httpx.AsyncClient) -> None:
    await there.post("/generate", json={"model": "tiny", "keep_alive": -1})
    (row,) = (await there.get("/ps")).json()["models"]
    assert row["expires_at"].startswith("9999")


async def test_keep_alive_holds_also_where_it_is_said_while_a_reply_is_written(
    client: Client, stage: Stage
) -> None:
    stage.script = [ENDLESS]
    async with httpx.AsyncClient(base_url=client.address) as other:
        async with other.stream("POST", "/api/chat", json={"model": "tiny", "messages": HI}) as answer:
            lines = answer.aiter_lines()  # kept: one that is dropped hangs up
            await anext(lines)
            (row,) = (await other.get("/api/ps")).json()["models"]
            assert not row["expires_at"].startswith("9999")
            told = await other.post("/api/generate", json={"model": "tiny", "keep_alive": -1})
            assert told.json()["done_reason"] == "load"
            (row,) = (await other.get("/api/ps")).json()["models"]
            assert row["expires_at"].startswith("9999")
            told = await other.post("/api/generate", json={"model": "tiny", "keep_alive": 0})
            assert told.json()["done_reason"] == "unload"
            assert len((await other.get("/api/ps")).json()["models"]) == 1
        await asyncio.to_thread(until, lambda: not stage.worker.alive)
        assert (await other.get("/api/ps")).json() == {"models": []}


async def test_a_longer_context_loads_again_and_a_shorter_one_does_not(
    there: httpx.AsyncClient, stage: Stage
) -> None:
    for size in (512, 256, 4096, 512):  # others need the usual context, which is 2048 here
        await chat(there, options={"num_ctx": size})
    assert [worker.plan.context for worker in stage.workers] == [2048, 4096]


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_models_are_listed_with_a_tag_and_found_without(there: httpx.AsyncClient) -> None:
    (row,) = (await there.get("/tags")).json()["models"]
    assert (row["name"], row["model"], len(row["digest"])) == ("tiny:latest", "tiny:latest", 64)
    assert row["details"]["family"] == "llama"
    for name in ("tiny", "tiny:latest", "Tiny"):
        for field in ("model", "name"):
            assert (await there.post("/show", json={field: name})).status_code == 200


async def test_clients_may_only_knock(there: httpx.AsyncClient) -> None:
    assert [(await there.head(path)).status_code for path in ("/version", "/tags", "/ps")] == [200, 200, 200]


async def test_a_model_tells_its_header(there: httpx.AsyncClient) -> None:
    shown = (await there.post("/show", json={"model": "tiny"})).json()
    assert shown["model_info"]["general.architecture"] == "llama"
    assert shown["model_info"]["llama.context_length"] == 2048
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert (shown["capabilities"], shown["license"]) == (["completion"], "cc0-1.0")
    verbose = (await there.post("/show", json={"model": "tiny", "verbose": True})).json()
    assert verbose["model_info"]["tokenizer.ggml.tokens"] == ["a", "b"]


async def test_nothing_is_uploaded(there: httpx.AsyncClient) -> None:
    answer = await there.post("/push", json={"model": "tiny"})
    assert (answer.status_code, "uploads no models" in answer.json()["error"]) == (400, True)


# ── models that are made ────────────────────────────────────────────────────────────────────────────────


async def test_a_made_model_is_the_same_in_every_dialect(
    there: httpx.AsyncClient, api: httpx.AsyncClient, stage: Stage
) -> None:
    steps = await make(there, system="You are Mario.", parameters={"temperature": 0.25, "stop": ["END"]})
    assert steps[-1] == {"status": "success"}
    v1, native = "http://127.0.0.1/v1/chat/completions", "http://127.0.0.1/api/fabula/v1/generate"
    for ask in (
        there.post("/chat", json={"model": "mario", "messages": HI, "stream": False}),
        there.post("/generate", json={"model": "mario:latest", "prompt": "Hi"}),
        api.post(v1, json={"model": "mario", "messages": HI}),
        api.post(native, json={"model": "mario", "messages": [{"role": "user", "text": "Hi"}]}),
    ):
        assert (await ask).status_code == 200
        assert stage.worker.prompts[-1].pieces == ("<system>You are Mario.</><user>Hi</><assistant>",)
        sampling = stage.worker.samplings[-1]
        assert (sampling.temperature, sampling.stop) == (0.25, ("END",))
    assert len(stage.workers) == 1, "it shares the engine of the model that it is made of"


async def test_what_a_request_says_goes_before_what_a_made_model_has(
    there: httpx.AsyncClient, stage: Stage
) -> None:
    await make(there, parameters={"temperature": 0.25, "top_k": 7})
    await chat(there, model="mario", options={"temperature": 0.8})
    assert (stage.worker.samplings[-1].temperature, stage.worker.samplings[-1].top_k) == (0.8, 7)


async def test_a_made_model_shows_what_it_was_made_of(there: httpx.AsyncClient) -> None:
    await make(
        there,
        template="Q: {{ .Prompt }} A: {{ .Response }}",
        parameters={"num_ctx": 512},
        license="free",
        messages=[{"role": "assistant", "content": "It's-a me!"}],
    )
    shown = (await there.post("/show", json={"model": "mario"})).json()
    assert shown["template"] == "Q: {{ .Prompt }} A: {{ .Response }}"
    assert shown["parameters"].split() == ["num_ctx", "512"]
    assert shown["messages"] == [{"role": "assistant", "content": "It's-a me!"}]
    assert (shown["license"], shown["details"]["parent_model"]) == ("free", "tiny")
    again = await make(there, model="luigi", modelfile=shown["modelfile"], **{"from": ""})
    assert again[-1] == {"status": "success"}
    assert (await there.post("/show", json={"model": "luigi"})).json()["parameters"] == shown["parameters"]


async def test_a_modelfile_makes_one_too(there: httpx.AsyncClient, stage: Stage) -> None:
    text = (
        'FROM tiny\nPARAMETER top_k 9\nSYSTEM """You are Luigi."""\nMESSAGE user Who?\nMESSAGE assistant Me!'
    )
    answer = await there.post("/create", json={"name": "luigi", "modelfile": text, "stream": False})
    assert answer.json() == {"status": "success"}
    await chat(there, model="luigi")
    expected = "<system>You are Luigi.</><user>Who?</><assistant>Me!</><user>Hi</><assistant>"
    assert stage.worker.prompts[-1].pieces == (expected,)


async def test_the_native_api_lists_and_removes_it(there: httpx.AsyncClient, home: Home) -> None:
    await make(there, system="You are Mario.")
    native = "http://127.0.0.1/api/fabula/v1/models"
    rows = {row["name"]: row["base"] for row in (await there.get(native)).json()["models"]}
    assert rows == {"tiny": "", "mario": "tiny"}
    assert "mario" in str((await there.get(f"{native}/tiny")).json()["uses"])
    assert (await there.delete(f"{native}/tiny")).json()["error"]["code"] == "model_needed"
    assert (await there.post(f"{native}/mario/load")).json()["model"] == "tiny"
    assert (await there.delete(f"{native}/mario")).status_code == 204
    assert (home.models / "tiny.gguf").exists()


async def test_it_is_part_of_a_backup(there: httpx.AsyncClient, studio: Studio) -> None:
    await make(there, system="You are Mario.")
    with zipfile.ZipFile(await studio.backup()) as archive:
        assert json.loads(archive.read("derived/mario.json"))["system"] == "You are Mario."


async def test_an_upload_that_breaks_off_leaves_nothing(client: Client, home: Home) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(client.address).port)
    head = f"POST /api/blobs/sha256:{'a' * 64} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n"
    writer.write(head.encode() + b"half of it")
    await writer.drain()
    for _ in range(100):
        if home.blobs.exists():
            break
        await asyncio.sleep(0.02)
    writer.close()
    for _ in range(100):
        if not list(home.blobs.glob(".*.part")):
            break
        await asyncio.sleep(0.02)
    assert list(home.blobs.iterdir()) == []


async def test_one_made_of_a_made_one_keeps_what_that_has(there: httpx.AsyncClient, stage: Stage) -> None:
    await make(there, system="You are Mario.", parameters={"top_k": 7})
    await make(there, model="baby", parameters={"temperature": 0.1}, **{"from": "mario"})
    await chat(there, model="baby")
    sampling = stage.worker.samplings[-1]
    assert (sampling.top_k, sampling.temperature) == (7, 0.1)
    assert "You are Mario." in str(stage.worker.prompts[-1].pieces)


REFUSED: list[tuple[Json, int]] = [
    ({"from": "nobody"}, 404),
    ({"from": ""}, 400),
    ({"model": "tiny", "system": "x"}, 409),
    ({"model": "../../x y"}, 400),
    ({"template": "{{ .Tools }}"}, 400),
    ({"template": "{% broken"}, 400),
    ({"parameters": {"temperature": "hot"}}, 400),
    ({"files": {"a.gguf": "sha256:12"}}, 400),
    ({"files": {"a.gguf": f"sha256:{'0' * 64}"}, "from": ""}, 404),
    ({"adapters": {"nobody": ""}}, 404),
    ({"modelfile": "FROM tiny\nBREW tea"}, 400),
    ({"messages": [{"role": "tool", "content": "x"}]}, 400),
    ({"quantize": "Q99"}, 400),
]


async def test_what_cannot_be_made_is_refused_and_leaves_nothing(there: httpx.AsyncClient) -> None:
    for body, status in REFUSED:
        asked = {"model": "mario", "from": "tiny", "stream": False, **body}
        answer = await there.post("/create", json=asked)
        assert (answer.status_code, isinstance(answer.json()["error"], str)) == (status, True), answer.text
    assert len((await there.get("/tags")).json()["models"]) == 1


async def test_a_model_is_copied_and_deleted_by_its_whole_name(there: httpx.AsyncClient, home: Home) -> None:
    copied = await there.post("/copy", json={"source": "tiny", "destination": "me/twin:v1"})
    assert (copied.status_code, copied.content) == (200, b"")
    names = [(row["name"], row["digest"]) for row in (await there.get("/tags")).json()["models"]]
    assert [name for name, _ in names] == ["tiny:latest", "me/twin:v1"]
    assert names[0][1] == names[1][1], "the same under another name"
    refused = await there.request("DELETE", "/delete", json={"model": "tiny"})
    assert (refused.status_code, "me/twin:v1" in refused.json()["error"]) == (409, True)
    assert (await there.request("DELETE", "/delete", json={"model": "tin"})).status_code == 404
    for name in ("me/twin:v1", "tiny:latest"):
        assert (await there.request("DELETE", "/delete", json={"name": name})).status_code == 200
    assert not (home.models / "tiny.gguf").exists()


async def test_a_made_model_without_its_base_says_so(there: httpx.AsyncClient, home: Home) -> None:
    await make(there)
    (home.models / "tiny.gguf").unlink()
    answer = await there.post("/chat", json={"model": "mario", "messages": HI})
    assert (answer.status_code, "no longer here" in answer.json()["error"]) == (502, True)
    assert (await there.request("DELETE", "/delete", json={"model": "mario"})).status_code == 200


# ── files that are sent ─────────────────────────────────────────────────────────────────────────────────


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_a_file_that_was_sent_becomes_a_model(there: httpx.AsyncClient, home: Home) -> None:
    data = (home.models / "tiny.gguf").read_bytes() + bytes(32)
    digest = digest_of(data)
    assert (await there.head(f"/blobs/{digest}")).status_code == 404
    assert (await there.post(f"/blobs/{digest}", content=data)).status_code == 201
    assert (await there.head(f"/blobs/{digest}")).status_code == 200
    body = {"model": "sent", "files": {"any.gguf": digest}, "stream": False}
    assert (await there.post("/create", json=body)).json() == {"status": "success"}
    assert (home.models / "sent.gguf").read_bytes() == data
    assert (await chat(there, model="sent"))["message"]["content"] == "Hello there, traveller."
    assert (await there.head(f"/blobs/{digest}")).status_code == 200, "it is known as the model's file"
    row = (await there.get("/tags")).json()["models"][0]
    assert f"sha256:{row['digest']}" == digest
    again = await there.post("/create", json={**body, "model": "other", "system": "x"})
    assert again.json() == {"status": "success"}
    assert list(home.blobs.iterdir()) == []


async def test_a_file_with_another_checksum_is_not_kept(there: httpx.AsyncClient, home: Home) -> None:
    answer = await there.post(f"/blobs/sha256:{'a' * 64}", content=b"hello")
    assert (answer.status_code, isinstance(answer.json()["error"], str)) == (400, True)
    assert list(home.blobs.iterdir()) == []
    assert (await there.post("/blobs/sha256:12", content=b"x")).status_code == 400


async def test_a_file_that_is_no_model_is_refused_and_stays_sent(
    there: httpx.AsyncClient, home: Home
) -> None:
    digest = digest_of(b"hello")
    await there.post(f"/blobs/{digest}", content=b"hello")
    answer = await there.post("/create", json={"model": "sent", "files": {"a.gguf": digest}})
    assert answer.status_code == 400
    assert [file.name for file in home.blobs.iterdir()] == [digest.replace(":", "-")]


def test_a_file_larger_than_other_bodies_is_taken(client: Client, home: Home) -> None:
    data = bytes(70 << 20)
    answer = httpx.post(f"{client.address}/api/blobs/{digest_of(data)}", content=data, timeout=60)
    assert answer.status_code == 201
    (file,) = home.blobs.iterdir()
    assert file.stat().st_size == len(data)


def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_is_read(client: Client) -> None:
    connection = http.client.HTTPConnection(httpx.URL(client.address).netloc.decode(), timeout=30)
    connection.putrequest("POST", f"/api/blobs/sha256:{'a' * 64}")
    connection.putheader("content-length", f"{1 << 57}")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, isinstance(json.load(answer)["error"], str)) == (507, True)
    connection.close()


# ── pulling ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        hub.add("someone/Small-GGUF", {"Small-Q4_0.gguf": tiny_gguf(rows=256)})
        hub.add("someone/Big-GGUF", {"Big-Q4_0.gguf": tiny_gguf(rows=16 << 10)})
        yield hub


def test_a_model_is_pulled_with_its_progress_and_found_by_what_it_was_called(
    hub: Hub, client_of: ollama.Client, home: Home
) -> None:
    name = "hf.co/someone/Small-GGUF:Q4_0"
    steps = list(client_of.pull(name, stream=True))
    assert steps[0].status == "pulling manifest"
    assert steps[-1].status == "success"
    bars = [step for step in steps if step.digest]
    assert {step.digest for step in bars} == {bars[0].digest}
    assert (bars[-1].completed, bars[-1].total) == (
        bars[-1].total,
        (home.models / "Small-Q4_0.gguf").stat().st_size,
    )
    assert client_of.chat(name, HI).message.content == "Hello there, traveller."
    assert [step.status for step in client_of.pull(name, stream=True)] == ["pulling manifest", "success"]


def test_a_well_known_name_is_found_and_what_is_fetched_is_said(hub: Hub, client_of: ollama.Client) -> None:
    repository = "hugging-quants/Llama-3.2-3B-Instruct-Q4_K_M-GGUF"  # which the catalogue names
    hub.add(repository, {"llama-3.2-3b-instruct-q4_k_m.gguf": tiny_gguf(rows=256)})
    steps = [step.status for step in client_of.pull("llama3.2:3b", stream=True)]
    assert (steps[1] or "").startswith(f"resolved to hf:{repository}")
    assert client_of.chat("llama3.2:3b", HI).message.content == "Hello there, traveller."


def test_a_pull_can_answer_at_its_end(hub: Hub, client_of: ollama.Client) -> None:
    assert client_of.pull("hf:someone/Small-GGUF").status == "success"
    with pytest.raises(ollama.ResponseError):
        client_of.pull("hf.co/someone/Nothing-GGUF")
    with pytest.raises(ollama.ResponseError) as missing:
        client_of.pull("no-such-model-anywhere")
    assert missing.value.status_code == 404


def test_a_client_that_goes_away_pauses_its_download(
    hub: Hub, client: Client, client_of: ollama.Client
) -> None:
    hub.pause = 0.05
    steps = client_of.pull("hf.co/someone/Big-GGUF:Q4_0", stream=True)
    next(step for step in steps if step.completed)
    steps.close()  # type: ignore[attr-defined]
    for _ in range(200):
        (row,) = client.get("/downloads")["downloads"]
        if row["state"] == "paused":
            break
    assert row["state"] == "paused"
    hub.pause = 0
    assert client_of.pull("hf.co/someone/Big-GGUF:Q4_0").status == "success"


def test_a_model_is_quantized_while_it_is_made(client_of: ollama.Client, home: Home) -> None:
    steps = list(client_of.create("small", from_="tiny", quantize="q8_0", stream=True))
    assert any((step.status or "").startswith("quantizing F32 model to Q8_0") for step in steps)
    assert steps[-1].status == "success"
    assert (home.models / "small.gguf").exists()
    assert client_of.chat("small", HI).message.content == "Hello there, traveller."


# ── embeddings ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def embedder(home: Home, studio: Studio) -> str:
    tiny_model.write(home.models / "bert.gguf", **{"llama.pooling_type": 1})
    return "bert"


async def test_texts_become_vectors(there: httpx.AsyncClient, embedder: str) -> None:
    one = (await there.post("/embed", json={"model": embedder, "input": "a"})).json()
    two = (await there.post("/embed", json={"model": embedder, "input": ["a", "b"], "dimensions": 4})).json()
    assert (len(one["embeddings"]), [len(row) for row in two["embeddings"]]) == (1, [4, 4])
    old = (await there.post("/embeddings", json={"model": embedder, "prompt": "a"})).json()
    assert old["embedding"] == one["embeddings"][0]
    shown = (await there.post("/show", json={"model": embedder})).json()
    assert shown["capabilities"] == ["embedding"]


async def test_a_model_that_writes_makes_no_vectors(there: httpx.AsyncClient) -> None:
    answer = await there.post("/embed", json={"model": "tiny", "input": "a"})
    assert (answer.status_code, isinstance(answer.json()["error"], str)) == (400, True)


# ── reasoning and tools ─────────────────────────────────────────────────────────────────────────────────

THINKS = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "台北"}}\n</tool_call>'
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def thinker(home: Home) -> str:
    tiny_model.write(home.models / "thinker.gguf", **{"tokenizer.chat_template": THINKS})
    return "thinker"


async def test_thoughts_come_in_their_own_field(there: httpx.AsyncClient, stage: Stage, thinker: str) -> None:
    stage.script = ["<think>\nA greeting.\n</think>\n\nHello!"]
    told = (await chat(there, model=thinker, think=True))["message"]
    assert (told["thinking"].strip(), told["content"]) == ("A greeting.", "Hello!")
    rows = lines(await there.post("/generate", json={"model": thinker, "prompt": "Hi"}))
    assert "".join(row.get("thinking", "") for row in rows).strip() == "A greeting."
    assert "".join(row["response"] for row in rows) == "Hello!"
    shown = (await there.post("/show", json={"model": thinker})).json()["capabilities"]
    assert shown == ["completion", "tools", "thinking"]


async def test_no_thoughts_where_none_are_wanted(
    there: httpx.AsyncClient, stage: Stage, thinker: str
) -> None:
    await chat(there, model=thinker, think=False)
    assert stage.worker.prompts[-1].pieces[-1].endswith("<think></think>")  # type: ignore[union-attr]
    told = await chat(there, think="high")
    assert {"think", "think_effort"} <= set(told["fabula"]["ignored"])


async def test_a_call_of_a_tool_has_an_object(there: httpx.AsyncClient, stage: Stage, thinker: str) -> None:
    stage.script = [CALL]
    whole = (await chat(there, model=thinker, tools=[WEATHER]))["message"]["tool_calls"]
    rows = lines(await there.post("/chat", json={"model": thinker, "messages": HI, "tools": [WEATHER]}))
    streamed = [call for row in rows for call in row["message"].get("tool_calls", [])]
    for (call,) in (whole, streamed):
        assert call["function"] == {"index": 0, "name": "weather", "arguments": {"city": "台北"}}
    assert rows[-1]["done_reason"] == "stop"
    answer = {"role": "tool", "tool_name": "weather", "content": "rain"}
    said = [*HI, {"role": "assistant", "tool_calls": whole}, answer]
    await chat(there, model=thinker, messages=said)
    assert "[tool]rain" in str(stage.worker.prompts[-1].pieces)
