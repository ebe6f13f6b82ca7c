"""A folder of safetensors run by transformers, in a child process: one request at a time, all of `Sampling`.

Knows no chat and no HTTP API. It keeps what it has read, by slot, so that a chat's next turn reads only what
is new.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.engine.direct.desk_worker import DeskWorker
from fabula.engine.direct.process import DirectProcess
from fabula.engine.llamacpp.adapters import Attached, Loras
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
        super().__init__(attached, vectors)
        self._logs, self._start_timeout_s, self._python = logs, start_timeout_s, python
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

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        """As at any desk; only JSON schemas, and grammars in its language, need llguidance beside
        the rest."""
        used, lost = super().honours(sampling)
        forms = () if self._schemas else tuple(name for name in FORMS if _is_for_library(name, sampling))
        return used | dict.fromkeys(forms, ""), (*lost, *forms)


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
