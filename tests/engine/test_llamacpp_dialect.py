"""llama.cpp's routes of a real `fabula serve`, beside llama.cpp's own server with the same model."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_process import StudioProcess, home_with

RAW = Path(__file__).with_name("raw_server.py")
GREEDY = {"n_predict": 16, "temperature": 0}
ENGINE = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file, its model loaded with three slots."""
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    studio = StudioProcess(home, FABULA_ENGINE_SLOTS="3", **ENGINE)
    studio.client.post("/models/smollm2/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def ours(studio: StudioProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.address, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(starter_model: Path) -> Iterator[httpx.Client]:
    """llama.cpp's own server."""
    key = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, str(RAW), str(starter_model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | ENGINE | {"RAW_KEY": key},
        text=True,
    )
    assert process.stdin
    assert process.stdout
    address = process.stdout.readline().strip()
    with httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=120) as client:
        yield client
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(client: httpx.Client, **body: Any) -> list[Json]:
    answer = client.post("/completion", json={**GREEDY, "stream": True, **body})
    return [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: ")]


# ── the same answers ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": "Once upon a time, there was a fox"},
        {"prompt": [504, 3575, 282, 4649, 314]},
        {"prompt": ["The capital", 282, " France is"]},
        {"prompt": "Once", "stop": ["\n", "."]},
        {"prompt": "Yes or no? ", "grammar": 'root ::= "yes" | "no"'},
        {
            "prompt": "A fox as JSON: ",
            "json_schema": {"type": "object", "properties": {"name": {"const": "x"}}},
        },
        {"prompt": "Once upon a", "logit_bias": [[" time", False]]},
        {"prompt": "Once", "temperature": 0.9, "seed": 5, "samplers": ["top_k", "temperature"], "top_k": 9},
        {"prompt": "Once", "repeat_penalty": 1.5, "repeat_last_n": 32},
        {"prompt": "Once", "n_predict": 0},
    ],
    ids=lambda more: next((name for name in reversed(more)), ""),
)
def test_answers_are_llama_cpps(ours: httpx.Client, theirs: httpx.Client, more: Json) -> None:
    mine, other = (post(client, "/completion", **{**GREEDY, **more}) for client in (ours, theirs))
    if more.get("n_predict") == 0:
        other |= {
            "content": "",
            "tokens_predicted": 0,
        }  # its text is what its own README promises not to write
    same = ("content", "stop_type", "stopping_word", "tokens_predicted", "tokens_evaluated", "has_new_line")
    assert {name: mine[name] for name in same} == {name: other[name] for name in same}


def test_an_answer_has_all_fields_of_llama_cpps(ours: httpx.Client, theirs: httpx.Client) -> None:
    mine, other = (
        post(client, "/completion", prompt="Once", n_probs=2, **GREEDY) for client in (ours, theirs)
    )
    assert other.keys() <= mine.keys()
    assert other["timings"].keys() <= mine["timings"].keys()
    settings = mine["generation_settings"]
    told = other["generation_settings"]
    for name in settings.keys() & told.keys() - {"seed", "stream", "dry_penalty_last_n"}:
        assert settings[name] == pytest.approx(told[name]), name
    rows = list(zip(mine["completion_probabilities"], other["completion_probabilities"], strict=True))
    assert rows
    for ours_row, their_row in rows:
        assert ours_row["id"] == their_row["id"]
        assert ours_row["bytes"] == their_row["bytes"]
        assert ours_row["logprob"] == pytest.approx(their_row["logprob"], abs=0.02)
        assert [row["id"] for row in ours_row["top_logprobs"]] == [
            row["id"] for row in their_row["top_logprobs"]
        ]


def test_events_of_a_stream_are_llama_cpps(ours: httpx.Client, theirs: httpx.Client) -> None:
    mine, other = (events(client, prompt="Once upon a time, there") for client in (ours, theirs))
    text = ["".join(event["content"] for event in found) for found in (mine, other)]
    assert text[0] == text[1]
    tokens = [[id for event in found[:-1] for id in event["tokens"]] for found in (mine, other)]
    assert tokens[0] == tokens[1]
    assert other[0].keys() <= mine[0].keys()
    assert other[-1].keys() <= mine[-1].keys()


def test_progress_of_a_long_prompt_is_told(ours: httpx.Client) -> None:
    found = events(ours, prompt="A wolf ran. " * 200, return_progress=True, n_predict=2)
    progress = [event["prompt_progress"] for event in found if "prompt_progress" in event]
    assert progress[-1]["processed"] == progress[-1]["total"] > 600
    assert [row["processed"] for row in progress] == sorted(row["processed"] for row in progress)


