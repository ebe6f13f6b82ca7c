"""Everything that one running Fabula has, wired. Knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fabula import __version__
from fabula.accounts.keys import Keys
from fabula.app.by_hand import ByHand
from fabula.app.config import Config
from fabula.app.engines import Engines
from fabula.app.fetching import Fetching
from fabula.app.making import Making
from fabula.app.measuring import Measuring
from fabula.app.planning import Planning
from fabula.app.restored import Restored
from fabula.app.shelf import ModelShelf, require_here
from fabula.app.workers import WorkerMaker
from fabula.batches.answer import Answers
from fabula.batches.book import Book
from fabula.batches.desk import Desk
from fabula.batches.gate import Gate
from fabula.batches.uploads import Uploads
from fabula.chats.book import Chats
from fabula.chats.characters.library import Characters
from fabula.chats.characters.thumbnails import Thumbnails
from fabula.chats.counting import RememberedCounts
from fabula.chats.exchange.desk import Exchange
from fabula.chats.foresight import Foresight
from fabula.chats.lorebooks.library import Lorebooks
from fabula.chats.lorebooks.testing import LoreTests
from fabula.chats.memory.book import Memories
from fabula.chats.memory.embedding import ModelEmbeds
from fabula.chats.novels.book import Novels
from fabula.chats.novels.memory import NovelMemories
from fabula.chats.novels.summing import Summaries
from fabula.chats.novels.writing import NovelWriting
from fabula.chats.outside.allowing import Allowing
from fabula.chats.outside.pictures import OutsidePictures
from fabula.chats.packs import Packs
from fabula.chats.personas import Personas
from fabula.chats.pictures import Pictures
from fabula.chats.quick_replies import QuickReplies
from fabula.chats.replies import Replies
from fabula.chats.scripts import Scripts
from fabula.chats.stories import Stories
from fabula.chats.story_shelf import StoryShelf
from fabula.chats.templates import Templates
from fabula.chats.translating import Translations
from fabula.chats.why.asking import Shelf as WhyShelf
from fabula.chats.why.asking import Why
from fabula.core.errors import ModelExists, ModelNeeded
from fabula.core.model import LocalModel
from fabula.core.request import LOCAL_OWNER
from fabula.core.worker import Worker
from fabula.engine.at_hand import AtHand
from fabula.engine.beside import MARK, Beside
from fabula.engine.cache.shelf import Shelf as States
from fabula.engine.measures import Measures
from fabula.engine.presets.shelf import Presets
from fabula.engine.remote.remotes import Remotes
from fabula.engine.scoring import Scoring
from fabula.engine.supervisor import Supervisor
from fabula.engine.tune.background import Background
from fabula.engine.tune.shelf import Tunings
from fabula.guard.floor import FloorGuard
from fabula.guard.policy import OpenPolicy
from fabula.models import gpus
from fabula.models.derived import Derived
from fabula.models.starter import STARTER
from fabula.models.suggestions import Reach, Suggestion, reach, suggest
from fabula.store import backup, settings
from fabula.store.database import Database
from fabula.store.events import MemoryEvents
from fabula.store.home import Home
from fabula.store.job_runner import JobRunner
from fabula.store.jobs import Job, Jobs
from fabula.store.journal import FileJournal
from fabula.store.look import Look
from fabula.store.media import Media
from fabula.store.settings import Settings
from fabula.turn.live import Live
from fabula.turn.stream import Turns

MakeWorker = Callable[[LocalModel], Worker]


class Studio:
    """`open` before use, `close` at the end."""

    version = __version__
    restore: Callable[[Path], None] | None = None
    """Puts a backup in the place of all this, in a moment; None where nobody would open it again."""
    restored: Restored | None = None
    restart: Callable[[], str] | None = None
    """Ends all this and begins anew, in a moment; answers where. None where nobody would begin it again."""

    def __init__(
        self,
        home: Home,
        flags: Mapping[str, object] | None = None,
        make_worker: MakeWorker | None = None,
    ):
        self.home = home.create()
        self.events = MemoryEvents()
        self.config = Config(home, flags or {}, self._settings_changed)
        self.began = self.config.now
        self.opened_at = time.time()
        self.look = Look(home.look)
        self._store(home)
        self._models(home)
        self._engines(home, make_worker)
        self._chats()

    def _store(self, home: Home) -> None:
        self.database = Database(home.database, home.backups)
        self.keys = Keys(self.database)
        self.journal = FileJournal(home.journal)
        self.jobs = Jobs(self.database)
        self.job_runner = JobRunner(self.jobs, self.events, home)
        self.tunings = Tunings(self.database)

    def _models(self, home: Home) -> None:
        remotes = Remotes(home, on_change=self._models_changed)
        self.shelf = ModelShelf(home, self.config, remotes)
        self.find_model = self.shelf.find
        self.engines = Engines(home.engines, self.config)
        self.planning = Planning(home, self.config, self.shelf, self.engines, self.tunings)
        self.making = Making(home, self.shelf, self.start_job)
        self.fetching = Fetching(home, self.jobs, self.job_runner, self.events, self._models_changed)

    def _engines(self, home: Home, make_worker: MakeWorker | None) -> None:
        self.states = States(home.kv, self.settings.engine_kv_budget)
        workers = WorkerMaker(home, self.config, self.shelf, self.engines, self.states)
        self.supervisor = Supervisor(
            self.shelf.described,
            self.planning.plan,
            make_worker or workers.make,
            options=self.shelf.load_options,
            stamp=self.shelf.stamp,
            check=workers.check,
            keep_alive_s=self.settings.engine_keep_alive,
            queue_limit=self.settings.engine_queue_limit,
            gpus=gpus,
            on_change=self._models_changed,
            on_request=lambda model: self.background.used(model),
        )
        self.heeds, self.no_direct = workers.heeds, workers.no_direct
        self.measures = Measures(self.supervisor, self.shelf.all, self.shelf.load_options)
        self.at_hand = AtHand(self.supervisor, self.supervisor.running)
        self.beside = Beside(
            self.supervisor,
            self.supervisor.running,
            self.planning.plan_copy,
            workers.no_direct,
            workers.is_exact,
            workers.lacks,
            lambda name: self.shelf.described(name).name,
        )
        self.by_hand = ByHand(self.shelf, self.supervisor, workers.is_exact)
        self.scoring = Scoring(self.beside, home.path)
        self.measuring = Measuring(
            self.config,
            self.shelf,
            self.planning,
            self.tunings,
            self.supervisor,
            self.database,
            self.jobs,
            self.job_runner,
            self.start_job,
        )
        self.background = Background(self.measuring)
        self._in_background: asyncio.Task[None] | None = None

    def _chats(self) -> None:
        self.presets = Presets(self.database)
        self.chats = Chats(self.database, self.events, self.journal, self.states.forget)
        self.media = media = Media(self.home.media)
        self.characters = Characters(self.database, media)
        self.guard = FloorGuard(OpenPolicy())
        self.turns = Turns(self.beside, self.guard, RememberedCounts(self.chats))
        self.turns.derived = self.shelf.derivation
        self._batches()
        self.live = Live(self.journal)
        self.stories = Stories(self.database, self.chats, self.characters)
        self.story_shelf = StoryShelf(self.database, self.chats)
        self.exchange = Exchange(self.database, self.chats)
        self.thumbnails = Thumbnails(media, self.home.thumbnails)
        self.lorebooks = Lorebooks(self.database)
        self.lore_tests = LoreTests(self.database, self.lorebooks, self.chats, self.stories, self.characters)
        self.personas = Personas(self.database)
        self.scripts = Scripts(self.database)
        self.templates = Templates(self.database)
        self.packs = Packs(self.database, self.templates)
        self.quick_replies = QuickReplies(self.database)
        self.replies = Replies(
            self.chats, self.turns, self.live, self.journal, self.find_model, self.presets, self.stories
        )
        self.foresight = Foresight(self.chats, self.replies, self.turns, self.presets)
        models = WhyShelf(
            all=self.shelf.all,
            find=self.find_model,
            options=self.shelf.load_options,
            running=self.supervisor.running,
        )
        self.why = Why(self.chats, self.replies, self.stories, models)
        self.novels = Novels(self.database, self.events)
        embeds = ModelEmbeds(self.measures, self.beside, self.find_model, STARTER.name)
        self.novel_summaries = Summaries(self.novels, self.turns, self.find_model)
        self.novel_memories = NovelMemories(self.database, self.novels, embeds, self.novel_summaries)
        self.novel_writing = NovelWriting(
            self.database,
            self.novels,
            self.turns,
            self.live,
            self.journal,
            self.find_model,
            self.presets,
            self.novel_memories,
            self.novel_summaries,
        )
        self.memories = Memories(self.database, self.chats, self.turns, self.replies, embeds)
        self.replies.companion = self.memories
        self.replies.pictures = self.pictures = Pictures(media)
        self.allowing = Allowing(self.database, self.characters)
        self.outside = OutsidePictures(self.home.outside)
        self.translations = Translations(self.database, self.chats, self.turns, self.find_model)

    def _batches(self) -> None:
        gate = Gate(self.supervisor.running, self.supervisor.loading)
        self.answers = Answers(self.turns, gate)
        self.uploads = Uploads(self.database, self.home.uploads)
        self.batches = Desk(
            Book(self.database),
            self.uploads,
            gate,
            lambda name: self.find_model(name).name,
            self.home.uploads,
        )

    async def open(self) -> None:
        """Bring the database up to date and store what a killed studio left in the journal."""
        await asyncio.to_thread(self.database.open)
        await self.keys.open()
        await self.replies.recover()
        await self.novel_writing.recover()
        await self.job_runner.recover()
        await self.fetching.queue.open()
        await self.batches.open()
        self._in_background = asyncio.create_task(self._beside())

    async def _beside(self) -> None:
        """What is done while nobody waits for it."""
        await asyncio.to_thread(self.guard.prepare)
        await self.background.run()

    async def quiet(self) -> None:
        """End turns and event streams while readers can still be told."""
        self.answers.close()
        await self.live.close()
        self.events.close()

    async def close(self) -> None:
        """End turns (their text is kept), jobs and engines, then the database."""
        await self.batches.close()
        await self.live.close()
        await self.memories.close()
        await self.novel_summaries.close()
        if self._in_background:
            self._in_background.cancel()
            await asyncio.gather(self._in_background, return_exceptions=True)
        await self.fetching.queue.close()
        await self.job_runner.close()
        await self.supervisor.close()
        await self.keys.close()
        await asyncio.to_thread(self.database.close)

    # ── models ──────────────────────────────────────────────────────────────────────────────────────

    def suggestions(self, language: str = "") -> list[Suggestion]:
        """For a reader of it. The first call plans all well-known models: some tenths of a second."""
        machine, here = self.planning.machine(), self.shelf.catalog.list()
        return suggest(machine, here, self.planning.uses_gpus, language)

    def reach(self) -> Reach:
        """How large a model may be here."""
        return reach(self.planning.machine(), self.planning.uses_gpus)

    async def remove_model(self, name: str) -> None:
        """Unloaded, and deleted; of a derived model only what it adds to its base.

        Raises ModelNotFound, ModelBusy, RunsElsewhere, ModelNeeded."""
        model = self.shelf.named(name)
        if model.base:
            await self._remove_derived(model)
            return
        require_here(model)
        if needed := self.shelf.derived.of(model.name):
            raise ModelNeeded(model.name, ", ".join(needed))
        await self.by_hand.unload(name)
        await asyncio.to_thread(self.shelf.catalog.remove, name)
        self._models_changed()

    async def _remove_derived(self, model: LocalModel) -> None:
        """An engine that it has for itself goes with it."""
        for running in self.supervisor.running():
            if running.model in (model.name, model.name + MARK):
                await self.supervisor.unload(running.model)
        self.shelf.derived.remove(model.name)
        self._models_changed()

    def save_derived(self, told: Derived) -> None:
        """In place of a derived model of that name. Raises ModelExists where another one has it."""
        if any(model.name.lower() == told.name.lower() for model in self.shelf.all() if not model.base):
            raise ModelExists(told.name)
        self.shelf.derived.save(told)
        self._models_changed()

    async def remove_remote(self, name: str) -> None:
        """With its key; a model of it that is being used is refused. Raises RemoteNotFound, ModelBusy."""
        remotes = self.shelf.remotes
        remotes.get(name)
        for running in self.supervisor.running():
            model = remotes.find(running.model)
            if model and model.elsewhere and model.elsewhere.server == name:
                await self.supervisor.unload(running.model)
        remotes.remove(name)

    def _models_changed(self) -> None:
        self.events.publish("studio", "models", {})

    # ── settings, jobs, backup ──────────────────────────────────────────────────────────────────────

    @property
    def settings(self) -> Settings:
        return self.config.now

    def describe_settings(self, language: str) -> list[dict[str, Any]]:
        return settings.describe(self.settings, language, self.began)

    def _settings_changed(self) -> None:
        """What the engine was loaded with stays until its next load."""
        self.supervisor.keep_alive_s = self.settings.engine_keep_alive
        self.supervisor.queue_limit = self.settings.engine_queue_limit
        self.states.allow(self.settings.engine_kv_budget)
        self.events.publish("studio", "settings", {})

    async def start_job(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        return await self.job_runner.submit(kind, title, arguments, LOCAL_OWNER)

    async def backup(self) -> Path:
        return await asyncio.to_thread(backup.backup, self.home)
