"""A model run through the engine library's own functions, in a child process: one request at a time, exact.

Knows no chat and no HTTP API. What it does beyond a desk's worker: captures tensors, steers by vectors.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, DirectUnavailable
from fabula.core.load import NOTHING
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.scoring import Captured, Kept
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.builds.builds import Build, ours
from fabula.engine.cache.steps import cannot_go_back
from fabula.engine.direct import loading
from fabula.engine.direct.desk_worker import DeskWorker, pieces
from fabula.engine.direct.process import PROGRAM, DirectProcess
from fabula.engine.llamacpp.adapters import Attached, Loras
from fabula.engine.llamacpp.identity import weights
from fabula.engine.llamacpp.loading import engine_name
from fabula.engine.llamacpp.settled import settled
from fabula.engine.vectors import Vectors

START_TIMEOUT_S = 600.0
NAME = "llama.cpp exact"
_UNSAFE = re.compile(r"[^\w.-]+")


class DirectWorker(DeskWorker):
    """One GGUF in one child process. Also Counts, Spells, TakesAdapters, Scores, Compares, Captures, Steers.

    `logs` is the folder for the engine's log files, `proof` the file in which it is kept that this engine's
    library is what we take it for.
    """

    engine = NAME

    def __init__(
        self,
        logs: Path,
        proof: Path,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        build: Build | None = None,
        attached: Attached | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        super().__init__(attached, vectors)
        self._logs, self._proof = logs, proof
        self._build = build or ours()
        self._start_timeout_s = start_timeout_s
        self.settled = NOTHING

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
        # Backwards: the library may have been tried with a tiny model before.
        self.settled = settled(reversed(self._process.end_of_load()))
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

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    async def capture(
        self,
        prompt: Prompt,
        tensors: Sequence[str],
        keep: Kept = "all",
        sampling: Sampling | None = None,
        shared: int = 0,
    ) -> Mapping[str, Captured]:
        """`shared`, with the last row only: so many tokens begin this text and those asked for before and
        after it, and are read once."""
        found: dict[str, Captured] = {}
        asked = {"prompt": pieces(prompt), "tensors": list(tensors), "keep": keep, "shared": shared}
        async with aclosing(self._ask("capture", sampling, **asked)) as answers:
            async for head, data in answers:
                if "name" in head:
                    rows, width = head["shape"]
                    found[head["name"]] = Captured(rows, width, head["tokens"], data, tuple(head["counts"]))
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
        await self.said("steer", vectors=rows, scale=scale)

    async def wear(self, file: Path | None) -> None:
        """An adapter that is tried for a while: it is in force for every request, beside those that were
        attached and in place of the one that was worn before. None = none. Raises EngineRefused."""
        await self.said("wear", file="" if file is None else str(file))
