"""What is refused, and what went wrong, is told in the reader's language; also when it was stored before."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from stage import Stage
from talking import NATIVE, Client

from fabula.core.errors import BadParameter, EngineDied
from fabula.core.texts import phrase
from fabula.engine.scripted import Reply
from fabula.store.jobs import as_error

CHINESE = {"Accept-Language": "zh-TW"}
ENGLISH_WORDS = re.compile(r"\b(should|valid|required|must|than|list|field)\b", re.IGNORECASE)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chats", {"title": 5}),
        ("/chats", {"titel": "A chat"}),
        ("/chats", {"title": "x" * 1001}),
        ("/chats", {"sampling": {"temperature": float("nan")}}),
        ("/chats/x/turns", {}),
        ("/chats/x/turns", {"revision": "two"}),
        ("/chats/x/turns", {"revision": 1, "kind": "sing"}),
        ("/chats/x/turns", {"revision": 1, "count": 1.5}),
        ("/rerank", {"query": "q", "documents": "d"}),
        ("/rerank", {"query": "q", "documents": [], "most": 0}),
        ("/detokenize", {"tokens": ["a"]}),
        ("/models/tiny/tune", {"budget": "long"}),
        ("/models/tiny/tune", {"all_cores": "often"}),
    ],
)
async def test_a_wrong_body_is_told_without_english_words(
    api: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    content = json.dumps(body)
    answer = await api.post(path, content=content, headers={**CHINESE, "Content-Type": "application/json"})
    message = answer.json()["error"]["message"]
    assert answer.status_code == 400
    assert "必須是" in message
    assert not ENGLISH_WORDS.search(message), message


async def test_what_is_no_json_is_told_too(api: httpx.AsyncClient) -> None:
    headers = {**CHINESE, "Content-Type": "application/json"}
    message = (await api.post("/chats", content="{", headers=headers)).json()["error"]["message"]
    assert not ENGLISH_WORDS.search(message), message


def test_a_reply_without_its_form_says_why_in_the_readers_language(client: Client, stage: Stage) -> None:
    stage.script = ["I am five."]
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    chat = client.new_chat()
    events = chat.say("Your age?", sampling={"json_schema": schema})
    problem = "it is no JSON (line 1, column 1)"
    assert events[-1].data["facts"]["form_problem"] == problem
    assert events[-1].data["change"]["message"]["facts"]["form_problem"] == problem
    page = httpx.get(f"{client.address}{NATIVE}{chat.path}/messages", headers=CHINESE).json()
    assert page["messages"][1]["facts"]["form_problem"] == "不是 JSON（第 1 行第 1 欄）"


def test_openai_answers_say_how_they_ended_and_what_form_they_lack(client: Client, stage: Stage) -> None:
    stage.script = ["I am five."]
    schema = {"name": "age", "schema": {"type": "object"}}
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Your age?"}],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    answer = httpx.post(f"{client.address}/v1/chat/completions", json=body, headers=CHINESE).json()
    assert answer["fabula"]["reasons"] == ["stop"]
    assert answer["fabula"]["form_problems"] == ["不是 JSON（第 1 行第 1 欄）"]


def test_an_engine_that_died_is_told_in_the_readers_language(client: Client, stage: Stage) -> None:
    stage.script = [
        Reply("Hello", error=EngineDied("tiny", phrase("reasons.engine_killed", signal="SIGKILL")))
    ]
    chat = client.new_chat()
    turn = chat.say("Hello")[0].data["turn_id"]
    told = client.hear(f"/turns/{turn}/events", headers=CHINESE)[-1].data
    assert "引擎被強制終止（SIGKILL）" in told["message"]
    assert "phrases" not in told


def test_the_error_of_a_job_keeps_the_keys_of_its_phrases() -> None:
    kept = as_error(BadParameter("count", "0", phrase("expected.whole_range", low=1, high=16)))
    assert kept["phrases"]["expected"] == {"key": "expected.whole_range", "fields": {"low": 1, "high": 16}}
