"""Batches: the real `openai` client, the real engine, the starter model; and `fabula batch` beside it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch
from studio_process import StudioProcess, home_with
from waiting import until

MODEL = "smollm2"
TOWNS = ("Lisbon", "Tainan", "Bergen", "Kyoto")
SHORT = {"max_tokens": 12, "temperature": 0}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "known": {"type": "boolean"}},
    "required": ["name", "known"],
    "additionalProperties": False,
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    studio = StudioProcess(
        home_with(tmp_path_factory.mktemp("home") / "home", starter_model), FABULA_ENGINE_SLOTS="2"
    )
    studio.client.post(f"/models/{MODEL}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def question(town: str) -> Json:
    text = f"What is {town} known for?"
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **SHORT}


def file_of(client: OpenAI, *bodies: Json, url: str = "/v1/chat/completions") -> str:
    rows = [
        {"custom_id": f"row-{number}", "method": "POST", "url": url, "body": body}
        for number, body in enumerate(bodies)
    ]
    content = "\n".join(map(json.dumps, rows)).encode()
    return client.files.create(file=("rows.jsonl", io.BytesIO(content)), purpose="batch").id


def begin(client: OpenAI, *bodies: Json, url: Any = "/v1/chat/completions") -> Batch:
    file = file_of(client, *bodies, url=url)
    return client.batches.create(input_file_id=file, endpoint=url, completion_window="24h")


def ended(client: OpenAI, batch: Batch) -> Batch:
    def is_over() -> bool:
        nonlocal batch
        batch = client.batches.retrieve(batch.id)
        return batch.status in ("completed", "failed", "expired", "cancelled")

    until(is_over)
    return batch


def rows_of(client: OpenAI, file: str | None) -> list[Json]:
    assert file
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def alone(client: OpenAI, town: str) -> str:
    return client.chat.completions.create(**question(town)).choices[0].message.content or ""


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_created_listed_retrieved_read_and_deleted(client: OpenAI) -> None:
    id = file_of(client, question("Lisbon"))
    file = client.files.retrieve(id)
    assert (file.object, file.purpose, file.filename, file.status) == (
        "file",
        "batch",
        "rows.jsonl",
        "processed",
    )
    content = client.files.content(id).read()
    assert (len(content), json.loads(content)["body"]) == (file.bytes, question("Lisbon"))
    other = file_of(client, question("Kyoto"))
    listed = [file.id for file in client.files.list(purpose="batch", limit=1)]  # the client turns the pages
    assert listed[:2] == [other, id]
    assert client.files.delete(id).deleted
    with pytest.raises(openai.NotFoundError) as told:
        client.files.retrieve(id)
    assert told.value.code == "upload_not_found"


def test_a_purpose_that_has_no_use_here_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.files.create(file=("a.txt", b"text"), purpose="assistants")
    assert told.value.param == "purpose"


# ── batches ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_gives_each_line_what_it_would_get_alone(client: OpenAI) -> None:
    batch = ended(client, begin(client, *map(question, TOWNS)))
    assert batch.request_counts
    assert (batch.status, batch.request_counts.completed, batch.errors) == ("completed", 4, None)
    rows = rows_of(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [f"row-{number}" for number in range(4)]
    answers = [openai.types.chat.ChatCompletion(**row["response"]["body"]) for row in rows]
    assert [answer.choices[0].message.content for answer in answers] == [
        alone(client, town) for town in TOWNS
    ]
    assert {answer.usage.completion_tokens for answer in answers if answer.usage} == {12}


def test_batches_are_listed_and_told_with_their_times(client: OpenAI) -> None:
    batch = ended(client, begin(client, {"model": MODEL, "prompt": "Once", **SHORT}, url="/v1/completions"))
    (row,) = rows_of(client, batch.output_file_id)
    assert row["response"]["body"]["choices"][0]["text"]
    assert batch.created_at <= (batch.completed_at or 0) <= (batch.expires_at or 0)
    assert next(iter(client.batches.list(limit=1))).id == batch.id


def test_what_fails_is_in_the_file_of_errors(client: OpenAI) -> None:
    batch = ended(client, begin(client, question("Lisbon"), question("Kyoto") | {"model": "gpt-9"}))
    assert batch.request_counts
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    (row,) = rows_of(client, batch.error_file_id)
    assert row["response"]["body"]["error"]["code"] == "model_not_found"
    wrong = ended(client, begin(client, {"model": MODEL}, {"model": MODEL, "stream": True}))
    assert wrong.errors
    assert wrong.errors.data
    assert [(problem.line, problem.param) for problem in wrong.errors.data] == [(2, "stream")]


def test_a_cancelled_batch_ends_and_the_engine_is_free(client: OpenAI) -> None:
    long = [question(town) | {"max_tokens": 400, "ignore_eos": True} for town in TOWNS * 4]
    batch = begin(client, *long)
    until(lambda: client.batches.retrieve(batch.id).status == "in_progress")
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    assert ended(client, batch).status == "cancelled"
    assert alone(client, "Lisbon")


def test_a_killed_studio_goes_on_with_its_batch(starter_model: Path, tmp_path: Path) -> None:
    home = home_with(tmp_path / "home", starter_model)
    first = StudioProcess(home)
    with OpenAI(base_url=f"{first.address}/v1", api_key="none", max_retries=0) as client:
        batch = begin(client, *map(question, TOWNS * 3))
        until(lambda: bool(counted(client.batches.retrieve(batch.id))))
        engine = first.engine
    first.process.kill()
    first.process.communicate()
    until(lambda: not engine.is_running())
    second = StudioProcess(home)
    try:
        with OpenAI(base_url=f"{second.address}/v1", api_key="none", max_retries=0) as client:
            batch = ended(client, batch)
            rows = rows_of(client, batch.output_file_id)
    finally:
        second.close()
    assert (batch.status, counted(batch)) == ("completed", 12)
    assert [row["custom_id"] for row in rows] == [f"row-{number}" for number in range(12)]


def counted(batch: Batch) -> int:
    return batch.request_counts.completed if batch.request_counts else 0


# ── fabula batch ────────────────────────────────────────────────────────────────────────────────────────


def fabula(studio: StudioProcess, folder: Path, *words: str) -> list[Json]:
    command = [sys.executable, "-m", "fabula", "batch", *words, "--home", str(studio.home), "--model", MODEL]
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, env=os.environ | {"FABULA_LANGUAGE": "en"}
    )
    return [json.loads(line) for line in (folder / words[2]).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "towns.csv").write_text("town\n" + "".join(f"{town}\n" for town in TOWNS))
    return tmp_path


def test_a_row_says_what_the_same_question_says_over_v1(
    studio: StudioProcess, client: OpenAI, folder: Path
) -> None:
    words = (
        "What is {town} known for?",
        "towns.csv",
        "out.jsonl",
        "--temperature",
        "0",
        "--max-tokens",
        "12",
    )
    rows = fabula(studio, folder, *words)
    assert [row["answer"] for row in rows] == [alone(client, town) for town in TOWNS]
    assert {(row["status"], row["completion_tokens"]) for row in rows} == {("cut", 12)}


def test_every_answer_has_the_form_of_the_schema_or_is_flagged(studio: StudioProcess, folder: Path) -> None:
    (folder / "town.json").write_text(json.dumps(SCHEMA))
    options = ("--schema", "town.json", "--max-tokens", "80", "--seed", "3")
    rows = fabula(studio, folder, "Describe {town} as JSON.", "towns.csv", "out.jsonl", *options)
    for row in rows:
        if row["status"] == "ok":
            assert set(row["answer"]) == {"name", "known"}
        else:
            assert row["reason"]
    assert any(row["status"] == "ok" for row in rows)
