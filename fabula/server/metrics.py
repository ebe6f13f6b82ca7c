"""What the studio has done since its start, as numbers for Prometheus. Knows no engine and nobody's text.

A request is counted when its status is sent, a turn when it has ended: no token costs anything. llama.cpp's
own names are told where they mean the same (`llamacpp:…`), summed over all models; ours are `fabula_…`.
Source: Prometheus' text format 0.0.4, and the answer of llama.cpp's /metrics.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import psutil
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fabula import __version__
from fabula.app import Studio
from fabula.core.stream import Finished
from fabula.core.worker import Running
from fabula.server.routing import Routes
from fabula.turn.request import TurnRequest

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # seconds
DIALECTS = (
    ("/api/fabula/", "native"),
    ("/v1/messages", "anthropic"),
    ("/v1/internal/", "textgen"),
    ("/v1/health", "llamacpp"),
    ("/v1/reranking", "llamacpp"),
    ("/v1/", "openai"),
    ("/api/v1/", "kobold"),
    ("/api/latest/", "kobold"),
    ("/api/extra/", "kobold"),
    ("/api/admin/", "kobold"),
    ("/api/", "ollama"),
    *((path, "openai") for path in ("/chat/completions", "/responses")),
    *((path, "llamacpp") for path in ("/completion", "/infill", "/tokenize", "/detokenize", "/props")),
    *((path, "llamacpp") for path in ("/apply-template", "/embedding", "/rerank", "/slots", "/models")),
    *((path, "llamacpp") for path in ("/lora-adapters", "/health", "/metrics")),
)
OTHER = "other"
Labels = tuple[tuple[str, str], ...]


def dialect_of(path: str) -> str:
    return next((name for beginning, name in DIALECTS if path.startswith(beginning)), OTHER)


@dataclass(slots=True)
class Spent:
    """What the turns of one model have cost. Times are milliseconds."""

    prompt: int = 0
    reused: int = 0
    processed: int = 0
    written: int = 0
    prompt_ms: float = 0.0
    predicted_ms: float = 0.0
    guessed: int = 0
    guessed_right: int = 0
    longest: int = 0  # tokens of prompt and reply

    def add(self, end: Finished) -> None:
        self.prompt += end.prompt_tokens
        self.reused += end.reused_tokens
        self.processed += end.processed_tokens
        self.written += end.completion_tokens
        self.prompt_ms += end.prompt_ms
        self.predicted_ms += end.predicted_ms
        self.guessed += end.guessed_tokens
        self.guessed_right += end.guessed_right
        self.longest = max(self.longest, end.prompt_tokens + end.completion_tokens)


@dataclass(slots=True)
class Metrics:
    """All counters of one studio; they begin at 0 with it."""

    began: float = field(default_factory=time.time)  # Unix seconds
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # by dialect and status
    turns: Counter[tuple[str, str]] = field(default_factory=Counter)  # by model and how they ended
    spent: dict[str, Spent] = field(default_factory=dict)  # by model
    first_tokens: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    first_token_s: float = 0.0  # all together

    def finished(self, request: TurnRequest, end: Finished) -> None:
        self.turns[request.model, end.reason] += 1
        self.spent.setdefault(request.model, Spent()).add(end)
        if end.first_token_ms:
            seconds = end.first_token_ms / 1000
            self.first_tokens[bisect_left(BUCKETS, seconds)] += 1
            self.first_token_s += seconds


class Counted:
    """ASGI middleware: counts answers by dialect and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._requests = app, metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dialect = dialect_of(scope["path"])

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests[dialect, message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counted)


def router(studio: Studio, metrics: Metrics) -> Routes:
    routes = Routes(tags=["llama.cpp"])

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def told() -> PlainTextResponse:
        """Numbers for Prometheus: requests, tokens, times, queues and memory."""
        rows = studio.supervisor.running()
        text = "".join(f"{line}\n" for line in lines(metrics, rows, psutil.Process().memory_info().rss))
        return PlainTextResponse(text, media_type=MEDIA_TYPE)

    return routes


# ── the text ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its labels."""

    name: str
    kind: str
    about: str
    rows: Iterable[tuple[Labels, float]]

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.rows:
            yield f"{self.name}{_labels(labels)} {_number(value)}"


def lines(metrics: Metrics, running: Iterable[Running], resident: int) -> Iterator[str]:
    """The whole answer; `resident` are the bytes of the studio's own process."""
    rows = list(running)
    for family in (*_theirs(metrics, rows), *_counted(metrics), *_present(metrics, rows, resident)):
        yield from family.lines()
    yield from _first_tokens(metrics)


