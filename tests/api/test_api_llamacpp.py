"""llama.cpp's routes through the real server, with a scripted worker."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import tiny_model
from adapter_making import noise, write_gguf
from stage import ENDLESS, Stage
from talking import Client
from waiting import until

from fabula.core.errors import EngineDied
from fabula.core.messages import IMAGE
from fabula.engine.scripted import Reply
from fabula.store.home import Home

Json = dict[str, Any]
GIF = b"GIF89a\x05\0\x05\0"
WORDS = (noise(4, 2, "a", 1), noise(32, 2, "b", 1))  # an adapter of the tiny model: 4 tokens, 32 wide


@pytest.fixture
def root(client: Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=client.address, timeout=30) as root:
        yield root


def complete(root: httpx.Client, **body: Any) -> Json:
    answer = root.post("/completion", json={"prompt": "Hi there", **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def events(root: httpx.Client, **body: Any) -> list[Json]:
    answer = root.post("/completion", json={"prompt": "Hi there", "stream": True, **body})
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


# ── completion ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/completion", "/completions"])
def test_a_prompt_is_completed(root: httpx.Client, path: str) -> None:
    body = root.post(path, json={"prompt": "Hi there", "n_predict": 3}).json()
    assert (body["content"], body["stop_type"], body["tokens_predicted"]) == ("Hello there", "limit", 3)
    assert (body["model"], body["stop"], body["index"]) == ("tiny", True, 0)


def test_a_stream_says_the_same_and_then_how_it_was(root: httpx.Client) -> None:
    *tokens, last = events(root)
    assert "".join(event["content"] for event in tokens) == "Hello there, traveller."
    assert all(not event["stop"] for event in tokens)
    assert (last["stop"], last["stop_type"], last["content"]) == (True, "eos", "")
    assert last["generation_settings"]["stream"]


def test_several_prompts_are_answered_in_their_order(root: httpx.Client) -> None:
    rows = root.post("/completion", json={"prompt": ["One", "Two", "Three"], "n_predict": 1}).json()
    assert [(row["index"], row["prompt"], row["content"]) for row in rows] == [
        (index, prompt, "Hello") for index, prompt in enumerate(("One", "Two", "Three"))
    ]


def test_several_prompts_are_streamed_with_their_index(root: httpx.Client) -> None:
    found = events(root, prompt=["One", "Two"])
    texts = {0: "", 1: ""}
    for event in found:
        texts[event["index"]] += event["content"]
    assert texts == {0: "Hello there, traveller.", 1: "Hello there, traveller."}
    assert sum(event["stop"] for event in found) == 2


def test_tokens_and_texts_reach_the_engine_as_they_were_mixed(root: httpx.Client, stage: Stage) -> None:
    complete(root, prompt=[1, "Hi", 2])
    assert stage.worker.prompts[-1].pieces == ((1,), "Hi", (2,))


def test_the_sampling_is_the_one_that_was_asked_for(root: httpx.Client, stage: Stage) -> None:
    complete(root, samplers=["top_k", "temperature"], top_k=7, temperature=0.3, repeat_penalty=1.1, seed=5)
    sampling = stage.worker.samplings[-1]
    assert (sampling.top_k, sampling.temperature, sampling.seed) == (7, 0.3, 5)
    assert (sampling.top_p, sampling.min_p, sampling.repetition_penalty) == (1.0, 0.0, 1.0)


def test_a_stop_string_is_told(root: httpx.Client) -> None:
    body = complete(root, stop=[", tra"])
    told = (body["content"], body["stop_type"], body["stopping_word"])
    assert told == ("Hello there", "word", ", tra")


def test_texts_in_biases_are_biased_token_by_token(root: httpx.Client, home: Home, stage: Stage) -> None:
    tiny_model.write(home.models / "ten.gguf", **{"tokenizer.ggml.tokens": [f"{id}" for id in range(10)]})
    complete(root, model="ten", logit_bias=[["Hi there", -2.0], [9, False]])
    ids = stage.worker.ids("Hi there")
    bias = dict(stage.worker.samplings[-1].logit_bias)
    assert bias == {9: float("-inf"), **dict.fromkeys(ids, -2.0)}


@pytest.mark.parametrize("stream", [False, True])
def test_probabilities_are_told(root: httpx.Client, stream: bool) -> None:
    rows = (
        [row for event in events(root, n_probs=1) for row in event.get("completion_probabilities", ())]
        if stream
        else complete(root, n_probs=1)["completion_probabilities"]
    )
    assert "".join(row["token"] for row in rows) == "Hello there, traveller."
    assert all(row["logprob"] == -0.25 and len(row["top_logprobs"]) == 1 for row in rows)


def test_tokens_are_returned_when_they_are_asked_for(root: httpx.Client, stage: Stage) -> None:
    assert complete(root)["tokens"] == []
    assert complete(root, return_tokens=True)["tokens"] == stage.worker.ids("Hello there, traveller.")


def test_progress_is_told_before_the_first_token(root: httpx.Client) -> None:
    found = events(root, return_progress=True)
    progress = [event["prompt_progress"] for event in found if "prompt_progress" in event]
    assert progress[-1]["processed"] == progress[-1]["total"] == 3
    assert all("prompt_progress" not in event for event in found if event["content"])


def test_what_has_no_effect_is_in_the_header_and_in_the_answer(root: httpx.Client) -> None:
    body = {"prompt": "Hi", "id_slot": 3, "samplers": ["top_k"], "min_p": 0.5}
    answer = root.post("/completion", json=body)
    assert answer.headers["x-fabula-ignored"] == "id_slot, min_p"
    assert answer.json()["fabula"]["ignored"] == ["id_slot", "min_p"]


def test_a_limit_of_time_stops_the_engine(root: httpx.Client, stage: Stage) -> None:
    stage.script = [Reply("One\ntwo three four five six seven eight.", delay_s=0.01)]
    body = complete(root, t_max_predict_ms=1)
    assert body["content"].startswith("One\n")
    assert "eight" not in body["content"]
    assert body["stop_type"] == "limit"
    assert stage.stopped == 1


def test_a_preset_is_laid_under_the_body(root: httpx.Client, stage: Stage) -> None:
    complete(root, preset="deterministic", top_k=3)
    assert stage.worker.samplings[-1].top_k == 3


def test_an_image_reaches_a_model_that_sees(home: Home, started: Callable[[], Client], stage: Stage) -> None:
    tiny_model.write(home.models / "seer-Q4_0.gguf")
    tiny_model.write(home.models / "mmproj-seer-F16.gguf", **{"general.type": "mmproj"})
    with httpx.Client(base_url=started().address, timeout=30) as root:
        marker = root.get("/props", params={"model": "seer-Q4_0"}).json()["media_marker"]
        prompt = {"prompt_string": f"See {marker}!", "multimodal_data": [base64.b64encode(GIF).decode()]}
        complete(root, model="seer-Q4_0", prompt=prompt)
        assert stage.worker.prompts[-1].pieces == (f"See {IMAGE}!",)
        assert stage.worker.prompts[-1].images == (GIF,)
        blind = root.post("/completion", json={"model": "tiny", "prompt": prompt})
    assert (blind.status_code, blind.json()["error"]["reason"]) == (400, "sees_no_images")


def test_adapters_go_by_their_number(home: Home, started: Callable[[], Client], stage: Stage) -> None:
    for name in ("words", "more"):
        write_gguf(home.adapters / f"{name}.gguf", {"token_embd.weight": WORDS})
    client = started()
    for name in ("words", "more"):
        client.post("/models/tiny/adapters/attach", {"adapter": name, "scale": 0.5})
    with httpx.Client(base_url=client.address, timeout=30) as root:
        found = root.get("/lora-adapters").json()
        assert [(row["id"], row["path"], row["scale"]) for row in found] == [
            (0, "words", 0.5),
            (1, "more", 0.5),
        ]
        complete(root, lora=[{"id": 1, "scale": 2}])
        assert dict(stage.worker.samplings[-1].adapters) == {"words": 0.0, "more": 2.0}
        root.post("/lora-adapters", json=[{"id": 0, "scale": 1.5}])
        assert [row["scale"] for row in root.get("/lora-adapters").json()] == [1.5, 0.0]


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(root: httpx.Client, stream: bool) -> None:
    answer = root.post("/completion", json={"prompt": "word " * 3000, "stream": stream})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "exceed_context_size_error")
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (6000, 2048)


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/completion", {}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "model": "gpt-9"}, 404, "not_found_error"),
        ("/completion", {"prompt": "x", "temperature": 10**400}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "n_predict": 10**400}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "t_max_predict_ms": 10**400}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "keep_alive": 10**400}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "logit_bias": [[1, 10**400]]}, 400, "invalid_request_error"),
        ("/completion", {"prompt": "x", "lora": [{"id": 0, "scale": 10**400}]}, 400, "invalid_request_error"),
        ("/infill", {"input_prefix": "x"}, 501, "not_supported_error"),
        ("/props", {}, 501, "not_supported_error"),
        ("/slots/0?action=save", {"filename": "x"}, 501, "not_supported_error"),
        ("/slots/0?action=erase", {}, 501, "not_supported_error"),
        ("/slots/0?action=paint", {}, 400, "invalid_request_error"),
        ("/tokenize", {"content": 5}, 400, "invalid_request_error"),
        ("/detokenize", {"tokens": ["x"]}, 400, "invalid_request_error"),
        ("/detokenize", {"tokens": [99]}, 400, "invalid_request_error"),
        ("/apply-template", {"messages": []}, 400, "invalid_request_error"),
        ("/embedding", {"content": "x"}, 400, "invalid_request_error"),
        ("/rerank", {"query": "x", "documents": ["y"]}, 400, "invalid_request_error"),
        ("/v1/reranking", {"query": "x", "documents": [5]}, 400, "invalid_request_error"),
        ("/models/load", {}, 400, "invalid_request_error"),
        ("/models/unload", {"model": "gpt-9"}, 404, "not_found_error"),
        ("/lora-adapters", {}, 400, "invalid_request_error"),
        ("/lora-adapters", [{"id": 0, "scale": 1}], 400, "invalid_request_error"),
        ("/completion/nowhere", {}, 404, "not_found_error"),
    ],
)
def test_errors_have_llama_cpps_shape(
    root: httpx.Client, path: str, body: object, status: int, kind: str
) -> None:
    answer = root.post(path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, status, kind)
    assert error["message"]


def test_a_list_that_is_no_text_is_named_as_it_was_sent(root: httpx.Client) -> None:
    told = root.post("/tokenize", json={"content": ["a", None]}).json()["error"]["message"]
    assert told == "content is ['a', None], but must be a text, or a list of texts and token ids."


def test_an_engine_that_dies_in_mid_stream_is_told(root: httpx.Client, stage: Stage) -> None:
    stage.script = [Reply("Hello there", error=EngineDied("tiny", "killed"), fail_at=1)]
    *_, last = events(root)
    assert (last["error"]["code"], last["error"]["type"]) == (502, "server_error")


def test_a_client_that_goes_away_stops_the_engine(root: httpx.Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    with root.stream("POST", "/completion", json={"prompt": "Hi", "stream": True}) as answer:
        next(answer.iter_lines())
    until(lambda: stage.stopped)
    assert complete(root, n_predict=1)["content"]
    assert stage.stopped == 1


# ── what the server says of itself ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/health", "/v1/health"])
def test_it_is_well(root: httpx.Client, path: str) -> None:
    assert root.get(path).json() == {"status": "ok"}


def test_properties_are_told_without_loading_anything(root: httpx.Client, stage: Stage, home: Home) -> None:
    props = root.get("/props").json()
    assert (props["total_slots"], props["default_generation_settings"]["n_ctx"]) == (4, 2048)
    assert "message.content" in props["chat_template"]
    assert props["chat_template_caps"]["supports_system_role"]
    assert not props["chat_template_caps"]["supports_tools"]
    assert props["modalities"] == {"vision": False, "video": False, "audio": False}
    assert (props["model_path"], props["is_sleeping"]) == (str(home.models / "tiny.gguf"), True)
    assert not stage.workers


def test_the_marker_of_images_is_the_one_that_prompts_need(root: httpx.Client) -> None:
    marker = root.get("/props").json()["media_marker"]
    prompt = {"prompt_string": f"See {marker}", "multimodal_data": [base64.b64encode(b"x").decode()]}
    error = root.post("/completion", json={"prompt": prompt}).json()["error"]
    assert "multimodal_data[0]" in error["message"], "the marker was understood, the image is none"


def test_models_are_listed_with_their_state_loaded_and_unloaded(root: httpx.Client) -> None:
    def state() -> str:
        (row,) = root.get("/models").json()["data"]
        assert row["id"] == "tiny"
        return str(row["status"]["value"])

    assert state() == "unloaded"
    assert root.post("/models/load", json={"model": "tiny"}).json() == {"success": True}
    assert state() == "loaded"
    assert root.post("/models/unload", json={"model": "tiny"}).json() == {"success": True}
    assert state() == "unloaded"


def test_slots_of_a_model_that_is_not_loaded_are_none(root: httpx.Client) -> None:
    assert root.get("/slots").json() == []


def test_a_model_without_adapters_has_none(root: httpx.Client) -> None:
    assert root.get("/lora-adapters").json() == []
    assert root.post("/lora-adapters", json=[]).json() == {"success": True}


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────


def test_texts_become_tokens_and_tokens_texts(root: httpx.Client, stage: Stage) -> None:
    assert root.post("/tokenize", json={"content": "Hi there"}).json() == {"tokens": [1, 2, 3]}
    pieces = root.post("/tokenize", json={"content": ["Hi", 0], "with_pieces": True}).json()
    assert pieces == {"tokens": [{"id": 1, "piece": "Hi"}, {"id": 0, "piece": ""}]}
    assert root.post("/tokenize", json={"content": ""}).json() == {"tokens": []}
    assert root.post("/detokenize", json={"tokens": [1]}).json() == {"content": "Hi"}


def test_a_template_is_applied_without_loading_anything(root: httpx.Client, stage: Stage) -> None:
    rows = [{"role": "user", "content": "Hi"}]
    assert root.post("/apply-template", json={"messages": rows}).json() == {
        "prompt": "<user>Hi</><assistant>"
    }
    rows.append({"role": "assistant", "content": "Well, "})
    answer = root.post("/apply-template", json={"messages": rows, "chat_template_kwargs": {"magic": 1}})
    assert answer.json() == {"prompt": "<user>Hi</><assistant>Well, "}
    assert "magic" in answer.headers["x-fabula-ignored"]
    assert not stage.workers


def test_parts_are_lines_in_a_template_and_images_are_marked(root: httpx.Client) -> None:
    look, *texts = ({"type": "text", "text": text} for text in ("Look:", "one", "two"))
    rows = [{"role": "user", "content": [look, {"type": "image_url"}, *texts]}]
    marker = root.get("/props").json()["media_marker"]
    asked = root.post("/apply-template", json={"messages": rows}).json()["prompt"]
    assert asked == f"<user>Look:{marker}one\ntwo</><assistant>"


def test_a_chat_at_the_root_is_openais(root: httpx.Client) -> None:
    rows = [{"role": "user", "content": "Hi"}]
    answer = root.post("/chat/completions", json={"messages": rows}).json()
    assert answer["choices"][0]["message"]["content"] == "Hello there, traveller."
    assert root.post("/chat/completions", json={}).json()["error"]["param"] == "messages"


# ── models that embed, judge, fill gaps ─────────────────────────────────────────────────────────────────


@pytest.fixture
def able(home: Home, started: Callable[[], Client]) -> Iterator[httpx.Client]:
    """A home that also has a model for embeddings and one for rankings."""
    tiny_model.write(home.models / "vectors.gguf", **{"llama.pooling_type": 1})
    tiny_model.write(home.models / "judge.gguf", **{"llama.pooling_type": 4})
    with httpx.Client(base_url=started().address, timeout=30) as root:
        yield root


@pytest.mark.parametrize("path", ["/embedding", "/embeddings"])
def test_embeddings_come_as_llama_cpp_gives_them(able: httpx.Client, path: str) -> None:
    rows = able.post(path, json={"content": ["Hi", "there"]}).json()
    assert [row["index"] for row in rows] == [0, 1]
    assert all(len(row["embedding"]) == 1 and len(row["embedding"][0]) == 8 for row in rows)
    assert able.post(path, json={"input": "Hi"}).json() == [rows[0]]


@pytest.mark.parametrize("path", ["/rerank", "/reranking", "/v1/reranking"])
def test_documents_are_ranked(able: httpx.Client, path: str) -> None:
    body = {"query": "a b", "documents": ["c", "a b", "a"], "top_n": 2}
    told = able.post(path, json=body).json()
    assert [row["index"] for row in told["results"]] == [1, 2]
    assert told["results"][0]["relevance_score"] > told["results"][1]["relevance_score"]


def test_a_number_of_documents_below_none_is_refused(able: httpx.Client) -> None:
    body = {"query": "a b", "documents": ["c", "a b", "a"]}
    assert able.post("/rerank", json=body | {"top_n": -1}).status_code == 400
    assert able.post("/rerank", json=body | {"top_n": 0}).json()["results"] == []


def test_documents_are_ranked_in_the_shape_of_tei(able: httpx.Client) -> None:
    rows = able.post("/rerank", json={"query": "a", "texts": ["b", "a"], "return_text": True}).json()
    assert [(row["index"], row["text"]) for row in rows] == [(1, "a"), (0, "b")]


def test_a_gap_is_filled_by_a_model_that_can(home: Home, started: Callable[[], Client], stage: Stage) -> None:
    tokens = ["a", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
    tiny_model.write(home.models / "coder.gguf", **{"tokenizer.ggml.tokens": tokens})
    extra = [{"filename": "a.py", "text": "A = 1"}, {"text": "B = 2"}]
    body = {"input_prefix": "def f(", "input_suffix": "return", "prompt": "x", "input_extra": extra}
    answer = httpx.post(f"{started().address}/infill", json=body | {"model": "coder"})
    assert answer.json()["content"] == "Hello there, traveller."
    snippets = "--- snippet ---\n\na.py\nA = 1\n--- snippet ---\n\nB = 2\n"
    wanted = ("", snippets, (1,), "def f(", (2,), "return", (3,), "x")
    assert stage.worker.prompts[-1].pieces == wanted
    assert stage.worker.prompts[-1].literal
