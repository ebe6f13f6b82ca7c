"""Embeddings, rankings and tokens, over the native API and in OpenAI's dialect."""

from __future__ import annotations

import base64
import struct

import httpx
import pytest
import tiny_model
from stage import Stage

from fabula.store.home import Home

V1 = "http://127.0.0.1/v1"


@pytest.fixture
def home(home: Home) -> Home:
    """With a model that writes, `tiny`, one that embeds and one that judges."""
    tiny_model.write(home.models / "vectors.gguf", **{"llama.pooling_type": 1})
    tiny_model.write(home.models / "judge.gguf", **{"llama.pooling_type": 4})
    return home


async def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_each_text_gets_a_vector(api: httpx.AsyncClient) -> None:
    answer = (await api.post("/embed", json={"texts": ["the cat", "dogs"]})).json()
    assert (answer["model"], answer["tokens"], len(answer["embeddings"])) == ("vectors", 4, 2)


async def test_documents_are_ranked_best_first(api: httpx.AsyncClient) -> None:
    body = {"query": "red dragon", "documents": ["cats", "the red dragon", "red"], "most": 2}
    answer = (await api.post("/rerank", json=body)).json()
    assert (answer["model"], [row["index"] for row in answer["results"]]) == ("judge", [1, 2])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/embed", {"texts": ["x"], "model": "tiny"}, "cannot_embed"),
        ("/embed", {"texts": ["x"], "model": "judge"}, "cannot_embed"),
        ("/rerank", {"query": "x", "documents": ["y"], "model": "vectors"}, "cannot_rerank"),
        ("/embed", {"texts": []}, "bad_parameter"),
        ("/embed", {"texts": ["a", ""]}, "bad_parameter"),
        ("/rerank", {"query": "", "documents": ["y"]}, "bad_parameter"),
    ],
)
async def test_what_cannot_be_done_is_told_before_anything_is_loaded(
    api: httpx.AsyncClient, stage: Stage, path: str, body: dict[str, object], code: str
) -> None:
    answer = await api.post(path, json=body)
    assert (answer.status_code, await code_of(answer)) == (400, code)
    assert stage.workers == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embedding"])
async def test_an_id_of_no_token_is_told_with_the_numbers(api: httpx.AsyncClient, path: str) -> None:
    for id in (99_999, 1 << 40):
        answer = await api.post(f"http://127.0.0.1{path}", json={"input": [1, id]})
        assert answer.status_code == 400
        assert f"tokens is {id}, but must be a whole number from 0 to" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/embeddings", {"input": ["a", ""]}, "input[1]"),
        ("/api/embed", {"model": "vectors", "input": ["a", ""]}, "input[1]"),
        ("/embedding", {"content": ""}, "content[0]"),
    ],
)
async def test_an_empty_text_is_named_as_it_was_sent(
    api: httpx.AsyncClient, path: str, body: dict[str, object], field: str
) -> None:
    answer = await api.post(f"http://127.0.0.1{path}", json=body)
    assert answer.status_code == 400
    told = answer.json()["error"]
    assert f'{field} is "", but must be' in (told if isinstance(told, str) else told["message"])


async def test_a_model_that_cannot_names_those_that_can(api: httpx.AsyncClient) -> None:
    answer = await api.post("/embed", json={"texts": ["x"], "model": "tiny"})
    assert answer.json()["error"]["fields"] == {"name": "tiny", "able": "vectors"}


async def test_a_model_that_writes_embeds_when_that_is_wished(api: httpx.AsyncClient) -> None:
    body = {"texts": ["x"], "model": "tiny", "load": {"pooling": "mean"}}
    assert (await api.post("/embed", json=body)).status_code == 200


