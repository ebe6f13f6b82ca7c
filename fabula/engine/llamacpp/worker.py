"""A model run by llama.cpp's server in a child process of its own, behind the Worker seam.

Knows no chat and no HTTP API; how requests look is `wire`, how answers look `reading`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fabula.core import rush
from fabula.core.errors import AdapterUnusable, EngineDied, EngineRefused, ModelLoadFailed
from fabula.core.load import NOTHING
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import SEED_LIMIT, Sampling
from fabula.core.scoring import Outlook
from fabula.core.stream import Delta, Finished, Prefill, Token
from fabula.core.texts import phrase
from fabula.core.worker import Prompt, SlotState
from fabula.engine.bans.matcher import Bans
from fabula.engine.builds.builds import Build, ours
from fabula.engine.cache.family import Family
from fabula.engine.cache.seats import Seat, Seats
from fabula.engine.cache.shelf import Shelf
from fabula.engine.cache.steps import Steps, cannot_go_back, steps
from fabula.engine.cache.table import Variant, chat_of
from fabula.engine.llamacpp import foreseeing, loading, rewriting, soundness, wire
from fabula.engine.llamacpp.adapters import Attached, Loras, NothingAttached, numbered
from fabula.engine.llamacpp.connection import Answer, request
from fabula.engine.llamacpp.eye import Eye, pictured, pictured_trace
from fabula.engine.llamacpp.forms import Forms
from fabula.engine.llamacpp.identity import checkpoints, fingerprint, weights
from fabula.engine.llamacpp.planned import record, told
from fabula.engine.llamacpp.pooling import Pooled
from fabula.engine.llamacpp.process import EngineProcess
from fabula.engine.llamacpp.reading import Gap, Read, Reader, Unsaid, refusal
from fabula.engine.llamacpp.settled import settled

EXTERNAL = Path(__file__).with_name("external.py")
KEEP_S = 20.0  # for saving slots when the worker is closed; a state of 1 GB takes about a second
START_TIMEOUT_S = 600.0  # a large model from a slow disk takes minutes
BETWEEN_TEXTS = -1  # no token has this id; the engine's tokenizer passes it through
ANCHOR = "\n"  # put before a fragment, so that no tokenizer adds a space to it
GAPS_KEPT = 10_000
_UNSAFE = re.compile(r"[^\w.-]+")


Drafts = Callable[[LocalModel, str], Path]
"""Where a draft of some name lies that can guess for a model. Raises ModelNotFound or DraftUnfit."""


class LlamaCppWorker:
    """One GGUF in one child process. Also Counts, Spells, SpellsOut, Foresees, TellsSlots, TakesAdapters
    and, with a `shelf`, KeepsSlots; when it is loaded, Embeds or Reranks where the model can do that; it Sees
    where the model has a projector.

    `logs` is the folder for the engine's log files; `attached` and `drafts` know where files lie. States
    of chats are saved on the shelf when they lose their slot and when the worker is closed, and come back
    from it.
    """

    model: LocalModel
    plan: Plan
    engine = "llama.cpp"

    def __init__(
        self,
        logs: Path,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        shelf: Shelf | None = None,
        build: Build | None = None,
        attached: Attached | None = None,
        drafts: Drafts | None = None,
    ) -> None:
        self._logs = logs
        self._build = build or ours()
        self._start_timeout_s = start_timeout_s
        self._shelf = shelf
        self._attached = attached or NothingAttached()
        self._drafts = drafts
        self._loras = Loras()
        self._seats: Seats | None = None
        self._one_way = False
        self._apart = 0  # tokens between two checkpoints
        self._openings: dict[str, tuple[int, ...]] = {}
        self._process: EngineProcess | None = None
        self._eye: Eye | None = None
        self._gaps: dict[tuple[str, int, int], tuple[int, ...]] = {}
        self.reported: Mapping[str, Mapping[str, int]] = {}
        self.settled = NOTHING

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    async def load(self, model: LocalModel, plan: Plan) -> None:
        self.model, self.plan = model, plan
        folder = f"{self._shelf.folder}{os.sep}" if self._shelf else ""  # a prefix of file names
        adapters = await asyncio.to_thread(self._find_adapters)
        draft = await asyncio.to_thread(self._find_draft)
        config = loading.config(model, plan, folder, checkpoints(model, plan), adapters, draft)
        self._process = await self._started(config)
        self._forms = Forms(self._process)
        self.engine = loading.engine_name(self._build, self._process.version)
        self.reported = told(plan, self._process.told)
        await asyncio.to_thread(record, self._logs, plan, self.reported, self.engine)
        name = await asyncio.to_thread(fingerprint, model, plan, self.engine)
        self._one_way = await asyncio.to_thread(cannot_go_back, model)
        self._apart = checkpoints(model, plan)["checkpoint_step"]
        self._seats = Seats(self, plan.slots, None if model.projector else self._shelf, name)
        if not (self._build.program and self._build.uses_gpus):  # see `pulse`
            self._process.watch()
        if model.projector:
            self._eye = Eye((await self._get("/props"))["media_marker"], self.detokenize)
        pooled = Pooled(self._post, plan.context)
        if (how := loading.pooling(model, plan.options)) == "rank":
            self.rerank = pooled.rerank
        elif how:
            self.embed = pooled.embed
        else:
            await self._require_sound()
        self.settled = settled(self._process.end_of_load())

    async def _require_sound(self) -> None:
        """Raises ModelLoadFailed where a sentence makes no numbers, AdapterUnusable where it makes none with
        an adapter. Weights that were found sound are not asked again, and those that the engine does not let
        ask are let be."""
        known = await asyncio.to_thread(weights, self.model.path)
        off = (0.0,) * len(self._loras.names)
        worn = [(*off[:number], 1.0, *off[number + 1 :]) for number in range(len(off))]
        with_adapters = [f"{known}+{print}" for print in self._loras.prints]
        trials = dict(zip([known, *with_adapters], [off, *worn], strict=True))
        new = [one for one in trials if not await asyncio.to_thread(soundness.is_known, self._logs, one)]
        ids = await self.tokenize(Prompt((soundness.TEXT,), add_special=False)) if new else []
        asked = wire.looking(tuple(ids[: self.plan.context // 2]), slot=0) | {"n_probs": 1}
        try:
            for one in new:
                answer = await self._post("/completion", asked | numbered(trials[one]))
                name = self._loras.names[trials[one].index(1.0)] if any(trials[one]) else ""
                soundness.require(self.model.name, answer, name)
                await asyncio.to_thread(soundness.remember, self._logs, one)
        except EngineRefused:
            return
        except (ModelLoadFailed, AdapterUnusable):
            await self.close()
            raise
        if new and off:
            await self.turn_to(0, Variant(scales=off))  # as the table of slots has it

    def _find_adapters(self) -> Sequence[Path]:
        """The files of the adapters that the plan names. Raises AdapterUnfit or AdapterUnusable."""
        names = tuple(name for name, _ in self.plan.options.adapters or ())
        files = self._attached.files(self.model, names)
        prints = tuple(weights(path) for path in files)
        self._loras = Loras(names, prints, partial(self._attached.usual, self.model))
        return files

    def _find_draft(self) -> Path | None:
        """The file of the draft that the plan names. Raises ModelNotFound or DraftUnfit."""
        name = self.plan.options.draft
        return self._drafts(self.model, name) if name and self._drafts else None

    @property
    def sees_images(self) -> bool:
        return self._eye is not None

    @property
    def adapters(self) -> tuple[str, ...]:
        return self._loras.names

    def slots(self) -> tuple[SlotState, ...]:
        return self._seats.table.told() if self._seats else ()

    async def _started(self, config: dict[str, Any]) -> EngineProcess:
        """The child of the build that is in use, ready. Raises ModelLoadFailed or EngineTimeout."""
        name, program = self.model.name, None
        log = self._logs / f"engine-{_UNSAFE.sub('_', name)}.log"
        if self._build.program:
            program = EXTERNAL
            config = {"program": self._build.program, "arguments": loading.arguments(config)}
        python = self._build.python
        return await EngineProcess.start(name, config, log, self._start_timeout_s, python, program)

    async def death(self) -> EngineDied:
        """Why the process has ended."""
        if self._process is None:
            return EngineDied(self.model.name, phrase("reasons.not_loaded"))
        return await self._process.death()

    async def close(self) -> None:
        """Saves what chats may come back to, as far as `KEEP_S` allows, and ends the process."""
        if self._seats and self.alive:
            await self._seats.keep_all(KEEP_S)
        if self._process:
            await self._process.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    async def gone(self) -> None:
        """Returns when the engine's process has ended, for whatever reason."""
        if self._process:
            await self._process.gone()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        seed = secrets.randbelow(SEED_LIMIT)
        used = wire.effective(sampling, context=self.plan.context, seed=seed)
        used |= {"adapters": dict(self._loras.settle(sampling).adapters)}
        return used, (*wire.ignored(sampling), *self._loras.ignored(sampling))

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        seats = self._loaded()
        wire.check(prompt, sampling, self.model.vocabulary)
        bans = await rewriting.bans_of(sampling)
        prompt = await self._eye.seen(prompt) if self._eye else prompt
        exact = await self._exact(prompt, as_ids=bool(chat_of(context) or bans) or context.siblings > 1)
        asked = pictured_trace(exact) if exact.images else wire.trace(exact)
        sampling = self._loras.settle(sampling)
        variant = self._loras.variant(sampling)
        async with (
            seats.sibling(context, asked, variant) as family,
            seats.seat(context, asked, variant) as seat,
        ):
            # The whole prompt is read as one, or step by step; what is told of it is the same.
            told = Steps()
            async with aclosing(self._stepped(exact, seat, family, told)) as prefills:
                async for prefill in prefills:
                    yield prefill
            effective, _ = self.honours(sampling)
            body = _body(exact, sampling, effective, seat)
            known = partial(self._known, told, effective, seat)
            if apart := self._apart_from_usual(exact, sampling, body, bans, seat):
                async with aclosing(apart) as deltas:
                    async for delta in deltas:
                        yield known(delta)
                return
            reader = _reader(self.model.name, sampling)
            async with self._ask("/completion", body, self._together) as answer:
                # As in `_read`: one generator more between the two costs each token a twentieth of its way.
                while not answer.is_over:
                    await answer.more()
                    for piece in answer.taken():
                        for read in reader.feed(piece):
                            if isinstance(read, Token):  # asked first: nearly all are
                                seat.follow(read)
                                yield read
                            else:
                                for delta in await self._completed(read):
                                    yield known(delta)

    def _loaded(self) -> Seats:
        """Raises EngineDied where the model is not loaded."""
        if self._seats is None:
            raise EngineDied(self.model.name, phrase("reasons.not_loaded"))
        return self._seats

    async def _stepped(
        self, prompt: Prompt, seat: Seat, family: Family | None, told: Steps
    ) -> AsyncGenerator[Prefill, None]:
        """What is read before the reply is asked for: a prompt up to each message, where the model could not
        go back to (see `cache.steps`), and all of it for the others who ask the same."""
        ids = seat.asked
        if isinstance(ids, str) or not (self._one_way or family):
            return
        openings = [await self._opening(text) for text in prompt.openings] if self._one_way else []
        ends = steps(ids, openings, start=seat.expected, apart=self._apart)
        for end in (*ends, len(ids)) if family else ends:
            async with aclosing(self._reading(ids[:end], seat.number, seat.slot.variant)) as deltas:
                async for delta in deltas:
                    if isinstance(told_now := told.step(delta, len(ids)), Prefill):
                        seat.follow(told_now)
                        yield told_now
        if family and self._seats:
            await self._seats.lend(seat, family)

    def _reading(self, ids: tuple[int, ...], slot: int, variant: Variant) -> AsyncGenerator[Delta, None]:
        return self._read(wire.reading(ids, slot) | numbered(variant.scales), Reader(self.model.name))

    async def _opening(self, text: str) -> tuple[int, ...]:
        if text not in self._openings:
            self._openings[text] = tuple(await self.tokenize(Prompt((text,), add_special=False)))
        return self._openings[text]

    def _apart_from_usual(
        self, prompt: Prompt, sampling: Sampling, body: dict[str, Any], bans: Bans | None, seat: Seat
    ) -> AsyncGenerator[Delta, None] | None:
        """A reply that more is done with than to read it; None for any other."""
        if bans:
            asks = rewriting.Asks(self._read, partial(self._post, "/completion"), self.detokenize)
            return rewriting.rewritten(asks, self.model.name, body, prompt, sampling, bans, self._one_way)
        if self._forms.is_news(sampling):
            reader = _reader(self.model.name, sampling)
            return self._forms.watched(self._read(body, reader), sampling, seat.number)
        return None

    def _known(self, told: Steps, effective: dict[str, Any], seat: Seat, delta: Delta) -> Delta:
        """With what only the seat and the steps before know; the seat hears of it too."""
        if not isinstance(delta, Token):
            delta = told.last(delta)
            if isinstance(delta, Finished):
                delta = self._told(delta, effective, seat)
        seat.follow(delta)
        return delta

    def _told(self, finished: Finished, effective: dict[str, Any], seat: Seat) -> Finished:
        used = wire.settled(effective, finished.effective or {})
        cache, reason = seat.verdict(finished)
        return dataclasses.replace(
            finished, engine=self.engine, effective=used, cache=cache, cache_reason=reason
        )

    async def _read(self, body: dict[str, Any], reader: Reader) -> AsyncGenerator[Delta, None]:
        async with self._ask("/completion", body, self._together) as answer:
            while not answer.is_over:
                await answer.more()
                for piece in answer.taken():
                    for read in reader.feed(piece):
                        for delta in await self._completed(read):
                            yield delta

    async def _together(self) -> None:
        """With all that arrived with it: the engine then reads their prompts in one batch."""
        await rush.ready(self.plan.slots)

    async def _exact(self, prompt: Prompt, *, as_ids: bool) -> Prompt:
        """Without text before which the engine would put an unwanted BOS; or all of it as ids."""
        is_text = [isinstance(piece, str) for piece in prompt.pieces]
        if prompt.images or not any(is_text):
            return prompt
        if not (as_ids or prompt.literal or (is_text[0] and not prompt.add_special)):
            return prompt
        ids = tuple(await self.tokenize(prompt))
        return dataclasses.replace(prompt, pieces=(ids,), add_special=False)

    async def _completed(self, read: Read) -> Sequence[Delta]:
        """With what only the tokenizer knows, where it is needed."""
        if isinstance(read, Gap):
            return (read.filled(await self._canonical(read)),)
        if isinstance(read, Unsaid):
            return read.said(await self.detokenize(read.ids))
        return (read,)

    async def _canonical(self, gap: Gap) -> tuple[int, ...]:
        """The ids that the tokenizer gives for the text in the middle of a reply; remembered."""
        key = (gap.text, gap.missing, gap.last)
        if key not in self._gaps:
            if len(self._gaps) >= GAPS_KEPT:
                self._gaps.clear()
            anchor = await self.tokenize(Prompt((ANCHOR,), add_special=False))
            whole = await self.tokenize(Prompt((ANCHOR + gap.text,), add_special=False))
            self._gaps[key] = tuple(whole[len(anchor) :]) if whole[: len(anchor)] == anchor else ()
        return self._gaps[key]

    # ── Counts ──────────────────────────────────────────────────────────────────────────────────────

    async def tokenize(self, prompt: Prompt) -> list[int]:
        content = wire.mixed(prompt)
        parts = [content] if isinstance(content, str) else content
        return await self._tokens(parts, prompt.add_special, parse_special=not prompt.literal)

    async def count(self, texts: Sequence[str]) -> list[int]:
        """All texts in one request, told apart by an id that no token has."""
        content = [part for text in texts for part in (text, BETWEEN_TEXTS)]
        counts = [0]
        for id in await self._tokens(content, add_special=False):
            if id == BETWEEN_TEXTS:
                counts.append(0)
            else:
                counts[-1] += 1
        return counts[:-1]

    async def _tokens(
        self, content: Sequence[str | int], add_special: bool, *, parse_special: bool = True
    ) -> list[int]:
        asked = {"content": content, "add_special": add_special, "parse_special": parse_special}
        tokens: list[int] = (await self._post("/tokenize", asked))["tokens"] if content else []
        return tokens

    async def spelled(self, prompt: Prompt, *, parse_special: bool = True) -> list[tuple[int, bytes]]:
        asked = {"content": wire.mixed(prompt), "add_special": prompt.add_special}
        asked |= {"parse_special": parse_special, "with_pieces": True}
        rows = (await self._post("/tokenize", asked))["tokens"] if asked["content"] else []
        return [(row["id"], wire.piece(row["piece"])) for row in rows]

    async def detokenize(self, ids: Sequence[int]) -> str:
        text: str = (await self._post("/detokenize", {"tokens": list(ids)}))["content"]
        return text

    # ── Foresees ────────────────────────────────────────────────────────────────────────────────────

    async def outlook(self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE) -> Outlook:
        seats = self._loaded()
        ids = tuple(await self.tokenize(prompt))
        settled = self._loras.settle(sampling)
        variant = self._loras.variant(settled)
        async with seats.seat(context, ids, variant) as seat:
            asked = wire.looking(ids, seat.number) | numbered(variant.scales)

            async def post(body: dict[str, Any]) -> Any:
                return await self._post("/completion", asked | body)

            found = await foreseeing.foreseen(post, ids, sampling, self.model.vocabulary)
            seat.follow(Prefill(len(ids), len(ids), seat.expected))
        said = dict(await self.spelled(Prompt((ids,), add_special=False)))
        return dataclasses.replace(found, pieces={**said, **found.pieces})

    # ── KeepsSlots ──────────────────────────────────────────────────────────────────────────────────

    async def save_slot(self, slot: int, file: str) -> int:
        """Writes the slot's state to `file` in the slots folder; answers its tokens."""
        return int((await self._post(f"/slots/{slot}?action=save", {"filename": file}))["n_saved"])

    async def restore_slot(self, slot: int, file: str) -> int:
        return int((await self._post(f"/slots/{slot}?action=restore", {"filename": file}))["n_restored"])

    async def turn_to(self, slot: int, variant: Variant) -> None:
        """One token is read with other scales: with them, the engine empties the slot before it reads."""
        async with aclosing(self._reading((0,), slot, variant)) as deltas:
            async for _ in deltas:
                pass

    async def mark(self, slot: int, held: tuple[int, ...], variant: Variant) -> None:
        """A saved sliding window alone is too short to go on from: reading the end makes a checkpoint."""
        if self._one_way and len(held) < self.plan.context:
            async with aclosing(self._reading(held, slot, variant)) as deltas:
                async for _ in deltas:
                    pass

    # ── requests ────────────────────────────────────────────────────────────────────────────────────

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._ask(path, body) as answer:
            return json.loads(await answer.body())

    async def _get(self, path: str) -> Any:
        async with self._ask(path, None) as answer:
            return json.loads(await answer.body())

    @asynccontextmanager
    async def _ask(
        self, path: str, body: dict[str, Any] | None, before: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[Answer]:
        """An answer with status 200. Raises what the engine refused, or EngineDied."""
        if self._process is None:
            raise EngineDied(self.model.name, phrase("reasons.not_loaded"))
        process = self._process
        process.open += 1
        try:
            data = None if body is None else json.dumps(body).encode()
            async with request(process.address, process.key, path, data, before) as answer:
                if answer.status != 200:
                    raise refusal(self.model.name, _error(await answer.body()))
                yield answer
        except OSError as broken:
            raise await process.death() from broken
        finally:
            process.open -= 1


def _body(prompt: Prompt, sampling: Sampling, effective: dict[str, Any], seat: Seat) -> dict[str, Any]:
    body = wire.body(prompt, sampling, effective) | {"id_slot": seat.number}
    body |= numbered(seat.slot.variant.scales)
    return body | pictured(prompt) if prompt.images else body


def _reader(name: str, sampling: Sampling) -> Reader:
    return Reader(name, logprobs=sampling.logprobs, stops=bool(sampling.stop))


def _error(body: bytes) -> Any:
    try:
        return json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
