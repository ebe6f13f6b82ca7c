"""Files and batches of OpenAI's API, and single rows of our own, at a studio whose model follows a script."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from stage import Stage
from talking import Client

from fabula.app import Studio
from fabula.batches import desk
from fabula.batches.book import Batch
from fabula.batches.journal import Journal
from fabula.core.errors import EngineDied, StoreUnwritable
from fabula.core.request import Caller
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply
from fabula.server import http

CHAT = "/v1/chat/completions"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
Json = dict[str, Any]


@pytest.fixture
def api(client: Client) -> Iterator[OpenAi]:
    """OpenAI's dialect of one studio."""
    api = OpenAi(client)
    with api.http:
        yield api


def line(id: str, text: str, url: str = CHAT, **body: Any) -> Json:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": id, "method": "POST", "url": url, "body": asked}


class OpenAi:
    """The dialect's part of one studio."""

    def __init__(self, client: Client) -> None:
        self.http = httpx.Client(base_url=client.address + "/v1", timeout=30)

    def upload(self, *lines: Json | str, purpose: str = "batch") -> str:
        rows = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in lines]
        content = "\n".join(rows).encode()
        answer = self.http.post("/files", files={"file": ("in.jsonl", content)}, data={"purpose": purpose})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def start(self, *lines: Json | str, endpoint: str = CHAT, **more: Any) -> Json:
        body = {
            "input_file_id": self.upload(*lines),
            "endpoint": endpoint,
            "completion_window": "24h",
            **more,
        }
        answer = self.http.post("/batches", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, batch: Json) -> Json:
        deadline = time.monotonic() + 30
        while batch["status"] not in ("completed", "failed", "cancelled", "expired"):
            assert time.monotonic() < deadline, batch
            time.sleep(0.02)
            batch = self.http.get(f"/batches/{batch['id']}").json()
        return batch

    def rows(self, file_id: str | None) -> list[Json]:
        content = self.http.get(f"/files/{file_id}/content").text if file_id else ""
        return [json.loads(row) for row in content.splitlines()]


def text_of(row: Json) -> str:
    return str(row["response"]["body"]["choices"][0]["message"]["content"])


def echo(prompt: Prompt, sampling: Sampling) -> str:
    return f"You said: {str(prompt.pieces[0]).rsplit('user', 1)[-1].split('<')[0].strip()}"


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_kept_told_given_back_and_deleted(api: OpenAi) -> None:
    id = api.upload(line("a", "你好"))
    (file,) = api.http.get("/files").json()["data"]
    assert (file["id"], file["filename"], file["purpose"]) == (id, "in.jsonl", "batch")
    assert api.rows(id) == [line("a", "你好")]
    assert file["bytes"] == len(api.http.get(f"/files/{id}/content").content)
    assert api.http.delete(f"/files/{id}").json() == {"id": id, "object": "file", "deleted": True}
    assert api.http.get(f"/files/{id}").status_code == 404


def test_a_form_without_a_file_or_with_another_purpose_is_refused(api: OpenAi) -> None:
    for form in ({"data": {"purpose": "batch"}}, {"files": {"file": b"x"}, "data": {"purpose": "vision"}}):
        answer = api.http.post("/files", **form)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert api.http.get("/files/..%2f..%2ffabula.db/content").status_code == 404


def test_pages_of_files_go_on_behind_the_last_id(api: OpenAi) -> None:
    ids = [api.upload(line(f"{number}", "Hi")) for number in range(3)]
    first = api.http.get("/files", params={"limit": 2, "order": "asc"}).json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (ids[:2], True)
    rest = api.http.get("/files", params={"after": first["last_id"], "order": "asc"}).json()
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[2:], False)


# ── batches ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_line_of_a_batch_gets_the_answer_that_it_would_get_alone(api: OpenAi, stage: Stage) -> None:
    stage.script = echo
    lines = [line(f"row {number}", f"Number {number}") for number in range(5)]
    batch = api.ended(api.start(*lines, metadata={"for": "test"}))
    assert (batch["status"], batch["request_counts"]) == (
        "completed",
        {"total": 5, "completed": 5, "failed": 0},
    )
    assert (batch["metadata"], batch["error_file_id"], batch["errors"]) == ({"for": "test"}, None, None)
    rows = api.rows(batch["output_file_id"])
    assert [row["custom_id"] for row in rows] == [asked["custom_id"] for asked in lines]
    alone = [api.http.post("/chat/completions", json=asked["body"]).json() for asked in lines]
    assert [text_of(row) for row in rows] == [one["choices"][0]["message"]["content"] for one in alone]
    assert {row["response"]["status_code"] for row in rows} == {200}
    assert batch["created_at"] <= batch["in_progress_at"] <= batch["finalizing_at"] <= batch["completed_at"]


