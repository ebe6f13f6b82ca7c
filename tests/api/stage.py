"""What the scripted model of the API tests will say, and what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fabula.core.errors import FabulaError
from fabula.core.model import LocalModel
from fabula.engine.scripted import Reply, Script, ScriptedWorker

SLOWLY = Reply("One two three four five six seven eight nine ten.", delay_s=0.05)
SLOWER = Reply(SLOWLY.text, delay_s=0.3)
ENDLESS = Reply("One two three" + " and on" * 1000 + ".", delay_s=0.05)
"""For those who stop it: on any machine it is still being written then."""


@dataclass
class Stage:
    """What the model will say. Every load makes one more worker that follows the script."""

    script: list[Reply | str] | Script = field(default_factory=lambda: ["Hello there, traveller."])
    load_error: FabulaError | None = None
    workers: list[ScriptedWorker] = field(default_factory=list)

    def make_worker(self, model: LocalModel) -> ScriptedWorker:
        self.workers.append(ScriptedWorker(self.script, load_error=self.load_error))
        return self.workers[-1]

    @property
    def worker(self) -> ScriptedWorker:
        return self.workers[-1]

    @property
    def stopped(self) -> int:
        return sum(worker.stopped for worker in self.workers)