async def test_how_another_one_wished_it_is_not_how_the_next_gets_it(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    judged = {"query": "a", "documents": ["b"], "model": "vectors", "load": {"pooling": "rank"}}
    assert (await api.post("/rerank", json=judged)).status_code == 200
    assert (await api.post("/embed", json={"texts": ["x"], "model": "vectors"})).status_code == 200
    assert [worker.plan.options.pooling for worker in stage.workers] == ["rank", "mean"]


async def test_how_a_model_makes_them_by_itself_needs_no_other_load(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    assert (await api.post("/models/vectors/load")).status_code == 200
    for load in ({}, {"pooling": "mean"}):
        answer = await api.post("/embed", json={"texts": ["x"], "model": "vectors", "load": load})
        assert answer.status_code == 200
    assert len(stage.workers) == 1


async def test_an_embedding_model_is_not_asked_for_replies(api: httpx.AsyncClient) -> None:
    body = {"model": "vectors", "messages": [{"role": "user", "content": "Hi"}]}
    assert await code_of(await api.post(f"{V1}/chat/completions", json=body)) == "writes_no_text"
    without = await api.post(f"{V1}/chat/completions", json={"messages": body["messages"]})
    assert without.json()["model"] == "tiny"  # nor taken where none is named


async def test_tokens_of_a_text_and_back(api: httpx.AsyncClient, home: Home) -> None:
    read = (await api.post("/tokenize", json={"text": "a b", "model": "tiny"})).json()
    assert read["count"] == len(read["tokens"]) == 3
    refused = await api.post("/detokenize", json={"tokens": [2], "model": "tiny"})  # it has two tokens
    assert await code_of(refused) == "bad_parameter"
    spelled = await api.post("/detokenize", json={"tokens": read["tokens"][:1], "model": "tiny"})
    assert spelled.json()["text"] == "a"


async def test_openai_s_vectors_are_floats_or_base64(api: httpx.AsyncClient) -> None:
    body = {"model": "vectors", "input": ["the cat", "dogs"]}
    floats = (await api.post(f"{V1}/embeddings", json=body)).json()
    packed = (await api.post(f"{V1}/embeddings", json=body | {"encoding_format": "base64"})).json()
    assert floats["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    for plain, coded in zip(floats["data"], packed["data"], strict=True):
        raw = base64.b64decode(coded["embedding"])
        assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain["embedding"])


@pytest.mark.parametrize(
    ("path", "field"), [("embeddings", "dimensions"), ("rerank", "top_n")], ids=["dimensions", "top_n"]
)
async def test_how_many_are_wished_is_at_least_one(api: httpx.AsyncClient, path: str, field: str) -> None:
    body = {"input": "the cat", "query": "cat", "documents": ["a cat"], field: 0}
    told = (await api.post(f"{V1}/{path}", json=body)).json()["error"]
    assert told["message"] == f"{field} is 0, but must be a whole number from 1 on."


@pytest.mark.parametrize("given", ["the cat", [1, 0, 1], ["the cat", "a dog"], [[1, 1], [0]]])
async def test_openai_s_input_is_text_or_ids_one_or_many(api: httpx.AsyncClient, given: object) -> None:
    answer = await api.post(f"{V1}/embeddings", json={"input": given})
    rows = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    assert len(answer.json()["data"]) == len(rows)


async def test_fewer_dimensions_are_the_first_ones_at_length_one(api: httpx.AsyncClient) -> None:
    body = {"input": "one two three four", "dimensions": 3}
    answer = await api.post(f"{V1}/embeddings", json=body)
    vector = answer.json()["data"][0]["embedding"]
    assert (len(vector), sum(part * part for part in vector)) == (3, pytest.approx(1))
    refused = await api.post(f"{V1}/embeddings", json=body | {"dimensions": 4096})
    assert await code_of(refused) == "bad_parameter"


@pytest.mark.parametrize("given", [None, [], "", 5, [["a"]], [[]], ["a", 1], [True]])
async def test_what_is_no_input_is_refused(api: httpx.AsyncClient, given: object) -> None:
    assert await code_of(await api.post(f"{V1}/embeddings", json={"input": given})) == "bad_parameter"


async def test_what_is_not_understood_is_in_a_header(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{V1}/embeddings", json={"input": "x", "hamster": 1, "user": "me"})
    assert answer.headers["x-fabula-ignored"] == "hamster"


async def test_rankings_in_the_dialect_of_other_servers(api: httpx.AsyncClient) -> None:
    body = {
        "query": "red dragon",
        "documents": ["a cat", {"text": "the red dragon"}],
        "top_n": 1,
        "return_documents": True,
    }
    (row,) = (await api.post(f"{V1}/rerank", json=body)).json()["results"]
    assert (row["index"], row["document"]) == (1, {"text": "the red dragon"})
