"""Scoring over the native API and in OpenAI's dialect, with scripted models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import pytest
import scoring_worker
import tiny_model
from stage import Stage

from fabula.core.model import LocalModel
from fabula.core.scoring import Scored
from fabula.server.openai import echo
from fabula.store.home import Home

V1 = "http://127.0.0.1/v1/completions"
ECHO = {"prompt": "One two", "echo": True, "logprobs": 2}


@pytest.fixture
def home(home: Home) -> Home:
    """With another model of the same vocabulary, `other`, and one of another, `strange`."""
    tiny_model.write(home.models / "other.gguf")
    tiny_model.write(home.models / "strange.gguf", **{"tokenizer.ggml.tokens": ["a", "c"]})
    return home


class ScoringStage(Stage):
    def make_worker(self, model: Any) -> Any:
        self.workers.append(scoring_worker.make(model))
        return self.workers[-1]


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    return ScoringStage() if getattr(request, "param", True) else Stage()


async def test_a_text_is_scored_token_by_token(api: httpx.AsyncClient) -> None:
    asked = {"text": "One two", "likeliest": 1}
    told = (await api.post("/models/tiny/score", json=asked)).json()
    assert [(token["text"], token["logprob"]) for token in told["tokens"]] == [
        ("One", None),
        (" ", -0.5),
        ("two", -0.5),
    ]
    assert (told["model"], told["total"]) == ("tiny", -1.0)
    assert told["tokens"][1]["likeliest"] == [{"id": 0, "text": "w0", "logprob": 0.0}]


async def test_token_ids_are_scored_too(api: httpx.AsyncClient) -> None:
    told = (await api.post("/models/tiny/score", json={"tokens": [4, 5]})).json()
    assert [token["id"] for token in told["tokens"]] == [4, 5]


async def test_the_perplexity_of_a_long_text_is_that_of_its_windows(api: httpx.AsyncClient) -> None:
    asked = {"text": "one two " * 60, "window": 64}  # 240 tokens: three windows, and a rest
    told = (await api.post("/models/tiny/perplexity", json=asked)).json()
    assert (told["tokens"], told["windows"], told["counted"]) == (240, 3, 3 * 32)
    assert told["perplexity"] == pytest.approx(math.exp(0.5))
    short = (await api.post("/models/tiny/perplexity", json={"text": "one two"})).json()
    assert (short["windows"], short["counted"]) == (1, 2)


async def test_the_likeliest_continuation_is_the_one_with_the_highest_total(api: httpx.AsyncClient) -> None:
    asked = {"prefix": "One", "continuations": [" two three", " two", " two three four"]}
    told = (await api.post("/models/tiny/choices", json=asked)).json()
    assert (told["best"], told["choices"][1]["total"], told["choices"][1]["mean"]) == (1, -1.0, -0.5)


async def test_two_models_are_compared_over_a_text(api: httpx.AsyncClient) -> None:
    asked = {"other": "other", "text": "One two"}
    told = (await api.post("/models/tiny/compare", json=asked)).json()
    assert (told["tokens"], told["kl"], told["largest_kl"], told["on_disk"]) == (3, 0.25, 0.25, 0)
    assert told["same_top"] == pytest.approx(2 / 3)
    assert told["other_perplexity"] > told["perplexity"]


async def test_models_of_different_tokens_are_not_compared(api: httpx.AsyncClient) -> None:
    told = await api.post("/models/tiny/compare", json={"other": "strange", "text": "One two"})
    assert (told.status_code, told.json()["error"]["code"]) == (400, "vocabularies_differ")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("score", {"text": "One", "likeliest": 101}),
        ("score", {"text": "One", "surprise": 1}),
        ("choices", {"prefix": "One", "continuations": []}),
        ("choices", {"prefix": "", "continuations": ["a"]}),
        ("compare", {"other": "other", "text": ""}),
    ],
)
async def test_what_makes_no_sense_is_the_caller_s_own_error(
    api: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    assert (await api.post(f"/models/tiny/{path}", json=body)).status_code == 400


# ── OpenAI's echo ───────────────────────────────────────────────────────────────────────────────────


async def test_the_echo_has_log_probabilities(api: httpx.AsyncClient) -> None:
    told = (await api.post(V1, json=ECHO | {"max_tokens": 2})).json()
    (choice,) = told["choices"]
    assert choice["text"] == "One twoOne "
    assert choice["logprobs"]["tokens"] == ["One", " ", "two", "One", " "]
    assert choice["logprobs"]["token_logprobs"][:3] == [None, -0.5, -0.5]
    assert choice["logprobs"]["top_logprobs"][:2] == [None, {"w0": 0.0, "w1": -0.5}]
    assert choice["logprobs"]["text_offset"] == [0, 3, 4, 7, 10]
    assert told["fabula"]["ignored"] == []


async def test_with_no_tokens_to_write_only_the_prompt_is_scored(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    told = (await api.post(V1, json=ECHO | {"max_tokens": 0, "n": 2})).json()
    assert [choice["text"] for choice in told["choices"]] == ["One two"] * 2
    assert told["choices"][0]["finish_reason"] == "length"
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (3, 0)
    assert not stage.worker.prompts


def test_a_token_that_the_engine_puts_before_a_text_is_no_part_of_its_echo() -> None:
    model = LocalModel(name="bos", path=Path("bos"), size=1, adds_bos=True, bos_token="<s>")
    scored = Scored((1, 5), ("<s>", "Hi"), (-0.5,))
    assert echo.has_own_bos(("Hi",), scored, model)
    assert not echo.has_own_bos(("<s>Hi",), scored, model)
    assert not echo.has_own_bos(((1, 5),), scored, model)
    (first,) = echo.tokens(scored, without_first=True)
    assert first.chosen
    assert (first.text, first.chosen.logprob) == ("Hi", -0.5)


async def test_without_an_echo_there_must_be_something_to_write(api: httpx.AsyncClient) -> None:
    for body in ({"prompt": "One", "max_tokens": 0}, {"prompt": "One", "max_tokens": 0, "logprobs": 1}):
        assert (await api.post(V1, json=body)).status_code == 400


async def test_token_ids_are_echoed_where_they_are_scored(api: httpx.AsyncClient) -> None:
    await api.post("/tokenize", json={"text": "One two", "model": "tiny"})
    told = (await api.post(V1, json=ECHO | {"prompt": [[1, 2], [3]], "max_tokens": 1})).json()
    assert len(told["choices"]) == 2
    assert told["fabula"]["ignored"] == []


@pytest.mark.parametrize("stage", [False], indirect=True)  # its engine cannot score
async def test_an_engine_that_cannot_score_still_writes_and_the_answer_says_why(
    api: httpx.AsyncClient,
) -> None:
    told = (await api.post(V1, json=ECHO | {"max_tokens": 2})).json()
    (ignored,) = told["fabula"]["ignored"]
    assert told["choices"][0]["text"] == "One twoHello "
    assert ignored.startswith("logprobs of the echoed prompt: ")
    assert "does not score" in ignored


@pytest.mark.parametrize("stage", [False], indirect=True)  # its engine cannot score
async def test_where_nothing_else_was_asked_for_that_is_an_error(api: httpx.AsyncClient) -> None:
    told = await api.post(V1, json=ECHO | {"max_tokens": 0})
    assert (told.status_code, told.json()["error"]["code"]) == (400, "engine_refused")


async def test_removing_a_model_unloads_its_copy_first(api: httpx.AsyncClient, stage: Stage) -> None:
    await api.post("/models/other/score", json={"text": "One two"})
    running = [row["model"] for row in (await api.get("/system")).json()["running"]]
    assert running == ["other@direct"]
    assert (await api.delete("/models/other")).status_code == 204
    assert not stage.worker.alive


async def test_a_load_by_hand_is_exact_only_where_that_is_set_for_the_model(api: httpx.AsyncClient) -> None:
    told = await api.post("/models/tiny/load", json={"options": {"exact": "always"}})
    assert (told.status_code, told.json()["error"]["fields"]["name"]) == (400, "exact")
    await api.put("/models/tiny/options", json={"options": {"exact": True}})
    assert (await api.post("/models/tiny/load")).json()["plan"]["options"]["exact"] == "always"