def _theirs(metrics: Metrics, rows: list[Running]) -> Iterator[Family]:
    all_of = list(metrics.spent.values())
    read, read_s = sum(one.processed for one in all_of), sum(one.prompt_ms for one in all_of) / 1000
    written, written_s = sum(one.written for one in all_of), sum(one.predicted_ms for one in all_of) / 1000
    counters: dict[str, tuple[str, float]] = {
        "prompt_tokens_total": ("Prompt tokens processed, without those from the cache", read),
        "prompt_tokens_cached_total": ("Prompt tokens from the cache", sum(one.reused for one in all_of)),
        "prompt_seconds_total": ("Time spent processing prompts", read_s),
        "tokens_predicted_total": ("Tokens written", written),
        "tokens_predicted_seconds_total": ("Time spent writing", written_s),
        "n_tokens_max": ("Longest prompt and reply", max((one.longest for one in all_of), default=0)),
        "spec_decode_num_draft_tokens_total": ("Guessed tokens", sum(one.guessed for one in all_of)),
        "spec_decode_num_accepted_tokens_total": (
            "Guessed tokens that were right",
            sum(one.guessed_right for one in all_of),
        ),
    }
    gauges: dict[str, tuple[str, float]] = {
        "prompt_tokens_seconds": ("Prompt tokens per second, on average", read / read_s if read_s else 0),
        "predicted_tokens_seconds": (
            "Tokens per second, on average",
            written / written_s if written_s else 0,
        ),
        "requests_processing": ("Requests that are being served", sum(row.busy for row in rows)),
        "requests_deferred": ("Requests that wait", sum(row.waiting for row in rows)),
    }
    for kind, found in (("counter", counters), ("gauge", gauges)):
        for name, (about, value) in found.items():
            yield Family(f"llamacpp:{name}", kind, about, [((), value)])


def _counted(metrics: Metrics) -> Iterator[Family]:
    requests = [
        ((("dialect", dialect), ("status", f"{status}")), count)
        for (dialect, status), count in sorted(metrics.requests.items())
    ]
    yield Family("fabula_requests_total", "counter", "Answered requests by dialect and status", requests)
    turns = [
        ((("model", model), ("reason", reason)), count)
        for (model, reason), count in sorted(metrics.turns.items())
    ]
    yield Family("fabula_turns_total", "counter", "Replies by model and how they ended", turns)
    tokens = {
        "fabula_prompt_tokens_total": ("Tokens of prompts", "prompt"),
        "fabula_prompt_tokens_reused_total": ("Tokens of prompts that were not read again", "reused"),
        "fabula_prompt_tokens_processed_total": ("Tokens of prompts that were read", "processed"),
        "fabula_completion_tokens_total": ("Tokens written", "written"),
    }
    for name, (about, part) in tokens.items():
        of = [((("model", model),), getattr(one, part)) for model, one in sorted(metrics.spent.items())]
        yield Family(name, "counter", about, of)


def _present(metrics: Metrics, rows: list[Running], resident: int) -> Iterator[Family]:
    def of(value: Mapping[str, float]) -> list[tuple[Labels, float]]:
        return [((("model", model),), number) for model, number in value.items()]

    told = [((("version", __version__),), 1.0)]
    yield Family("fabula_info", "gauge", "The version of Fabula", told)
    yield Family("fabula_uptime_seconds", "gauge", "Since the start", [((), time.time() - metrics.began)])
    about = "Memory of the studio's own process"
    yield Family("fabula_process_resident_bytes", "gauge", about, [((), resident)])
    yield Family("fabula_models_loaded", "gauge", "Loaded models", [((), len(rows))])
    waiting, busy = {row.model: row.waiting for row in rows}, {row.model: row.busy for row in rows}
    yield Family("fabula_queue_length", "gauge", "Requests that wait for a model", of(waiting))
    yield Family("fabula_requests_running", "gauge", "Requests that a model serves", of(busy))
    slots = {row.model: row.plan.slots for row in rows}
    yield Family("fabula_model_slots", "gauge", "Requests that a model serves at a time", of(slots))
    sizes = [
        ((("model", row.model), ("device", device)), float(size))
        for row in rows
        for device, size in row.measured.items()
    ]
    about = "Memory of a loaded model's process by device, measured"
    yield Family("fabula_model_memory_bytes", "gauge", about, sizes)


def _first_tokens(metrics: Metrics) -> Iterator[str]:
    name, count = "fabula_first_token_seconds", 0
    yield f"# HELP {name} From a request to the first token of its reply"
    yield f"# TYPE {name} histogram"
    for bound, found in zip((*BUCKETS, None), metrics.first_tokens, strict=True):
        count += found
        yield f'{name}_bucket{{le="{"+Inf" if bound is None else f"{bound:g}"}"}} {count}'
    yield f"{name}_sum {_number(metrics.first_token_s)}"
    yield f"{name}_count {count}"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels) + "}" if labels else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value}"