def test_a_prompt_that_is_too_long_is_refused_as_there(ours: httpx.Client, theirs: httpx.Client) -> None:
    body = {"prompt": "word " * 3000, "n_predict": 3}
    mine, other = (client.post("/completion", json=body) for client in (ours, theirs))
    assert mine.status_code == other.status_code == 400
    same = ("code", "type", "n_prompt_tokens", "n_ctx")
    assert [mine.json()["error"][name] for name in same] == [other.json()["error"][name] for name in same]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"content": "Hello 霧 world", "with_pieces": True}),
        ("/tokenize", {"content": ["Hi", 5, " there"], "add_special": True}),
        ("/tokenize", {"content": "<|im_start|>user", "parse_special": False}),
        ("/tokenize", {"content": "<|im_start|>user"}),
        ("/tokenize", {}),
        ("/detokenize", {"tokens": [504, 3575]}),
        ("/apply-template", {"messages": [{"role": "user", "content": "Hi"}]}),
    ],
)
def test_texts_are_treated_as_there(ours: httpx.Client, theirs: httpx.Client, path: str, body: Json) -> None:
    assert post(ours, path, **body) == post(theirs, path, **body)


def test_properties_are_those_of_llama_cpp(ours: httpx.Client, theirs: httpx.Client) -> None:
    mine, other = (client.get("/props").json() for client in (ours, theirs))
    same = ("chat_template", "bos_token", "eos_token", "modalities", "model_ftype")
    assert {name: mine[name] for name in same} == {name: other[name] for name in same}
    caps = ("supports_tools", "supports_tool_calls", "supports_system_role", "supports_reasoning_effort")
    assert [mine["chat_template_caps"][name] for name in caps] == [
        other["chat_template_caps"][name] for name in caps
    ]
    assert (mine["total_slots"], mine["default_generation_settings"]["n_ctx"]) == (3, 2048)


def test_metrics_have_llama_cpps_names(ours: httpx.Client) -> None:
    before = ours.get("/metrics").text
    assert "\nllamacpp:prompt_tokens_total " in before
    assert 'fabula_model_memory_bytes{model="SmolLM2' in before


# ── several front-ends at once ──────────────────────────────────────────────────────────────────────────

SYSTEM = "You are the narrator of a long and winding story, and you never break character. " * 6
TAVERN = {"user-agent": "node-fetch"}


def story(name: str, turns: int) -> str:
    told = (f"{name}: In chapter {turn} {name} walked on through the rain.\n" for turn in range(turns))
    return SYSTEM + "".join(told)


def processed(studio: StudioProcess, prompt: str, path: str) -> tuple[int, int]:
    """Tokens of a prompt that were read, and all of them."""
    with httpx.Client(base_url=studio.address, headers=TAVERN, timeout=120) as client:
        body = client.post(path, json={"prompt": prompt, "max_tokens": 2, "n_predict": 2}).json()
    if "usage" in body:
        usage = body["usage"]
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        return usage["prompt_tokens"] - cached, usage["prompt_tokens"]
    return body["timings"]["prompt_n"], body["tokens_evaluated"]


def test_two_front_ends_and_a_chat_read_only_what_is_new(studio: StudioProcess) -> None:
    chat = studio.client.new_chat()
    sampling = {"max_tokens": 4, "ignore_eos": True}
    chat.say("The tide came in and the bell rang. " * 20, sampling=sampling)
    for path in ("/completion", "/v1/completions"):
        processed(studio, story(path, 20), path)
    for turn in range(21, 24):
        read = chat.say("And then?", sampling=sampling)[-1].data["facts"]["processed_tokens"]
        assert read < 40
        for path in ("/completion", "/v1/completions"):
            new, whole = processed(studio, story(path, turn), path)
            assert whole > 300
            assert new < 40, f"turn {turn} of {path} read {new} of {whole} tokens"


def test_slots_are_told_without_what_is_in_them(studio: StudioProcess, ours: httpx.Client) -> None:
    post(ours, "/completion", prompt="A secret of the fox. " * 20, n_predict=1)
    answer = ours.get("/slots")
    assert "fox" not in answer.text
    rows = answer.json()
    assert [row["id"] for row in rows] == [0, 1, 2]
    assert all(row["n_ctx"] == 2048 and not row["is_processing"] for row in rows)
