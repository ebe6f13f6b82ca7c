"""The composition root: settings, the home folder, and the wiring of rooms through the seams of core.

Maps job kinds to entries. Knows no HTTP, and has no logic of its own beyond who is given what.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fabula import __version__
from fabula.chats.book import Chats
from fabula.chats.characters.library import Characters
from fabula.chats.counting import RememberedCounts
from fabula.chats.replies import Replies
from fabula.chats.stories import Stories
from fabula.core.errors import BadParameter, DraftUnfit, ModelNotFound, RunsElsewhere, WritesNoText
from fabula.core.load import NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Held, Note, Plan
from fabula.core.request import LOCAL_OWNER
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Worker
from fabula.engine.beside import MARK, REFERENCE, Beside, base, is_copy
from fabula.engine.builds import builds, install
from fabula.engine.builds.builds import Build
from fabula.engine.cache.shelf import Shelf
from fabula.engine.choice import TRANSFORMERS, Choice, choose
from fabula.engine.direct.loading import obstacle as direct_obstacle
from fabula.engine.direct.worker import DirectWorker
from fabula.engine.llamacpp.loading import whole_texts
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.measures import Measures
from fabula.engine.presets.shelf import Presets
from fabula.engine.remote import remotes
from fabula.engine.remote.remotes import Remotes
from fabula.engine.scoring import Scoring
from fabula.engine.supervisor import Supervisor
from fabula.engine.transformers_child import plan as transformers_plan
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.engine.tune import job as tune_job
from fabula.engine.tune.background import Background
from fabula.engine.tune.job import Wishes
from fabula.engine.tune.shelf import Key, Tuning, Tunings, key
from fabula.guard.floor import FloorGuard
from fabula.guard.policy import OpenPolicy
from fabula.lab.quantize import job as quantize_job
from fabula.models import drafts, fit, gpus, hardware
from fabula.models.adapters.attached import Attached, with_one, without
from fabula.models.adapters.shelf import Adapters
from fabula.models.catalog import ALIASES, Catalog
from fabula.models.fit.asking import Answers
from fabula.models.formats.folders import FORMAT as SAFETENSORS
from fabula.models.projectors import size_of
from fabula.models.sources.words import Progress
from fabula.models.suggestions import Suggestion, suggest
from fabula.store import backup, settings
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.job_child import Entry, Report
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import ENDED, Job, Jobs
from fabula.store.jobs import running as running_jobs
from fabula.store.journal import FileJournal
from fabula.store.media import Media
from fabula.turn.live import Live
from fabula.turn.stream import Turns

GGUF = "gguf"
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
        self.adapters = Adapters(home.adapters, self._adapters_beside_models)
        self.remotes = Remotes(home, on_change=self._models_changed)
        self.states = Shelf(home.kv, self.settings.engine_kv_budget)
        self.chats = Chats(self.database, self.events, self.journal, self.states.forget)
        self.characters = Characters(self.database, Media(home.media))
        self.presets = Presets(self.database)
        self.tunings = Tunings(self.database)
        self.jobs = Jobs(self.database)
        self.job_runner = JobRunner(self.jobs, self.events, home)
        self.background = Background(self)
        self._in_background: asyncio.Task[None] | None = None
        self.supervisor = Supervisor(
            self._described,
            self.plan,
            make_worker or self._worker,
            options=self.load_options,
            keep_alive_s=self.settings.engine_keep_alive,
            queue_limit=self.settings.engine_queue_limit,
            gpus=gpus,
            on_change=self._models_changed,
            on_request=self.background.used,
        )
        self.measures = Measures(self.supervisor, self.models, self.load_options)
        self.beside = Beside(
            self.supervisor, self.supervisor.running, self._plan_copy, self._no_direct, self._is_exact
        )
        self.scoring = Scoring(self.beside, self.home.path)
        self.turns = Turns(self.beside, FloorGuard(OpenPolicy()), RememberedCounts(self.chats))
        self.live = Live(self.journal)
        self.stories = Stories(self.database, self.chats, self.characters)
        self.replies = Replies(
            self.chats, self.turns, self.live, self.journal, self.find_model, self.presets, self.stories
        )

    async def open(self) -> None:
        """Bring the database up to date and store what a killed studio left in the journal."""
        await asyncio.to_thread(self.database.open)
        await self.replies.recover()
        await self.job_runner.recover()
        self._in_background = asyncio.create_task(self.background.run())

    async def quiet(self) -> None:
        """End turns and event streams while readers can still be told."""
        await self.live.close()
        self.events.close()

    async def close(self) -> None:
        """End turns (their text is kept), jobs and engines, then the database."""
        await self.live.close()
        if self._in_background:
            self._in_background.cancel()
            await asyncio.gather(self._in_background, return_exceptions=True)
        await self.job_runner.close()
        await self.supervisor.close()
        await asyncio.to_thread(self.database.close)

    # ── models ──────────────────────────────────────────────────────────────────────────────────────

    def _described(self, name: str) -> LocalModel:
        """The model of that name, with the chat template that was chosen for it. Raises ModelNotFound."""
        if is_copy(name):
            return dataclasses.replace(self._described(base(name)), name=name)
        model = self._found(name)
        chosen = self.settings.models.get(model.name, NOTHING).chat_template
        return model if chosen is None else dataclasses.replace(model, chat_template=chosen)

    def find_model(self, name: str) -> LocalModel:
        """The model for a name; "" is the default one: the setting, else the first on the shelf."""
        wanted = name or self.settings.model_default
        if wanted:
            return self._found(wanted)
        usable = [model for model in self.catalog.list() if not (model.problem or model.pooling)]
        if not usable:
            raise ModelNotFound("", "")
        return usable[0]

    def models(self) -> list[LocalModel]:
        """Those on this machine, then those of servers."""
        return [*self.catalog.list(), *self.remotes.models()]

    def _found(self, name: str) -> LocalModel:
        """One of this machine before one of a server, whose whole name it takes. Raises ModelNotFound."""
        try:
            here = self.catalog.find(name)
        except ModelNotFound as missing:
            if there := self.remotes.find(name):
                return there
            known = [missing.known, *(model.name for model in self.remotes.models())]
            raise ModelNotFound(missing.name, ", ".join(filter(None, known))) from None
        return here if here.name == name else self.remotes.find(name) or here

    def load_options(self, model: LocalModel) -> LoadOptions:
        """What is set for this model, over what is set for all; a copy is loaded as its model is."""
        common = LoadOptions(
            context=self.settings.engine_context or None,
            slots=self.settings.engine_slots or None,
            threads=self.settings.engine_threads or None,
            kv_type=self.settings.engine_kv_type,
            gpu_layers=self.settings.engine_gpu_layers,
        )
        said = self.settings.models.get(base(model.name), NOTHING).over(common)
        alone = LoadOptions(slots=1)  # the exact engine serves one request at a time
        return alone.over(said) if said.exact or is_copy(model.name) else said

    def plan(self, model: LocalModel, options: LoadOptions | None = None, held: Held | None = None) -> Plan:
        """How the model would be loaded now, beside those that `held` speaks for."""
        wished = self.load_options(model) if options is None else options
        if model.elsewhere:
            return remotes.plan(model, wished, self.remotes.get(model.elsewhere.server).at_a_time)
        if model.format == SAFETENSORS:
            return self._plan_folder(model, wished, held or Held())
        if wished.exact and not (is_copy(model.name) or self.load_options(model).exact):
            raise BadParameter("exact", "true", phrase("expected.set_for_model"))
        measured = self.measured(model, wished)
        wanted = fit.Wanted.of(whole_texts(model, wished.over(measured)))
        limit = int(self.settings.engine_memory_limit * (1 << 30))
        machine = fit.left(self.machine(), held or Held(), limit)
        beside = self._beside(model, wanted.options)
        build = self.build
        plan = fit.plan(model, machine, wanted, gpu=build.uses_gpus, beside=beside, engine=build.version)
        why = [tuned_note(measured)] if measured.said() else []
        return dataclasses.replace(plan, reasons=(*plan.reasons, *why))

    def _plan_folder(self, model: LocalModel, wished: LoadOptions, held: Held) -> Plan:
        limit = int(self.settings.engine_memory_limit * (1 << 30))
        return transformers_plan.plan(model, fit.left(self.machine(), held, limit), wished)

    def _beside(self, model: LocalModel, options: LoadOptions) -> fit.Beside:
        adapters, projector = self._adapters_size(options), size_of(model.projector)
        return fit.Beside(adapters=adapters, projector=projector, draft=self._draft_bytes(options))

    def _draft_bytes(self, options: LoadOptions) -> int:
        """All that a draft takes: it has the context and the slots of the model that it guesses for."""
        if not options.draft:
            return 0
        try:
            draft = self.find_model(options.draft)
        except ModelNotFound:
            return 0  # said when it is loaded
        alike = LoadOptions(context=options.context, slots=options.slots, gpu_layers=options.gpu_layers)
        planned = fit.plan(draft, self.machine(), fit.Wanted.of(alike), gpu=self.build.uses_gpus)
        return sum(device.total - device.reserve for device in planned.devices)

    @property
    def fits(self) -> Answers:
        """Plans of any model for any machine."""
        return Answers(
            self.machine,
            self.home.headers,
            self.find_model,
            uses_gpus=self.build.uses_gpus,
            engine=self.build.version,
            settings=self.load_options,
            beside=self._beside,
        )

    def engine_of(self, model: LocalModel) -> Choice:
        """Raises BadParameter when no engine can run it."""
        if model.elsewhere:
            return remotes.choice(model)
        return choose(model, self.settings.models.get(model.name, NOTHING))

    def set_model(self, model: LocalModel, options: LoadOptions) -> None:
        """Written to config.toml, for the model's next load. Where nothing is said of adapters, they stay.

        Raises BadParameter for an impossible engine, AdapterNotFound, AdapterUnfit or AdapterUnusable.
        """
        if not model.elsewhere:
            choose(model, options)
        before = self.settings.models.get(model.name, NOTHING).adapters
        if options.adapters is None:
            options = dataclasses.replace(options, adapters=before)
        for name in dict(options.adapters or ()).keys() - dict(before or ()).keys():
            require_here(model)
            self.adapters.fitting(name, model)
        self._save_model(model.name, options)

    def _save_model(self, name: str, options: LoadOptions) -> None:
        settings.save_model(self.home, name, options)
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
        require_here(model := self._found(name))
        await self.supervisor.unload(name)
        if self.supervisor.is_loaded(copy := model.name + MARK):
            await self.supervisor.unload(copy)
        await asyncio.to_thread(self.catalog.remove, name)
        self._models_changed()

    async def remove_remote(self, name: str) -> None:
        """With its key; a model of it that is being used is refused. Raises RemoteNotFound, ModelBusy."""
        self.remotes.get(name)
        for running in self.supervisor.running():
            model = self.remotes.find(running.model)
            if model and model.elsewhere and model.elsewhere.server == name:
                await self.supervisor.unload(running.model)
        self.remotes.remove(name)

    async def attach(self, model: LocalModel, adapter: str, scale: float) -> None:
        """For its next request. Raises AdapterNotFound, AdapterUnfit, AdapterUnusable or BadParameter."""
        require_here(model)
        name = (await asyncio.to_thread(self.adapters.fitting, adapter, model)).name
        self._save_model(model.name, with_one(self.settings.models.get(model.name, NOTHING), name, scale))

    def detach(self, model: LocalModel, adapter: str) -> None:
        """Raises AdapterNotFound."""
        self._save_model(model.name, without(self.settings.models.get(model.name, NOTHING), adapter))

    def remove_adapter(self, adapter: str) -> None:
        """Detached everywhere, and deleted. Raises AdapterNotFound, StoreUnwritable."""
        name = self.adapters.find(adapter).name
        for model, options in list(self.settings.models.items()):
            if name in dict(options.adapters or ()):
                self._save_model(model, without(options, name))
        self.adapters.remove(name)

    def _adapters_beside_models(self) -> list[Path]:
        return [model.path for model in self.catalog.list() if model.problem == "models.problem.adapter"]

    def _adapters_size(self, options: LoadOptions) -> int:
        """Bytes that the attached adapters take beside the model."""
        attached = dict(options.adapters or ())
        known = self.adapters.list() if attached else ()
        return sum(adapter.size for adapter in known if adapter.name in attached)

    def _worker(self, model: LocalModel) -> Worker:
        if model.elsewhere:
            return self.remotes.worker(model)
        if self.engine_of(model).engine == TRANSFORMERS:
            return TransformersWorker(
                self.home.logs,
                start_timeout_s=self.settings.engine_start_timeout,
                python=self.settings.engine_transformers_python,
            )
        if is_copy(model.name) or self.load_options(model).exact:
            return self._direct(model)
        return LlamaCppWorker(
            build=self.build,
            logs=self.home.logs,
            start_timeout_s=self.settings.engine_start_timeout,
            shelf=self.states,
            attached=Attached(self.adapters, self.load_options),
            drafts=self._draft,
        )

    def _draft(self, model: LocalModel, name: str) -> Path:
        """The file of a model that guesses ahead for another. Raises ModelNotFound or DraftUnfit."""
        draft = self.find_model(name)
        if why := drafts.obstacle(model, draft):
            raise DraftUnfit(draft.name, model.name, why)
        return draft.path

    def _direct(self, model: LocalModel) -> Worker:
        return DirectWorker(
            self.home.logs,
            self.home.engines / "direct.json",
            start_timeout_s=self.settings.engine_start_timeout,
            build=self.build,
            attached=Attached(self.adapters, self.load_options),
        )

    def _plan_copy(self, name: str, wished: LoadOptions, held: Held) -> Plan:
        model = self._described(name)
        return self.plan(model, wished.over(REFERENCE).over(self.load_options(model)), held)

    def _is_exact(self, name: str) -> bool:
        """Whether the model's usual engine scores, and honours every parameter, by itself."""
        return self._described(name).format == SAFETENSORS

    def _no_direct(self, name: str) -> Phrase | None:
        """Why the engine's own functions cannot be called for a model."""
        if self._described(name).elsewhere:
            return phrase("engine.direct.elsewhere")
        return direct_obstacle(self.build)

    def _models_changed(self) -> None:
        self.events.publish("studio", "models", {})

    # ── tuning ──────────────────────────────────────────────────────────────────────────────────────────

    def tuning(self, model: LocalModel) -> Tuning | None:
        """What was measured of the model on this machine with the engine in use."""
        if model.elsewhere:
            return None
        try:
            return self.tunings.find(self._tuning_key(model))
        except OSError:  # the file has gone; its load will tell
            return None

    def measured(self, model: LocalModel, said: LoadOptions) -> LoadOptions:
        """What the measurement decides: only what nobody has set."""
        tuning = self.tuning(model)
        free = {} if tuning is None else tuning.options.said()
        return LoadOptions(**{name: value for name, value in free.items() if getattr(said, name) is None})

    async def tune(self, name: str, **wishes: Any) -> Job:
        """Measures in a child process; what is idle and stands in its way is unloaded first."""
        model = self.find_model(name)
        require_here(model)
        if model.format != GGUF:
            raise BadParameter("model", model.name, phrase("expected.gguf"))
        if model.pooling:
            raise WritesNoText(model.name)
        if not wishes.get("background"):
            await self._make_way(model)
        said = self.load_options(model).said()
        options = {name: value for name, value in said.items() if name != "adapters"}
        arguments = Wishes(model=model.name, options=options, **wishes).arguments()
        return await self.start_job("tune", model.title or model.name, arguments)

    async def _make_way(self, model: LocalModel) -> None:
        for running in self.supervisor.running():
            if self.plan(model).verdict == "no" and not running.busy and not running.waiting:
                await self.supervisor.unload(running.model)

    def forget_tuning(self, model: LocalModel) -> bool:
        require_here(model)
        return self.tunings.forget(self._tuning_key(model))

    def _tuning_key(self, model: LocalModel) -> Key:
        return key(model, self.build, self.machine())

    def may_tune(self) -> bool:
        return self.settings.engine_auto_tune

    async def is_at_work(self) -> bool:
        models = any(running.busy or running.waiting for running in self.supervisor.running())
        return models or bool(self.supervisor.loading() or await self.database.read(running_jobs))

    async def unmeasured(self, used: Sequence[str]) -> list[str]:
        """Those in use, the last one first, then the default one."""
        writing = (model for model in self.catalog.list() if not (model.problem or model.pooling))
        models = {model.name: model for model in writing}
        names = dict.fromkeys([*used, self.settings.model_default, *list(models)[:1]])
        known = [models[name] for name in names if name in models and models[name].format == GGUF]
        tunings = [await asyncio.to_thread(self.tuning, model) for model in known]
        return [model.name for model, tuning in zip(known, tunings, strict=True) if tuning is None]

    async def begin_tuning(self, model: str) -> str:
        return (await self.tune(model, background=True)).id

    async def tuning_ended(self, job: str) -> bool | None:
        told = await self.jobs.get(job)
        return bool(told.result.get("stored")) if told.state in ENDED else None

    async def cancel_tuning(self, job: str) -> None:
        await self.job_runner.cancel(job)

    # ── the lab ─────────────────────────────────────────────────────────────────────────────────────────

    async def quantize(self, source: str, type: str, **wishes: Any) -> Job:
        """Makes another model of it in a child process. Raises what `quantize_job.order` raises."""
        model = self.find_model(source)
        require_here(model)
        asked = quantize_job.Wishes(model=model.name, type=type, **wishes)
        ready = await asyncio.to_thread(quantize_job.order, model, asked, self.home.models)
        return await self.start_job("quantize", f"{model.name} → {ready.mix.name}", asked.arguments())

    async def quantizations(self, name: str) -> list[dict[str, Any]]:
        """What the model can be quantized to, each with the size that it would have."""
        model = self.find_model(name)
        require_here(model)
        return await asyncio.to_thread(quantize_job.offers, model)

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


