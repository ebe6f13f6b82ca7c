"""A model run through the engine library's own functions, in a child process: one request at a time, exact.

Knows no chat and no HTTP API. What it does beyond writing: scores texts, compares models, captures tensors,
steers by vectors, and honours every parameter of `Sampling`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import re
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, ContextExceeded, DirectUnavailable, EngineDied, EngineRefused
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.scoring import Captured, Divergence, Kept, Scored
from fabula.core.stream import Choice, Delta, Finished, Prefill, Rewrites, Token
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.builds.builds import Build, ours
from fabula.engine.cache.steps import cannot_go_back
from fabula.engine.direct import loading
from fabula.engine.direct.process import PROGRAM, DirectProcess
from fabula.engine.llamacpp.adapters import Attached, Loras, NothingAttached
from fabula.engine.llamacpp.identity import weights
from fabula.engine.llamacpp.loading import engine_name

START_TIMEOUT_S = 600.0
NAME = "llama.cpp exact"
_UNSAFE = re.compile(r"[^\w.-]+")


class DirectWorker:
    """One GGUF in one child process. Also Counts, Spells, TakesAdapters, Scores, Compares, Captures, Steers.

    `logs` is the folder for the engine's log files, `proof` the file in which it is kept that this engine's
    library is what we take it for.
    """

    model: LocalModel
    plan: Plan
    engine = NAME
    vocabulary = 0

    def __init__(
        self,
        logs: Path,
        proof: Path,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        build: Build | None = None,
        attached: Attached | None = None,
    ) -> None:
        self._logs, self._proof = logs, proof
        self._build = build or ours()
        self._start_timeout_s = start_timeout_s
        self._attached = attached or NothingAttached()
        self._loras = Loras()
        self._process: DirectProcess | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    async def load(self, model: LocalModel, plan: Plan) -> None:
        """Raises DirectUnavailable where the engine's functions cannot be called."""
        self.model, self.plan = model, dataclasses.replace(plan, slots=1)
        if why := loading.obstacle(self._build):
            raise DirectUnavailable(why)
        config = await asyncio.to_thread(self._config)
        log = self._logs / f"engine-{_UNSAFE.sub('_', model.name)}-direct.log"
        self._process = await DirectProcess.start(
            model.name, config, log, self._start_timeout_s, program=PROGRAM
        )
        self.vocabulary = self._process.facts["vocabulary"]
        self.engine = engine_name(self._build, self._process.version).replace("llama.cpp", NAME, 1)

    def _config(self) -> dict[str, Any]:
        names = tuple(name for name, _ in self.plan.options.adapters or ())
        files = self._attached.files(self.model, names)
        prints = tuple(weights(path) for path in files)
        self._loras = Loras(names, prints, partial(self._attached.usual, self.model))
        is_one_way = cannot_go_back(self.model)
        return loading.settings(
            self.model, self.plan, self._build, files, is_one_way=is_one_way, proof=self._proof
        )

    @property
    def adapters(self) -> tuple[str, ...]:
        return self._loras.names

    async def death(self) -> EngineDied:
        """Why the process has ended."""
        if self._process is None:
            return EngineDied(self.model.name, phrase("reasons.not_loaded"))
        return await self._process.death()

    async def close(self) -> None:
        if self._process:
            await self._process.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    async def gone(self) -> None:
        if self._process:
            await self._process.gone()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """All of it; only adapters that are not attached are asked for in vain."""
        from fabula.engine.sampling.chain import settled

        used = settled(sampling).all()
        used["seed"] = _seed(sampling)
        used["logit_bias"] = _as_json(sampling)["logit_bias"]
        used["adapters"] = dict(self._loras.settle(sampling).adapters)
        return used, self._loras.ignored(sampling)

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        used, _ = self.honours(sampling)
        said = _as_json(sampling) | {"adapters": {}}
        asked = {
            "prompt": _pieces(prompt),
            "sampling": {name: value for name, value in said.items() if value is not None},
            "seed": used["seed"],
            "shown": prompt.shown,
            "triggers": prompt.triggers,
        }
        async with aclosing(self._ask("write", sampling, **asked)) as answers:
            async for head, _ in answers:
                if "done" in head:
                    yield self._finished(head, sampling, used)
                elif "prefill" in head:
                    yield Prefill(*head["prefill"])
                else:
                    yield _token(head)

    def _finished(self, end: Mapping[str, Any], sampling: Sampling, used: dict[str, Any]) -> Finished:
        rewrites, wasted, unavoided = end["bans"]
        bans = Rewrites(count=rewrites, wasted_tokens=wasted, unavoided=tuple(unavoided))
        return Finished(
            reason=end["reason"],
            prompt_tokens=end["prompt"],
            reused_tokens=end["reused"],
            processed_tokens=end["prompt"] - end["reused"],
            completion_tokens=end["completion"],
            prompt_ms=end["prompt_ms"],
            predicted_ms=end["predicted_ms"],
            stop_string=end["stop_string"],
            engine=self.engine,
            effective=used,
            cache="slot" if end["reused"] else "none",
            bans=bans if sampling.banned_strings or sampling.banned_regexes else None,
        )

    # ── texts ───────────────────────────────────────────────────────────────────────────────────────

    async def tokenize(self, prompt: Prompt) -> list[int]:
        ids: list[int] = (await self._said("tokenize", prompt=_pieces(prompt)))["ids"]
        return ids

    async def count(self, texts: Sequence[str]) -> list[int]:
        counts: list[int] = (await self._said("count", texts=list(texts)))["counts"]
        return counts

    async def detokenize(self, ids: Sequence[int]) -> str:
        text: str = (await self._said("detokenize", ids=list(ids)))["text"]
        return text

    # ── scoring ─────────────────────────────────────────────────────────────────────────────────────

    async def score(self, prompt: Prompt, likeliest: int = 0) -> Scored:
        said = await self._said("score", Sampling(), prompt=_pieces(prompt), likeliest=likeliest)
        rows = tuple(tuple(_choice(choice) for choice in row) for row in said["likeliest"])
        return Scored(tuple(said["ids"]), tuple(said["texts"]), tuple(said["logprobs"]), rows)

    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]:
        asked = [_pieces(continuation) for continuation in continuations]
        said = await self._said("choices", Sampling(), prompt=_pieces(prefix), continuations=asked)
        return [tuple(row) for row in said["logprobs"]]

    async def keep_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> None:
        await self._said("keep_rows", Sampling(), ids=list(ids), start=start, end=end, file=str(file))

    async def compare_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> list[Divergence]:
        asked = {"ids": list(ids), "start": start, "end": end, "file": str(file)}
        said = await self._said("compare_rows", Sampling(), **asked)
        return [Divergence(*row) for row in said["rows"]]

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    async def capture(
        self, prompt: Prompt, tensors: Sequence[str], keep: Kept = "all"
    ) -> Mapping[str, Captured]:
        found: dict[str, Captured] = {}
        asked = {"prompt": _pieces(prompt), "tensors": list(tensors), "keep": keep}
        async with aclosing(self._ask("capture", None, **asked)) as answers:
            async for head, data in answers:
                if "name" in head:
                    rows, width = head["shape"]
                    found[head["name"]] = Captured(rows, width, head["tokens"], data)
        return found

    async def steer(self, vectors: Mapping[int, Sequence[float]], scale: float = 1.0) -> None:
        layers, width = self._loaded.facts["layers"], self._loaded.facts["width"]
        for layer, vector in vectors.items():
            if not 1 <= layer < layers:
                raise BadParameter(
                    "layer", f"{layer}", phrase("expected.whole_range", low=1, high=layers - 1)
                )
            if len(vector) != width:
                raise BadParameter(
                    "vector", f"{len(vector)}", phrase("expected.whole_range", low=width, high=width)
                )
        rows = {f"{layer}": [float(value) for value in vector] for layer, vector in vectors.items()}
        await self._said("steer", vectors=rows, scale=scale)

    # ── requests ────────────────────────────────────────────────────────────────────────────────────

    @property
    def _loaded(self) -> DirectProcess:
        if self._process is None:
            raise EngineDied(self.model.name, phrase("reasons.not_loaded"))
        return self._process

    async def _said(self, do: str, adapted: Sampling | None = None, /, **fields: Any) -> dict[str, Any]:
        """The only answer of a request."""
        async with aclosing(self._ask(do, adapted, **fields)) as answers:
            async for head, _ in answers:
                return head
        raise EngineDied(self.model.name, phrase("reasons.closed_connection"))

    async def _ask(
        self, do: str, adapted: Sampling | None, /, **fields: Any
    ) -> AsyncGenerator[tuple[dict[str, Any], bytes], None]:
        """With a sampling, adapters are as strong as it says, or as usual."""
        if adapted is not None:
            fields["scales"] = [scale for _, scale in self._loras.settle(adapted).adapters]
        async with aclosing(self._loaded.ask(do, **fields)) as answers:
            async for head, data in answers:
                if error := head.get("error"):
                    if error == "too_long":
                        raise ContextExceeded(head["tokens"], head["context"])
                    raise EngineRefused(self.model.name, head["reason"])
                yield head, data


def _pieces(prompt: Prompt) -> tuple[list[Any], bool]:
    pieces = [piece if isinstance(piece, str) else list(piece) for piece in prompt.pieces]
    return pieces, prompt.add_special


def _seed(sampling: Sampling) -> int:
    return secrets.randbelow(SEED_LIMIT) if sampling.seed in (None, SEED_LIMIT) else int(sampling.seed or 0)


def _as_json(sampling: Sampling) -> dict[str, Any]:
    """JSON has no infinity; `Sampling.of` reads this back."""
    bias = [[token, "-inf" if bias == -math.inf else bias] for token, bias in sampling.logit_bias]
    return sampling.changed() | {"logit_bias": bias}


def _token(said: Mapping[str, Any]) -> Token:
    if "chosen" not in said:
        return Token(said["text"], tuple(said["ids"]))
    likeliest = tuple(_choice(row) for row in said["likeliest"])
    return Token(said["text"], tuple(said["ids"]), _choice(said["chosen"]), likeliest)


def _choice(row: Sequence[Any]) -> Choice:
    id, text, logprob, raw = row
    return Choice(id, text, logprob, tuple(raw))
