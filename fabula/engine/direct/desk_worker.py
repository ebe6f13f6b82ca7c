"""A model in a child that answers at a desk: writing, counting, scoring. Knows no engine; each one derives.

One request at a time, exact, with the whole `Sampling`. What the child does is `desk`.
"""

from __future__ import annotations

import base64
import math
import secrets
import sys
from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fabula.core.errors import ContextExceeded, EngineDied, EngineRefused
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import NAMES, NEUTRAL, SEED_LIMIT, Sampling
from fabula.core.scoring import Divergence, Outlook, Scored
from fabula.core.stream import Choice, Delta, Finished, Prefill, Rewrites, Token
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.direct.process import DirectProcess
from fabula.engine.llamacpp.adapters import Attached, Loras, NothingAttached
from fabula.engine.sampling.needs import idle, in_force, unseeing
from fabula.engine.sampling.order import settled
from fabula.engine.vectors import Vectors


class DeskWorker:
    """Also Counts, Spells, Foresees, TakesAdapters, Scores, Compares. Whoever derives loads, which sets
    `_process`, and `_loras` where adapters are attached; `vectors` are the control vectors there are."""

    model: LocalModel
    plan: Plan
    engine = ""
    vocabulary = 0
    _process: DirectProcess | None = None

    def __init__(self, attached: Attached | None = None, vectors: Vectors | None = None) -> None:
        self._attached, self._vectors = attached or NothingAttached(), vectors
        self._loras = Loras()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

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

    @property
    def adapters(self) -> tuple[str, ...]:
        return self._loras.names

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """All of it; only adapters that are not attached, vectors that are not here, and what does nothing by
        itself are asked for in vain."""
        missing = self._unknown(sampling)
        unseen = unseeing(sampling)
        used = in_force(settled(sampling), NAMES) | {
            **{name: NEUTRAL[name] for name in unseen},
            "seed": _seed(sampling),
            "logit_bias": _as_json(sampling)["logit_bias"],
            "adapters": dict(self._loras.settle(sampling).adapters),
            "control_vectors": [
                list(row) for row in sampling.control_vectors if f"control_vectors.{row[0]}" not in missing
            ],
        }
        return used, (*self._loras.ignored(sampling), *missing, *idle(sampling), *unseen)

    def scales(self, sampling: Sampling) -> list[float]:
        """How strong each loaded adapter is."""
        return [scale for _, scale in self._loras.settle(sampling).adapters]

    def pointed(self, sampling: Sampling) -> Sequence[Sequence[Any]]:
        """The control vectors that are in force, as the child reads them."""
        return self._vectors.asked(sampling, self.model) if self._vectors else []

    def _unknown(self, sampling: Sampling) -> tuple[str, ...]:
        """The vectors that are not here."""
        if self._vectors:
            return self._vectors.ignored(sampling)
        return tuple(f"control_vectors.{name}" for name, *_ in sampling.control_vectors)

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        used, _ = self.honours(sampling)
        said = _as_json(sampling) | {"adapters": {}, "control_vectors": []}
        asked = {
            "prompt": pieces(prompt),
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
        ids: list[int] = (await self.said("tokenize", prompt=pieces(prompt)))["ids"]
        return ids

    async def count(self, texts: Sequence[str]) -> list[int]:
        counts: list[int] = (await self.said("count", texts=list(texts)))["counts"]
        return counts

    async def detokenize(self, ids: Sequence[int]) -> str:
        text: str = (await self.said("detokenize", ids=list(ids)))["text"]
        return text

    async def outlook(self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE) -> Outlook:
        found: Outlook | None = None
        async with aclosing(self._ask("outlook", sampling, prompt=pieces(prompt))) as answers:
            async for head, data in answers:
                if "pieces" in head:
                    found = _outlook(head, data)
        if found is None:
            raise EngineDied(self.model.name, phrase("reasons.closed_connection"))
        return found

    # ── scoring ─────────────────────────────────────────────────────────────────────────────────────

    async def score(self, prompt: Prompt, likeliest: int = 0) -> Scored:
        said = await self.said("score", Sampling(), prompt=pieces(prompt), likeliest=likeliest)
        rows = tuple(tuple(_choice(choice) for choice in row) for row in said["likeliest"])
        return Scored(tuple(said["ids"]), tuple(said["texts"]), tuple(said["logprobs"]), rows)

    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]:
        asked = [pieces(continuation) for continuation in continuations]
        said = await self.said("choices", Sampling(), prompt=pieces(prefix), continuations=asked)
        return [tuple(row) for row in said["logprobs"]]

    async def keep_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> None:
        await self.said("keep_rows", Sampling(), ids=list(ids), start=start, end=end, file=str(file))

    async def compare_rows(self, ids: Sequence[int], start: int, end: int, file: Path) -> list[Divergence]:
        asked = {"ids": list(ids), "start": start, "end": end, "file": str(file)}
        said = await self.said("compare_rows", Sampling(), **asked)
        return [Divergence(*row) for row in said["rows"]]

    # ── requests ────────────────────────────────────────────────────────────────────────────────────

    @property
    def _loaded(self) -> DirectProcess:
        if self._process is None:
            raise EngineDied(self.model.name, phrase("reasons.not_loaded"))
        return self._process

    async def said(self, do: str, adapted: Sampling | None = None, /, **fields: Any) -> dict[str, Any]:
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
            fields |= {"scales": self.scales(adapted), "pointed": self.pointed(adapted)}
        async with aclosing(self._loaded.ask(do, **fields)) as answers:
            async for head, data in answers:
                if error := head.get("error"):
                    if error == "too_long":
                        raise ContextExceeded(head["tokens"], head["context"])
                    raise EngineRefused(self.model.name, head["reason"])
                yield head, data


def pieces(prompt: Prompt) -> tuple[list[Any], bool, bool]:
    pieces = [piece if isinstance(piece, str) else list(piece) for piece in prompt.pieces]
    return pieces, prompt.add_special, prompt.literal


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


def _outlook(head: Mapping[str, Any], data: bytes) -> Outlook:
    """Ids as int32, then log-probabilities as float32, both little-endian."""
    tokens, logprobs = array("i", data[: len(data) // 2]), array("f", data[len(data) // 2 :])
    if sys.byteorder == "big":
        tokens.byteswap()
        logprobs.byteswap()
    said = {id: base64.b64decode(piece) for id, piece in head["pieces"]}
    known = {name: head[name] for name in ("vocabulary", "offset", "spread")}
    return Outlook(tuple(head["prompt"]), tokens, logprobs, pieces=said, **known)


def _choice(row: Sequence[Any]) -> Choice:
    id, text, logprob, raw = row
    return Choice(id, text, logprob, tuple(raw))