def require_here(model: LocalModel) -> None:
    """Raises RunsElsewhere for what only a model with files can have done to it."""
    if model.elsewhere:
        raise RunsElsewhere(model.name, model.elsewhere.server)


def pull(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `pull`: get a model from a source into the shelf."""
    from fabula.models.formats.identify import identify
    from fabula.models.sources import fetch
    from fabula.models.starter import STARTER

    source = STARTER.source if arguments["source"].lower() in ALIASES else arguments["source"]
    path = fetch(source, home.models, *_told(report))
    return {"name": identify(path).name}


def install_engine(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `engine`: install a build of the engine."""
    build = install.install(arguments["kind"], home.engines, *_told(report))
    return {"name": build.name, "devices": list(build.devices)}


def take_adapter(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `adapter`: get an adapter, converted and checked for a model."""
    from fabula.models.adapters.taking import take
    from fabula.models.sources import Errand

    model = Catalog(home.models).find(arguments["model"])
    path = take(arguments["source"], model, Errand(home.adapters, *_told(report)), arguments["name"])
    return {"name": path.stem}


def _told(report: Report) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    """How a fetch tells a job where it is, and hears that it is to stop."""

    def tell(progress: Progress) -> None:
        report.progress(progress.done, progress.total, progress.unit, progress.note)

    def stopped() -> bool:
        report.check()  # raises the job's own Cancelled, so that it does not end as a failure
        return False

    return tell, stopped


def tuned_note(options: LoadOptions) -> Note:
    values = ", ".join(f"{name} = {value}" for name, value in options.said().items())
    return Note("models.fit.tuned", {"values": values})


def job_entries(home: Home) -> dict[str, Entry]:
    """What each job kind runs, in its own process."""
    return {
        "pull": functools.partial(pull, home),
        "engine": functools.partial(install_engine, home),
        "tune": functools.partial(tune_job.run, home),
        "adapter": functools.partial(take_adapter, home),
        "quantize": functools.partial(quantize_job.run, home),
    }
