"""What Prometheus is told: read by its own parser, and the numbers are those of what was done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from stage import Stage
from talking import Client

from fabula.core.stream import Finished
from fabula.core.worker import Running
from fabula.engine.scripted import Reply
from fabula.server import metrics
from fabula.server.metrics import Metrics, dialect_of, lines
from fabula.turn.request import TurnRequest

Told = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def root(client: Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=client.address, timeout=30) as root:
        yield root


def read(text: str) -> Told:
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    told = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(told) == len(samples), "no number is told twice"
    return told


def told_by(root: httpx.Client) -> Told:
    answer = root.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.text)


def test_tokens_are_counted_when_a_reply_has_ended(root: httpx.Client) -> None:
    for _ in range(2):
        root.post("/completion", json={"prompt": "One two", "n_predict": 2})
    told = told_by(root)
    assert told["llamacpp:tokens_predicted_total", ()] == 4
    read_now, cached = (
        told["llamacpp:prompt_tokens_total", ()],
        told["llamacpp:prompt_tokens_cached_total", ()],
    )
    assert (read_now + cached, cached) == (6, 2)
    model = (("model", "tiny"),)
    assert told["fabula_completion_tokens_total", model] == 4
    assert told["fabula_prompt_tokens_reused_total", model] == 2
    assert told["fabula_turns_total", (("model", "tiny"), ("reason", "length"))] == 2
    assert told["fabula_first_token_seconds_count", ()] == 2
    assert told["fabula_first_token_seconds_bucket", (("le", "+Inf"),)] == 2


def test_replies_in_chats_are_counted_too(root: httpx.Client, client: Client) -> None:
    client.new_chat().say("Hello")
    assert told_by(root)["fabula_turns_total", (("model", "tiny"), ("reason", "stop"))] == 1


def test_answers_are_counted_by_dialect_and_status(root: httpx.Client) -> None:
    root.post("/completion", json={"prompt": "x"})
    root.post("/completion", json={})
    root.post("/v1/completions", json={"prompt": "x"})
    root.get("/v1/models")
    root.get("/nowhere")
    told = told_by(root)
    counted = {
        (dict(labels)["dialect"], dict(labels)["status"]): value
        for (name, labels), value in told.items()
        if name == "fabula_requests_total"
    }
    assert counted == {
        ("llamacpp", "200"): 1,
        ("llamacpp", "400"): 1,
        ("openai", "200"): 2,
        ("other", "404"): 1,
    }


def test_what_is_loaded_and_waited_for_is_told(root: httpx.Client, stage: Stage) -> None:
    assert told_by(root)["fabula_models_loaded", ()] == 0
    root.post("/completion", json={"prompt": "x"})
    told, model = told_by(root), (("model", "tiny"),)
    assert told["fabula_models_loaded", ()] == 1
    assert (told["fabula_queue_length", model], told["fabula_requests_running", model]) == (0, 0)
    assert told["fabula_model_slots", model] == 4
    assert told["fabula_process_resident_bytes", ()] > 1e6
    assert told["fabula_uptime_seconds", ()] > 0


async def test_who_waits_is_told_while_he_waits(client: Client, stage: Stage) -> None:
    stage.script = [Reply("word " * 200, delay_s=0.02)]
    async with httpx.AsyncClient(base_url=client.address, timeout=60) as root:
        asked = [asyncio.create_task(root.post("/completion", json={"prompt": "x"})) for _ in range(6)]
        told: Told = {}
        while told.get(("llamacpp:requests_deferred", ())) != 2:
            told = read((await root.get("/metrics")).text)
            await asyncio.sleep(0.01)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    assert told["llamacpp:requests_processing", ()] == 4
    assert told["fabula_queue_length", (("model", "tiny"),)] == 2


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/api/fabula/v1/chats", "native"),
        ("/v1/messages/count_tokens", "anthropic"),
        ("/v1/internal/model/info", "textgen"),
        ("/v1/chat/completions", "openai"),
        ("/chat/completions", "openai"),
        ("/api/v1/generate", "kobold"),
        ("/api/extra/tokencount", "kobold"),
        ("/api/tags", "ollama"),
        ("/completions", "llamacpp"),
        ("/v1/health", "llamacpp"),
        ("/favicon.ico", "other"),
    ],
)
def test_which_dialect_a_path_belongs_to(path: str, dialect: str) -> None:
    assert dialect_of(path) == dialect


def test_names_of_models_may_hold_anything() -> None:
    counted, name = Metrics(), 'a "wild"\\one\nof 霧'
    end = Finished(
        reason="stop",
        prompt_tokens=5,
        reused_tokens=2,
        processed_tokens=3,
        completion_tokens=4,
        prompt_ms=1500,
        predicted_ms=2000,
        first_token_ms=700,
    )
    counted.finished(TurnRequest(model=name), end)
    nobody: list[Running] = []
    told = read("\n".join(lines(counted, nobody, 1000)) + "\n")
    assert told["fabula_prompt_tokens_total", (("model", name),)] == 5
    assert told["llamacpp:prompt_tokens_seconds", ()] == 2
    assert told["llamacpp:predicted_tokens_seconds", ()] == 2
    buckets = [told["fabula_first_token_seconds_bucket", (("le", le),)] for le in ("0.5", "1", "300")]
    assert buckets == [0, 1, 1]
    assert tuple(sorted(metrics.BUCKETS)) == metrics.BUCKETS