def test_lines_that_fail_are_in_the_file_of_errors_with_their_reason(api: OpenAi) -> None:
    lines = (line("good", "Hi"), line("bad", "Hi", temperature="hot"), line("gone", "Hi", model="gpt-9"))
    batch = api.ended(api.start(*lines))
    assert batch["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    assert [row["custom_id"] for row in api.rows(batch["output_file_id"])] == ["good"]
    bad, gone = api.rows(batch["error_file_id"])
    assert (bad["response"]["status_code"], bad["response"]["body"]["error"]["param"]) == (400, "temperature")
    assert (gone["response"]["status_code"], gone["custom_id"]) == (404, "gone")


def test_a_file_that_cannot_be_asked_fails_before_anything_is(api: OpenAi, stage: Stage) -> None:
    twice, streamed = line("a", "Hi"), line("c", "Hi", stream=True)
    batch = api.ended(
        api.start(line("a", "Hi"), twice, "no JSON", line("b", "Hi", url="/v1/completions"), streamed)
    )
    problems = batch["errors"]["data"]
    assert batch["status"] == "failed"
    assert [(row["line"], row["param"]) for row in problems] == [
        (2, "custom_id"),
        (3, "line"),
        (4, "url"),
        (5, "stream"),
    ]
    assert not stage.workers


def test_a_batch_of_what_is_not_there_is_refused(api: OpenAi) -> None:
    right = {"input_file_id": api.upload(line("a", "Hi")), "endpoint": CHAT, "completion_window": "24h"}
    for wrong, status in (
        ({"input_file_id": "file-none"}, 404),
        ({"endpoint": "/v1/images"}, 400),
        ({"completion_window": "7d"}, 400),
        ({"metadata": {"a": 1}}, 400),
    ):
        assert api.http.post("/batches", json=right | wrong).status_code == status, wrong
    assert api.http.get("/batches/batch_none").status_code == 404


def test_completions_embeddings_and_responses_are_endpoints_too(api: OpenAi) -> None:
    asked = {"custom_id": "t", "method": "POST", "url": "/v1/completions"}
    batch = api.ended(
        api.start({**asked, "body": {"model": "tiny", "prompt": "Hi"}}, endpoint="/v1/completions")
    )
    (row,) = api.rows(batch["output_file_id"])
    assert row["response"]["body"]["choices"][0]["text"] == "Hello there, traveller."
    asked["url"] = "/v1/embeddings"
    batch = api.ended(
        api.start({**asked, "body": {"model": "tiny", "input": "Hi"}}, endpoint="/v1/embeddings")
    )
    (row,) = api.rows(batch["error_file_id"])
    assert row["response"]["body"]["error"]["code"] == "cannot_embed"
    asked["url"] = "/v1/responses"
    batch = api.ended(
        api.start({**asked, "body": {"model": "tiny", "input": "Hi"}}, endpoint="/v1/responses")
    )
    (row,) = api.rows(batch["output_file_id"])
    assert row["response"]["body"]["output"][0]["content"][0]["text"] == "Hello there, traveller."


def test_a_cancelled_batch_keeps_what_it_has(api: OpenAi, stage: Stage) -> None:
    stage.script = [Reply("One two three.", delay_s=0.02)]
    batch = api.start(*(line(f"{number}", "Hi") for number in range(50)))
    file = api.http.delete(f"/files/{batch['input_file_id']}")
    assert (file.status_code, file.json()["error"]["code"]) == (409, "upload_in_use")
    while not api.http.get(f"/batches/{batch['id']}").json()["request_counts"]["completed"]:
        time.sleep(0.02)
    api.http.post(f"/batches/{batch['id']}/cancel")
    batch = api.ended(batch)
    done = batch["request_counts"]["completed"]
    assert (batch["status"], 0 < done < 50) == ("cancelled", True)
    assert len(api.rows(batch["output_file_id"])) == done


def test_batches_are_listed_newest_first(api: OpenAi) -> None:
    ids = [api.ended(api.start(line("a", "Hi")))["id"] for _ in range(2)]
    assert [row["id"] for row in api.http.get("/batches").json()["data"]] == ids[::-1]


def test_a_person_waits_for_the_rows_being_written_and_no_longer(api: OpenAi, stage: Stage) -> None:
    order: list[str] = []

    def script(prompt: Prompt, sampling: Sampling) -> Reply:
        order.append("row" if "row" in str(prompt.pieces) else "person")
        return Reply("One two three four five.", delay_s=0.02)

    stage.script = script
    batch = api.start(*(line(f"{number}", "row") for number in range(40)))
    while len(order) < 3:
        time.sleep(0.01)
    before = len(order)
    api.http.post(
        "/chat/completions", json={"model": "tiny", "messages": [{"role": "user", "content": "Me"}]}
    )
    slots = stage.worker.plan.slots
    assert order.index("person") - before <= 2 * slots
    assert api.ended(batch)["request_counts"]["completed"] == 40


# ── behind the API ──────────────────────────────────────────────────────────────────────────────────────


async def begun(studio: Studio, count: int, caller: Caller = Caller()) -> Batch:  # noqa: B008  # frozen
    """A batch of so many lines, in the test's own loop."""
    http.create(studio)
    rows = [json.dumps(line(f"{number}", "Hi")).encode() + b"\n" for number in range(count)]
    id, size = studio.uploads.keep(rows, sum(map(len, rows)))
    await studio.uploads.add("local", id, "in.jsonl", "batch", size)
    return await studio.batches.create(caller, CHAT, id, {})


async def over(studio: Studio, batch: Batch) -> Batch:
    while not (batch := await studio.batches.get("local", batch.id)).is_over:
        await asyncio.sleep(0.01)
    return batch


def kept(studio: Studio, file_id: str) -> list[Json]:
    return [json.loads(row) for row in studio.uploads.path(file_id).read_text().splitlines()]


async def test_what_a_closed_studio_had_begun_the_next_one_ends(studio: Studio, stage: Stage) -> None:
    """Every line once, those of the first studio not again."""
    stage.script = [Reply("One two.", delay_s=0.02)]
    batch = await begun(studio, 30)
    while not (await studio.batches.get("local", batch.id)).counts["completed"]:
        await asyncio.sleep(0.01)
    await studio.batches.close()
    asked = len(stage.worker.prompts)
    assert (await studio.batches.get("local", batch.id)).state == "in_progress"
    await studio.batches.open()
    batch = await over(studio, batch)
    rows = kept(studio, batch.output_id)
    assert [row["custom_id"] for row in rows] == [f"{number}" for number in range(30)]
    assert len(stage.worker.prompts) - asked < 30


async def test_a_batch_whose_time_is_over_keeps_what_it_has_and_tells_the_rest(
    studio: Studio, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabula.batches.desk.DAY_S", 0.5)
    stage.script = [Reply("One two.", delay_s=0.02)]
    batch = await over(studio, await begun(studio, 200))
    done = kept(studio, batch.output_id) if batch.output_id else []
    late = kept(studio, batch.error_id)
    assert (batch.state, len(done) + len(late)) == ("expired", 200)
    assert {row["error"]["code"] for row in late} == {"batch_expired"}
    assert batch.counts == {"total": 200, "completed": len(done), "failed": len(late)}


async def test_a_line_that_is_noted_late_is_in_one_of_the_files(
    studio: Studio, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = desk._rows

    def noted_between(batch: Batch, lines: Any, journal: Journal, kind: str, **more: Any) -> Any:
        if kind == "failed":
            with suppress(StoreUnwritable):
                journal.add(lines[-1].number, {"status": 200, "answer": {}})
        return rows(batch, lines, journal, kind, **more)

    monkeypatch.setattr(desk, "_rows", noted_between)
    monkeypatch.setattr(desk, "DAY_S", 0.0)
    batch = await over(studio, await begun(studio, 3))
    assert {row["custom_id"] for row in kept(studio, batch.error_id)} == {"0", "1", "2"}


async def test_a_key_that_was_taken_away_lets_no_further_line_in(studio: Studio, stage: Stage) -> None:
    batch = await over(studio, await begun(studio, 3, Caller(key="gone")))
    assert {row["response"]["status_code"] for row in kept(studio, batch.error_id)} == {401}
    assert not stage.workers


async def test_an_input_that_is_gone_fails_the_batch(studio: Studio) -> None:
    batch = await begun(studio, 3)
    studio.uploads.path(batch.input_id).unlink()
    batch = await over(studio, batch)
    assert (batch.state, batch.problems[0]["error"]["code"]) == ("failed", "upload_not_found")


# ── single rows ─────────────────────────────────────────────────────────────────────────────────────────


def answer(client: Client, text: str = "Say something.", **more: Any) -> Json:
    return dict(client.post("/batches/answer", {"model": "tiny", "text": text, **more}))


def test_a_row_is_answered_with_all_that_is_known_of_it(client: Client) -> None:
    found = answer(client, sampling={"seed": 7})
    assert (found["status"], found["answer"], found["reason"]) == ("ok", "Hello there, traveller.", "")
    assert (found["model"], found["seed"], found["attempts"]) == ("tiny", 7, 1)
    assert found["effective"]["seed"] == 7
    assert found["completion_tokens"] > 3


def test_a_schema_that_fails_is_asked_again_with_another_seed(client: Client, stage: Stage) -> None:
    stage.script = ["Well, 1.", '{"n": "one"}', '{"n": 1}']
    found = answer(client, sampling={"json_schema": SCHEMA, "seed": 5})
    assert (found["status"], found["answer"], found["attempts"]) == ("ok", '{"n": 1}', 3)
    assert [sampling.seed for sampling in stage.worker.samplings] == [5, 6, 7]


def test_a_schema_that_always_fails_is_flagged_with_the_last_reply(client: Client, stage: Stage) -> None:
    stage.script = ["Well, 1."]
    found = answer(client, sampling={"json_schema": SCHEMA}, retries=1)
    assert (found["status"], found["answer"], found["attempts"]) == ("schema_failed", "Well, 1.", 2)
    assert "no JSON" in found["reason"]
    greedy = answer(client, sampling={"json_schema": SCHEMA, "temperature": 0})
    assert (greedy["attempts"], "temperature 0" in greedy["reason"]) == (1, True)


def test_what_is_cut_blank_blocked_or_broken_is_told_and_never_silent(client: Client, stage: Stage) -> None:
    stage.script = ["One two three four."]
    cut = answer(client, sampling={"max_tokens": 2})
    assert (cut["status"], cut["reason"]) == ("cut", "The reply was cut at 2 tokens.")
    stage.script[:] = [""]
    blank = answer(client, retries=0)
    assert (blank["status"], blank["reason"]) == ("error", "The model wrote nothing.")
    empty = answer(client, "  ")
    assert (empty["status"], empty["attempts"], empty["reason"]) == ("error", 0, "There is nothing to ask.")
    stage.script[:] = [Reply("", error=EngineDied("tiny", "it was killed"))]
    broken = answer(client, retries=0)
    assert (broken["status"], "killed" in broken["reason"]) == ("error", True)


def test_a_reply_that_looks_like_a_refusal_is_flagged_with_the_phrase(client: Client, stage: Stage) -> None:
    stage.script = ["I’m sorry, but I can’t help with that."]
    found = answer(client)
    assert (found["status"], found["looks_refused"]) == ("ok", "i can't help with")


def test_a_row_that_is_too_long_is_flagged_with_the_numbers(client: Client) -> None:
    long = answer(client, "word " * 5000)
    assert (long["status"], long["engine_failed"], long["attempts"]) == ("error", False, 1)
    assert "tokens" in long["reason"]


def test_a_model_or_sampling_that_is_none_is_refused_before_any_row(client: Client) -> None:
    assert client.post("/batches/check", {"sampling": {"preset": "precise"}})["model"] == "tiny"
    client.post("/batches/check", {"model": "gpt-9"}, 404)
    client.post("/batches/check", {"sampling": {"json_schema": {"type": "nothing"}}}, 400)
    client.post("/batches/answer", {"text": "Hi", "model": "gpt-9"}, 404)
