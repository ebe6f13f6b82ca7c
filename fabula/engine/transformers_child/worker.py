"""A folder of safetensors run by transformers, in a child process: one request at a time, all of `Sampling`.

Knows no chat and no HTTP API. It keeps what it has read, by slot, so that a chat's next turn reads only what
is new.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.engine.direct.process import DirectProcess
from fabula.engine.llamacpp.adapters import Attached, Loras, NothingAttached
from fabula.engine.transformers_child.needs import require
from fabula.engine.vectors import Vectors

PROGRAM = Path(__file__).with_name("child.py")
START_TIMEOUT_S = 600.0
COMPILES_S = (
    900.0  # the first load of packed weights may compile the code for this processor (measured: 190 s)
)
NAME = "transformers"
BITS = {None: 0, "4bit": 4, "8bit": 8}
FORMS = ("grammar", "json_schema")
OWN = "%llguidance"
_UNSAFE = re.compile(r"[^\w.-]+")


class TransformersWorker(DeskWorker):
    """One folder in one child process. Also Counts, Spells, TakesAdapters, Scores, Compares.

    `logs` is the folder for the engine's log files, `python` a Python that has the packages where ours has
    not.
    """

    engine = NAME

    def __init__(
        self,
        logs: Path,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        python: str = "",
        attached: Attached | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        self._logs, self._start_timeout_s, self._python = logs, start_timeout_s, python
        self._attached, self._vectors = attached or NothingAttached(), vectors
        self._loras = Loras()
        self._schemas = True

    async def load(self, model: LocalModel, plan: Plan) -> None:
        """Raises ExtraMissing where the packages are not installed."""
        self.model, self.plan = model, plan
        if not self._python:
            require(model, BITS[plan.options.quantize])
        patience = max(self._start_timeout_s, COMPILES_S if model.packed else 0.0)
        log = self._logs / f"engine-{_UNSAFE.sub('_', model.name)}.log"
        config = await asyncio.to_thread(self._config)
        self._process = await DirectProcess.start(model.name, config, log, patience, self._python, PROGRAM)
        facts = self._process.facts
        self.vocabulary, self._schemas = facts["vocabulary"], facts["schemas"]
        self.engine = f"{NAME} {self._process.version} ({facts['device']}, {facts['dtype']})"

    def _config(self) -> dict[str, Any]:
        names = tuple(name for name, _ in self.plan.options.adapters or ())
        files = self._attached.files(self.model, names)
        self._loras = Loras(names, usual=partial(self._attached.usual, self.model))
        return settings(self.model, self.plan) | {"adapters": [str(file) for file in files]}

    @property
    def adapters(self) -> tuple[str, ...]:
        return self._loras.names

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """All; only adapters that are not attached and vectors that are not here are asked for in vain, and
        JSON schemas, and grammars in its language, need llguidance beside the rest."""
        used, missing = super().honours(sampling)
        lost = () if self._schemas else tuple(name for name in FORMS if _is_for_library(name, sampling))
        missing = tuple(name for name in missing if name.startswith("control_vectors."))
        missing = self._vectors.ignored(sampling) if self._vectors else missing
        used["adapters"] = dict(self._loras.settle(sampling).adapters)
        used["control_vectors"] = [
            list(row) for row in sampling.control_vectors if f"control_vectors.{row[0]}" not in missing
        ]
        return used | dict.fromkeys(lost, ""), (*self._loras.ignored(sampling), *missing, *lost)

    def scales(self, sampling: Sampling) -> list[float]:
        return [scale for _, scale in self._loras.settle(sampling).adapters]

    def pointed(self, sampling: Sampling) -> Sequence[Sequence[Any]]:
        return self._vectors.asked(sampling, self.model) if self._vectors else []


def _is_for_library(name: str, sampling: Sampling) -> bool:
    form: str = getattr(sampling, name)
    return bool(form) and (name == "json_schema" or form.startswith(OWN))


def settings(model: LocalModel, plan: Plan) -> dict[str, Any]:
    """What the child is told first."""
    on_gpu = plan.gpu_layers > 0
    return {
        "folder": str(model.path),
        "context": plan.context,
        "slots": plan.slots,
        "threads": plan.threads,
        "device": "cuda" if on_gpu else "cpu",
        # Processors calculate with 16-bit floats of this kind only by detours.
        "dtype": "float32" if model.quantization == "F16" and not on_gpu else "auto",
        "bits": BITS[plan.options.quantize],
    }
