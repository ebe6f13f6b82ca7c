"""A real `fabula serve` scores texts beside the model that serves chats, and writes exactly where asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from openai import OpenAI
from studio_process import StudioProcess, home_with
from waiting import until

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    studio = StudioProcess(home)
    studio.client.post("/models/smollm2/load")
    studio.client.post("/models/smollm2/score", {"text": TEXT})
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def test_every_token_of_a_text_has_its_log_probability(studio: StudioProcess) -> None:
    scored = studio.client.post("/models/smollm2/score", {"text": TEXT, "likeliest": 3})
    first, *others = scored["tokens"]
    assert "".join(token["text"] for token in scored["tokens"]) == TEXT
    assert first["logprob"] is None
    assert scored["total"] == pytest.approx(sum(token["logprob"] for token in others))
    assert all(len(token["likeliest"]) == 3 for token in others)


def test_the_likeliest_continuation_is_told(studio: StudioProcess) -> None:
    asked = {"prefix": "The capital of France is", "continuations": [" a banana", " Paris", " London"]}
    assert studio.client.post("/models/smollm2/choices", asked)["best"] == 1


def test_a_model_does_not_differ_from_itself(studio: StudioProcess) -> None:
    made = studio.client.post("/models/smollm2/compare", {"other": "smollm2", "text": TEXT})
    assert made["kl"] == pytest.approx(0, abs=1e-6)
    assert made["same_top"] == 1
    assert made["on_disk"] == 0


def test_echo_with_logprobs_scores_the_prompt_and_writes_nothing(
    studio: StudioProcess, client: OpenAI
) -> None:
    made = client.completions.create(model="smollm2", prompt=TEXT, echo=True, logprobs=2, max_tokens=0)
    told = made.choices[0].logprobs
    scored = studio.client.post("/models/smollm2/score", {"text": TEXT})["tokens"]
    assert made.choices[0].text == TEXT
    assert told.token_logprobs[0] is None
    assert told.token_logprobs[1:] == pytest.approx([token["logprob"] for token in scored[1:]], abs=1e-6)
    assert told.text_offset[:2] == [0, 3]
    assert made.usage.prompt_tokens == len(scored)
    assert made.usage.completion_tokens == 0


def test_echo_comes_before_what_is_written_and_in_streams_too(client: OpenAI) -> None:
    asked = {
        "model": "smollm2",
        "prompt": TEXT,
        "echo": True,
        "logprobs": 0,
        "max_tokens": 3,
        "temperature": 0,
    }
    made = client.completions.create(**asked).choices[0]
    streamed = list(client.completions.create(**asked, stream=True))
    assert made.text.startswith(TEXT)
    assert len(made.text) > len(TEXT)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == made.text
    assert "".join(made.logprobs.tokens) == made.text


def test_an_exact_reply_ignores_no_parameter(studio: StudioProcess) -> None:
    asked = {
        "prompt": "Once upon a time",
        "sampling": {"max_tokens": 8, "smoothing_factor": 0.3, "tfs": 0.9, "seed": 3},
    }
    plain = written(studio, asked | {"load": {"exact": "never"}})
    exact = written(studio, asked | {"load": {"exact": "always"}})
    assert set(plain["ignored"]) == {"smoothing_factor", "tfs"}
    assert plain["exact"] is None
    assert exact["ignored"] == []
    assert exact["engine"].startswith("llama.cpp exact")


def test_by_itself_the_exact_engine_is_taken_where_the_usual_one_lacks_something(
    studio: StudioProcess,
) -> None:
    asked = {"prompt": "Once upon a time", "sampling": {"max_tokens": 8, "tfs": 0.9, "seed": 3}}
    facts = written(studio, asked)
    assert (facts["ignored"], facts["exact"]) == ([], {"needed": ["tfs"], "used": True, "why": ""})
    assert facts["engine"].startswith("llama.cpp exact")


def test_a_form_and_banned_texts_go_together_by_the_exact_engine(studio: StudioProcess) -> None:
    sampling = {"max_tokens": 8, "regex": "(red|green)", "banned_strings": ["red"]}
    facts = written(studio, {"prompt": "A colour:", "sampling": sampling})
    assert (facts["exact"]["used"], facts["form_problem"]) == (True, "")


def written(studio: StudioProcess, asked: dict[str, Any]) -> dict[str, Any]:
    """The facts of a reply."""
    with studio.client.events("POST", "/generate", json=asked) as events:
        last = list(events)[-1]
    return last.data["facts"]


def test_hidden_states_become_a_vector_that_steers_a_reply_while_it_is_named(studio: StudioProcess) -> None:
    def states(text: str) -> list[float]:
        asked = {"text": text, "tensors": ["l_out-12"], "keep": "mean"}
        (rows,) = studio.client.post("/models/smollm2/capture", asked)["tensors"]["l_out-12"]["values"]
        return list(rows)

    sad, glad = states("I am so sad, everything is grey."), states("I am so happy, everything shines.")
    direction = [8 * (one - other) for one, other in zip(glad, sad, strict=True)]
    made = studio.client.post("/vectors", {"name": "glad", "directions": {"12": direction}}, 201)
    assert (made["layers"], made["width"]) == ([12], 576)
    asked = {
        "prompt": "Today I feel",
        "sampling": {"temperature": 0, "max_tokens": 12},
        "load": {"exact": "always"},
    }
    plain = said(studio, asked)
    sampling = asked["sampling"] | {"control_vectors": {"glad": 1.0}}
    steered = said(studio, {"prompt": "Today I feel", "sampling": sampling})
    assert steered["facts"]["exact"]["needed"] == ["control_vectors"]
    assert steered["facts"]["effective"]["control_vectors"] == [["glad", 1.0, 0, 0]]
    assert steered["text"] != plain["text"] == said(studio, asked)["text"]
    none = said(studio, asked | {"sampling": sampling | {"control_vectors": [["glad", 1.0, 20, 25]]}})
    assert none["text"] == plain["text"]  # the vector has nothing for those layers
    assert states("I am so sad, everything is grey.") == sad
    studio.client.call("DELETE", "/vectors/glad", status=204)
    gone = said(studio, asked | {"sampling": sampling})
    assert (gone["text"], gone["facts"]["ignored"]) == (plain["text"], ["control_vectors.glad"])


def said(studio: StudioProcess, asked: dict[str, Any]) -> dict[str, Any]:
    with studio.client.events("POST", "/generate", json=asked) as events:
        kinds = list(events)
    return {
        "text": "".join(event.data["text"] for event in kinds if event.kind == "text"),
        "facts": kinds[-1].data["facts"],
    }


def test_work_that_nobody_waits_for_ends(studio: StudioProcess) -> None:
    long = {"text": TEXT * 150, "likeliest": 100}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{studio.client.http.base_url}models/smollm2/score", json=long, timeout=1.0)
    until(lambda: all(not row["busy"] for row in studio.client.get("/system")["running"]))


def test_a_model_can_be_set_to_be_exact_always(studio: StudioProcess) -> None:
    options = {"options": {"exact": "always"}}
    studio.client.call("PUT", "/models/smollm2/options", json=options)
    studio.client.post("/models/smollm2/unload", status=204)
    facts = written(studio, {"prompt": "Once upon a time", "sampling": {"max_tokens": 4, "top_a": 0.1}})
    scored = studio.client.post("/models/smollm2/score", {"text": TEXT})
    running = {row["model"]: row["engine"] for row in studio.client.get("/system")["running"]}
    studio.client.call("PUT", "/models/smollm2/options", json={"options": {}})
    studio.client.post("/models/smollm2/unload", status=204)
    studio.client.post("/models/smollm2@direct/unload", status=204)
    assert facts["ignored"] == []
    assert scored["perplexity"] > 1
    assert next(engine for name, engine in running.items() if "@" not in name).startswith("llama.cpp exact")


def test_without_room_for_a_copy_the_usual_engine_writes_and_says_why(studio: StudioProcess) -> None:
    studio.client.post("/models/smollm2/load")
    studio.client.call("PATCH", "/settings", json={"engine.memory_limit": 0.05})
    facts = written(studio, {"prompt": "Once", "sampling": {"max_tokens": 4, "tfs": 0.9}})
    studio.client.call("PATCH", "/settings", json={"engine.memory_limit": 0})
    studio.client.post("/models/smollm2/unload", status=204)
    assert (facts["ignored"], facts["exact"]["used"]) == (["tfs"], False)
    assert "MiB" in facts["exact"]["why"]


def test_a_killed_studio_leaves_no_child(starter_model: Path, tmp_path: Path) -> None:
    studio = StudioProcess(home_with(tmp_path / "home", starter_model))
    studio.client.post("/models/smollm2/score", {"text": TEXT})
    child = studio.engine
    studio.process.kill()
    studio.process.wait()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    studio.close()


def test_the_tokens_of_a_chats_reply_have_their_chances(studio: StudioProcess) -> None:
    chat = studio.client.new_chat(model="smollm2", sampling={"temperature": 0, "max_tokens": 8})
    chat.say("Name a colour.", kind="reply")
    reply = chat.messages[1]
    told = studio.client.get(f"{chat.path}/messages/{reply['id']}/tokens", likeliest=3)
    for name in ("smollm2", "smollm2@direct"):
        studio.client.post(f"/models/{name}/unload", status=204)
    assert told["sampled"]
    assert "".join(token["text"] for token in told["tokens"]) == reply["text"]
    for token in told[
        "tokens"
    ]:  # greedy, but the serving engine counts less precisely: ties may fall otherwise
        assert token["id"] in [one["id"] for one in token["likeliest"]]
