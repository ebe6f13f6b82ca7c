"""The command `llm`, through its Ollama plugin and as an OpenAI-compatible server in its own settings."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import folder_of
from scripted_studio import CALL, Scripted

from fabula.engine.scripted import Reply

MODELS = """
- model_id: fabula
  model_name: tiny
  api_base: {base}/v1
  supports_tools: true
  supports_schema: true
- model_id: fabula-text
  model_name: tiny
  api_base: {base}/v1
  completion: true
- model_id: nobody
  model_name: nobody
  api_base: {base}/v1
"""
WEATHER = 'def get_weather(city: str) -> str:\n    "The weather of a city."\n    return f"Rain in {city}."\n'
BOTH = pytest.mark.parametrize("model", ["fabula", "ollama/tiny"])
"""As llm's extra OpenAI model, and as its plugin for Ollama finds it."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def llm(scripted: Scripted, tmp_path: Path) -> Run:
    (tmp_path / "extra-openai-models.yaml").write_text(MODELS.format(base=scripted.address))
    place = {"LLM_USER_PATH": f"{tmp_path}", "OLLAMA_HOST": scripted.address, "NO_PROXY": "127.0.0.1"}
    place["OPENAI_API_KEY"] = "none"
    command = folder_of("llm") / "bin" / "llm"
    scripted.says = "Hello there, traveller."

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | place,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_models_are_found(llm: Run) -> None:
    listed = llm("models").stdout
    assert "OpenAI Chat: fabula" in listed
    assert "ollama/tiny:latest" in listed
    assert "ollama/vectors:latest" in llm("embed-models").stdout


@BOTH
def test_a_question_is_answered_whole_and_streamed(llm: Run, model: str) -> None:
    for more in ((), ("--no-stream",)):
        answer = llm("-m", model, *more, "Hello")
        assert (answer.stdout.strip(), answer.returncode) == ("Hello there, traveller.", 0), answer.stderr


def test_a_text_is_completed(llm: Run) -> None:
    assert llm("-m", "fabula-text", "Hello").stdout.strip() == "Hello there, traveller."


@BOTH
def test_a_conversation_goes_on(llm: Run, model: str, scripted: Scripted) -> None:
    llm("-m", model, "-s", "Be brief.", "First")
    scripted.says = lambda prompt, sampling: f"{prompt.pieces[0]!r}"
    told = llm("-c", "Second").stdout
    assert (
        told.index("[system]Be brief.")
        < told.index("[user]First[assistant]Hello there")
        < told.index("Second")
    )


@pytest.mark.parametrize(("model", "limit"), [("fabula", "max_tokens"), ("ollama/tiny", "num_predict")])
def test_options_reach_the_model(llm: Run, model: str, limit: str, scripted: Scripted) -> None:
    answer = llm("-m", model, "-o", "temperature", "0.3", "-o", "seed", "7", "-o", limit, "3", "Hello")
    asked = scripted.writer.samplings[-1]
    assert (asked.temperature, asked.seed, asked.max_tokens) == (0.3, 7, 3)
    assert answer.stdout.strip() == "Hello there"


@BOTH
def test_a_schema_reaches_the_model(llm: Run, model: str, scripted: Scripted) -> None:
    scripted.says = '{"animal": "fox"}'
    answer = llm("-m", model, "--schema", "animal, legs int", "An animal")
    assert json.loads(answer.stdout) == {"animal": "fox"}
    assert "animal" in scripted.writer.samplings[-1].json_schema


@BOTH
def test_a_tool_is_called_and_its_answer_used(llm: Run, model: str, scripted: Scripted) -> None:
    scripted.says = lambda prompt, sampling: "Take a coat." if "Rain in" in f"{prompt}" else CALL
    answer = llm("-m", model, "--functions", WEATHER, "Weather in Taipei?")
    assert "Take a coat." in answer.stdout, answer.stderr


def test_texts_get_vectors(llm: Run) -> None:
    answer = llm("embed", "-m", "ollama/vectors:latest", "-c", "the cat")
    assert len(json.loads(answer.stdout)) == 8, answer.stderr


def test_an_unknown_model_is_a_sentence(llm: Run) -> None:
    answer = llm("-m", "nobody", "Hello")
    assert answer.returncode != 0
    assert "nobody" in answer.stderr
    assert "Traceback" not in answer.stderr


@BOTH
def test_a_reply_that_breaks_off_is_a_failure(llm: Run, model: str, scripted: Scripted) -> None:
    from fabula.core.errors import EngineDied

    scripted.says = Reply("One two three", error=EngineDied("tiny", "SIGKILL"), fail_at=3)
    answer = llm("-m", model, "Hello")
    assert answer.returncode != 0
    assert "SIGKILL" in answer.stderr
