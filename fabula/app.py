"""The composition root: settings, the home folder, and the wiring of rooms through the seams of core.

Maps job kinds to entries. Knows no HTTP, and has no logic of its own beyond who is given what.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fabula import __version__
from fabula.chats.book import Chats
from fabula.chats.counting import RememberedCounts
from fabula.chats.replies import Replies
from fabula.core.errors import ModelNotFound
from fabula.core.load import NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Plan
from fabula.core.request import LOCAL_OWNER
from fabula.core.worker import Worker
from fabula.engine.builds import builds, install
from fabula.engine.builds.builds import Build
from fabula.engine.cache.shelf import Shelf
from fabula.engine.choice import Choice, choose
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.presets.shelf import Presets
from fabula.engine.supervisor import Supervisor
from fabula.guard.floor import FloorGuard
from fabula.guard.policy import OpenPolicy
from fabula.models import fit, gpus, hardware
from fabula.models.catalog import Catalog
from fabula.models.sources.words import Progress
from fabula.models.suggestions import Suggestion, suggest
from fabula.store import backup, settings
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.job_child import Entry, Report
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import Job, Jobs
from fabula.store.journal import FileJournal
from fabula.turn.live import Live
from fabula.turn.stream import Turns

MakeWorker = Callable[[LocalModel], Worker]


class Studio:
    """Everything that one running Fabula has, wired. `open` before use, `close` at the end."""

    version = __version__

    def __init__(
        self,
        home: Home,
        flags: Mapping[str, object] | None = None,
        make_worker: MakeWorker | None = None,
    ):
        self.home = home.create()
        self._flags = dict(flags or {})
        self.settings = settings.load(home, self._flags)
        self.events = MemoryEvents()
        self.database = Database(home.database, home.backups)
        self.journal = FileJournal(home.journal)
        self.catalog = Catalog(home.models)
        self.states = Shelf(home.kv, self.settings.engine_kv_budget)
        self.chats = Chats(self.database, self.events, self.journal, self.states.forget)
        self.presets = Presets(self.database)
        self.jobs = Jobs(self.database)
        self.job_runner = JobRunner(self.jobs, self.events, home)
        self.supervisor = Supervisor(
            self.catalog.find,
            self.plan,
            make_worker or self._worker,
            options=self.load_options,
            keep_alive_s=self.settings.engine_keep_alive,
            queue_limit=self.settings.engine_queue_limit,
            gpus=gpus,
            on_change=self._models_changed,
        )
        self.turns = Turns(self.supervisor, FloorGuard(OpenPolicy()), RememberedCounts(self.chats))
        self.live = Live(self.journal)
        self.replies = Replies(
            self.chats, self.turns, self.live, self.journal, self.find_model, self.presets
        )

    async def open(self) -> None:
        """Bring the database up to date and store what a killed studio left in the journal."""
        await asyncio.to_thread(self.database.open)
        await self.replies.recover()
        await self.job_runner.recover()

    async def quiet(self) -> None:
        """End turns and event streams while readers can still be told."""
        await self.live.close()
        self.events.close()

    async def close(self) -> None:
        """End turns (their text is kept), jobs and engines, then the database."""
        await self.live.close()
        await self.job_runner.close()
        await self.supervisor.close()
        await asyncio.to_thread(self.database.close)

    # ── models ──────────────────────────────────────────────────────────────────────────────────────

    def find_model(self, name: str) -> LocalModel:
        """The model for a name; "" is the default one: the setting, else the first on the shelf."""
        wanted = name or self.settings.model_default
        if wanted:
            return self.catalog.find(wanted)
        usable = [model for model in self.catalog.list() if not model.problem]
        if not usable:
            raise ModelNotFound("", "")
        return usable[0]

    def load_options(self, model: LocalModel) -> LoadOptions:
        """What is set for this model, over what is set for all."""
        common = LoadOptions(
            context=self.settings.engine_context or None,
            slots=self.settings.engine_slots or None,
            threads=self.settings.engine_threads or None,
            kv_type=self.settings.engine_kv_type,
            gpu_layers=self.settings.engine_gpu_layers,
        )
        return self.settings.models.get(model.name, NOTHING).over(common)

    def plan(self, model: LocalModel, options: LoadOptions | None = None, held: Held | None = None) -> Plan:
        """How the model would be loaded now, beside those that `held` speaks for."""
        wanted = fit.Wanted.of(self.load_options(model) if options is None else options)
        limit = int(self.settings.engine_memory_limit * (1 << 30))
        machine = fit.left(self.machine(), held or Held(), limit)
        return fit.plan(model, machine, wanted, gpu=self.build.uses_gpus)

    def engine_of(self, model: LocalModel) -> Choice:
        """Raises BadParameter when no engine can run it."""
        return choose(model, self.settings.models.get(model.name, NOTHING))

    def set_model(self, model: LocalModel, options: LoadOptions) -> None:
        """Written to config.toml, for the model's next load. Raises BadParameter for an impossible engine."""
        choose(model, options)
        settings.save_model(self.home, model.name, options)
        self.settings = settings.load(self.home, self._flags)
        self.events.publish("studio", "settings", {})

    @property
    def build(self) -> Build:
        """The build of the engine that models are loaded with from now on. Raises BuildMissing."""
        return builds.in_use(self.home.engines, self.settings.engine_build)

    async def use_build(self, name: str) -> None:
        """A kind that is installed, a llama-server's path, "" = Fabula's own; for loads from now on."""
        if name and Path(name).is_absolute():
            await asyncio.to_thread(install.adopt, name, self.home.engines)
        builds.in_use(self.home.engines, name)
        self.change_settings({"engine.build": name or None})

    async def remove_build(self, name: str) -> None:
        """Raises BuildMissing."""
        await asyncio.to_thread(install.remove, name, self.home.engines)
        if self.settings.engine_build == name:
            self.change_settings({"engine.build": None})

    def require_kind(self, name: str) -> None:
        """Raises BuildUnavailable, before a job is made of it."""
        builds.table(self.home.engines).kind(name)

    def machine(self) -> hardware.Machine:
        return hardware.machine()

    def suggestions(self) -> list[Suggestion]:
        return suggest(self.machine(), self.catalog.list())

    async def remove_model(self, name: str) -> None:
        await self.supervisor.unload(name)
        await asyncio.to_thread(self.catalog.remove, name)
        self._models_changed()

    def _worker(self, model: LocalModel) -> Worker:
        self.engine_of(model)  # llama.cpp is the only one so far; what it cannot run is refused here
        return LlamaCppWorker(
            build=self.build,
            logs=self.home.logs,
            start_timeout_s=self.settings.engine_start_timeout,
            shelf=self.states,
        )

    def _models_changed(self) -> None:
        self.events.publish("studio", "models", {})

    # ── settings, jobs, backup ──────────────────────────────────────────────────────────────────────

    def describe_settings(self, language: str) -> list[dict[str, Any]]:
        return settings.describe(self.settings, language)

    def change_settings(self, changes: Mapping[str, object]) -> None:
        """Written to config.toml; what the engine was loaded with stays until its next load."""
        settings.save(self.home, changes)
        self.settings = settings.load(self.home, self._flags)
        self.supervisor.keep_alive_s = self.settings.engine_keep_alive
        self.supervisor.queue_limit = self.settings.engine_queue_limit
        self.states.allow(self.settings.engine_kv_budget)
        self.events.publish("studio", "settings", {})

    async def start_job(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        return await self.job_runner.submit(kind, title, arguments, LOCAL_OWNER)

    async def backup(self) -> Path:
        return await asyncio.to_thread(backup.backup, self.home)


def pull(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `pull`: get a model from a source into the shelf."""
    from fabula.models.formats.identify import identify
    from fabula.models.sources import fetch

    path = fetch(arguments["source"], home.models, *_told(report))
    return {"name": identify(path).name}


def install_engine(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `engine`: install a build of the engine."""
    build = install.install(arguments["kind"], home.engines, *_told(report))
    return {"name": build.name, "devices": list(build.devices)}


def _told(report: Report) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """How a fetch tells a job where it is, and hears that it is to stop."""

    def tell(progress: Progress) -> None:
        report.progress(progress.done, progress.total, progress.unit, progress.note)

    def stopped() -> bool:
        report.check()  # raises the job's own Cancelled, so that it does not end as a failure
        return False

    return tell, stopped


def job_entries(home: Home) -> dict[str, Entry]:
    """What each job kind runs, in its own process."""
    return {"pull": functools.partial(pull, home), "engine": functools.partial(install_engine, home)}
