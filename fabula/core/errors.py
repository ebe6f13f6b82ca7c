"""Every error a person can meet, as one tree. Knows no language: sentences live in `core/texts`.

    FabulaError
    ├── BadRequest (400)        BadParameter, ContextExceeded, UnknownSource, TemplateRefused, BodyTooLarge,
    │                           BansWithForm, DraftUnfit, CannotQuantize, CannotConvert, QuantizedAlready,
    │                           NeedsImportance, ImportanceUnusable,
    │                           AdapterUnfit, AdapterUnusable, CardUnreadable, LorebookUnreadable,
    │                           ChatUnreadable, PictureUnusable, FolderUnreadable,
    │                           TemplateUnreadable, NobodyAnswers,
    │                           CannotEmbed, CannotRerank, SeesNoImages, WritesNoText,
    │                           CatalogInvalid,
    │                           FillsNoGaps, SlotsAreKept, PropsAreFixed (501),
    │                           CannotTokenize, OnlyConverses, RunsElsewhere, RemoteUnknown,
    │                           RowsUnreadable, ColumnMissing, RowTemplateUnusable
    │                           ModelfileUnreadable, GoTemplateUnknown, CannotPush, DigestDiffers
    ├── NotFound (404)          ModelNotFound, NotForHere, ChatNotFound, MessageNotFound, TurnNotFound,
    │                           JobNotFound,
    │                           NoSuchRoute, NotInCatalog, AdapterNotFound, VectorNotFound,
    │                           PresetNotFound, CharacterNotFound,
    │                           RemoteNotFound, LorebookNotFound, EntryNotFound, PersonaNotFound,
    │                           MemoryNotFound, ScriptNotFound, TemplateNotFound,
    │                           NovelNotFound, ChapterNotFound, PassageNotFound, PackNotFound,
    │                           RepliesNotFound,
    │                           UploadNotFound, BatchNotFound, KeyNotFound
    │                           BlobNotFound
    ├── Unauthorized (401)      KeyMissing, KeyUnknown, KeyExpired
    ├── Forbidden (403)         ForeignHost, ForeignOrigin, Blocked, ScopeMissing, NeedsKey
    ├── Conflict (409)          StaleRevision, ChatBusy, NothingToUndo, StudioRunning, PortInUse, ModelBusy,
    │                           PresetExists, PresetBuiltIn, CharacterChanged, RemoteExists, ModelExists,
    │                           ItemChanged, BelongsElsewhere, BatchChanged, BatchRunning, OutputExists,
    │                           NovelChanged, NovelBusy, PassageMoved,
    │                           UploadInUse, KeyExists
    │                           ModelNeeded, JobStopped
    ├── EngineFailure (502)     ModelLoadFailed, ModelBroken, EngineDied, EngineTimeout,
    │                           EngineRefused, BuildMissing, BuildUnavailable, BuildBroken,
    │                           DirectUnavailable, NoRoomBeside, VocabulariesDiffer,
    │                           ExtraMissing, RowsInARow,
    │                           RemoteUnreachable, RemoteUntrusted, RemoteKeyRefused, RemoteModelMissing,
    │                           RemoteBusy, RemoteBroke, RemoteSlow, RemoteFiltered
    ├── NoRoom (507, 503)       DoesNotFit, QueueFull, NoDiskSpace; RateLimited (429)
    ├── DownloadFailure (502)   Offline, DownloadBroken, ChecksumMismatch, SourceMissing,
    │                          QuantizationMissing, AccessDenied, AccessGated, NotInStore,
    │                          NotAModel, PipMissing
    ├── Unexpected (500)        a fault of ours
    ├── NotOffered (501)        what a dialect has and Fabula has not
    ├── StoreFailure (500)      DatabaseTooNew, BackupInvalid, SettingUnknown, SettingInvalid, StoreUnwritable
    └── StudioGone (502)

An error is a dataclass: its fields are the numbers and names of its sentence, which is
`texts.say(error.key, language, **error.fields)`. `code` is stable and meant for programs.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fabula.core import texts
from fabula.core.texts import Phrase


@dataclass(eq=False)
class FabulaError(Exception):
    """Something that is told to the person, with what to do next."""

    status: ClassVar[int] = 500

    @property
    def code(self) -> str:
        """The class name in snake case: `ModelNotFound` → `model_not_found`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def key(self) -> str:
        return f"errors.{self.code}"

    @property
    def fields(self) -> dict[str, Any]:
        """The numbers and names, as JSON can carry them."""
        return {name: str(value) if isinstance(value, Phrase) else value for name, value in self._parts()}

    def sentence(self, language: str = "en") -> str:
        return texts.say(self.key, language, **dict(self._parts()))

    def as_phrase(self) -> Phrase:
        """The sentence as a part of another one."""
        return Phrase(self.key, dict(self._parts()))

    def kept(self) -> dict[str, Any]:
        """As JSON that is stored, and told again later in another language: with the keys of its phrases."""
        told = {"code": self.code, "message": self.sentence(), "fields": self.fields}
        phrases = {name: part.kept() for name, part in self._parts() if isinstance(part, Phrase)}
        return told | ({"phrases": phrases} if phrases else {})

    def _parts(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]

    def __str__(self) -> str:
        return self.sentence()


# ── what was asked cannot be done as asked ──────────────────────────────────────────────────────────


class BadRequest(FabulaError):
    status = 400


@dataclass(eq=False)
class BadParameter(BadRequest):
    """`value` is what came, `expected` what is accepted ("a number from 0 to 2")."""

    name: str
    value: str
    expected: Phrase | str


@dataclass(eq=False)
class ContextExceeded(BadRequest):
    prompt_tokens: int
    context: int


@dataclass(eq=False)
class UnknownSource(BadRequest):
    source: str


@dataclass(eq=False)
class CatalogInvalid(BadRequest):
    """A person's own list of well-known models, or what is added to it; `reason` names entry and field."""

    file: str
    reason: str


@dataclass(eq=False)
class TemplateRefused(BadRequest):
    """The model's chat template does not accept these messages; `reason` is its own."""

    reason: Phrase | str


@dataclass(eq=False)
class AdapterUnfit(BadRequest):
    """The adapter was made for another model."""

    adapter: str
    model: str
    reason: Phrase | str


@dataclass(eq=False)
class AdapterUnusable(BadRequest):
    """The file or folder is no adapter that can be used here, whatever the model."""

    adapter: str
    reason: Phrase | str


@dataclass(eq=False)
class DraftUnfit(BadRequest):
    """The draft model cannot guess what this model writes."""

    draft: str
    model: str
    reason: Phrase | str


@dataclass(eq=False)
class CannotQuantize(BadRequest):
    """Its files are damaged, of another format, or hold numbers that are none."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class CannotConvert(BadRequest):
    """The folder cannot become a GGUF file: its family, its tokenizer or its tensors are not known."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class QuantizedAlready(BadRequest):
    """Quantizing what was quantized before makes it worse than its new type has to be."""

    name: str
    quantization: str


@dataclass(eq=False)
class NeedsImportance(BadRequest):
    """With so few bits the result is useless without an importance matrix."""

    type: str
    tensor: str  # the first that needs it


@dataclass(eq=False)
class ImportanceUnusable(BadRequest):
    """The importance matrix cannot be read, or was made from another model."""

    file: str
    reason: Phrase | str


@dataclass(eq=False)
class BansWithForm(BadRequest):
    """Texts are banned, and the reply must have a form: going back would begin the form anew."""

    form: str  # the parameter that asks for it


@dataclass(eq=False)
class CardUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class LorebookUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class TemplateUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str


@dataclass(eq=False)
class NobodyAnswers(BadRequest):
    """In this group the person says who answers, or everybody is muted. `able` lists those who can."""

    able: str


@dataclass(eq=False)
class ChatUnreadable(BadRequest):
    """`name` is that of the file."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class PictureUnusable(BadRequest):
    """A picture that is none, or too large to be made small."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class FolderUnreadable(BadRequest):
    """A folder of another program that cannot be taken over."""

    folder: str
    reason: Phrase | str


@dataclass(eq=False)
class BodyTooLarge(BadRequest):
    status = 413
    limit: int  # bytes


@dataclass(eq=False)
class CannotEmbed(BadRequest):
    """`able` lists the models of this machine that can, separated by commas ("–" when there is none)."""

    name: str
    able: str


@dataclass(eq=False)
class CannotRerank(BadRequest):
    name: str
    able: str


@dataclass(eq=False)
class SeesNoImages(BadRequest):
    """It has no projector beside it."""

    name: str


@dataclass(eq=False)
class WritesNoText(BadRequest):
    """An embedding or reranking model was asked for a reply."""

    name: str


@dataclass(eq=False)
class CannotTokenize(BadRequest):
    """Its engine tells no tokens."""

    name: str


@dataclass(eq=False)
class OnlyConverses(BadRequest):
    """A raw prompt was sent to a server that takes only messages."""

    name: str


@dataclass(eq=False)
class RunsElsewhere(BadRequest):
    """What was asked needs the model's files, and they are on another machine."""

    name: str
    server: str


@dataclass(eq=False)
class RemoteUnknown(BadRequest):
    """Nothing that answers at the address is a server that can be talked to; `able` lists the kinds."""

    address: str
    able: str


@dataclass(eq=False)
class ModelfileUnreadable(BadRequest):
    line: int
    text: str


@dataclass(eq=False)
class GoTemplateUnknown(BadRequest):
    """A chat template in the language of Ollama; `part` is the first piece of it that is not understood."""

    part: str


@dataclass(eq=False)
class CannotPush(BadRequest):
    name: str


@dataclass(eq=False)
class DigestDiffers(BadRequest):
    """What was sent is not what its address says; both are SHA-256."""

    expected: str
    actual: str


@dataclass(eq=False)
class RowsUnreadable(BadRequest):
    """A table whose rows cannot be read; `row` counts from 1 without the header, 0 = the file as a whole."""

    name: str
    row: int
    reason: Phrase | str

    @property
    def key(self) -> str:
        return super().key if self.row else "errors.rows_unreadable_whole"


@dataclass(eq=False)
class ColumnMissing(BadRequest):
    """A template needs a column that a row does not have; `known` lists those of the table."""

    column: str
    row: int  # from 1
    known: str


@dataclass(eq=False)
class RowTemplateUnusable(BadRequest):
    """The text of a batch with places for columns."""

    reason: Phrase | str


@dataclass(eq=False)
class FillsNoGaps(BadRequest):
    """It has no tokens for the text before, behind and in a gap; `able` lists the models that have."""

    status = 501
    name: str
    able: str


@dataclass(eq=False)
class SlotsAreKept(BadRequest):
    """A client wants to save, restore or erase a slot of the engine."""

    status = 501
    action: str


@dataclass(eq=False)
class PropsAreFixed(BadRequest):
    """A client wants to change llama.cpp's global properties."""

    status = 501


# ── what was named does not exist ───────────────────────────────────────────────────────────────────


class NotFound(FabulaError):
    status = 404


@dataclass(eq=False)
class ModelNotFound(NotFound):
    """`known` lists the names that exist, separated by commas ("" when there is none)."""

    name: str
    known: str

    @property
    def key(self) -> str:
        return super().key if self.known else "errors.no_models"


@dataclass(eq=False)
class VectorNotFound(NotFound):
    """`known` lists the control vectors that exist, separated by commas ("–" when there is none)."""

    name: str
    known: str


@dataclass(eq=False)
class NotForHere(NotFound):
    """A well-known model that no engine here loads; `reason` also tells the way out."""

    name: str
    reason: Phrase | str


@dataclass(eq=False)
class AdapterNotFound(NotFound):
    """`known` lists the adapters that exist, separated by commas ("–" when there is none)."""

    name: str
    known: str


@dataclass(eq=False)
class NotInCatalog(NotFound):
    """`near` is what is called alike."""

    name: str
    near: str


@dataclass(eq=False)
class BlobNotFound(NotFound):
    digest: str


@dataclass(eq=False)
class ChatNotFound(NotFound):
    chat_id: str


@dataclass(eq=False)
class CharacterNotFound(NotFound):
    character_id: str


@dataclass(eq=False)
class MessageNotFound(NotFound):
    message_id: str


@dataclass(eq=False)
class TurnNotFound(NotFound):
    turn_id: str


@dataclass(eq=False)
class JobNotFound(NotFound):
    job_id: str


@dataclass(eq=False)
class NoSuchRoute(NotFound):
    method: str
    path: str


@dataclass(eq=False)
class PresetNotFound(NotFound):
    """`known` lists the presets that exist, separated by commas."""

    name: str
    known: str


@dataclass(eq=False)
class RemoteNotFound(NotFound):
    """`known` lists the servers that were added, separated by commas ("–" when there is none)."""

    name: str
    known: str


@dataclass(eq=False)
class LorebookNotFound(NotFound):
    lorebook: str


@dataclass(eq=False)
class EntryNotFound(NotFound):
    lorebook: str
    entry: str


@dataclass(eq=False)
class PersonaNotFound(NotFound):
    persona: str


@dataclass(eq=False)
class MemoryNotFound(NotFound):
    memory: str


@dataclass(eq=False)
class ScriptNotFound(NotFound):
    script: str


@dataclass(eq=False)
class NovelNotFound(NotFound):
    """A novel or a notebook."""

    novel: str


@dataclass(eq=False)
class ChapterNotFound(NotFound):
    novel: str
    chapter: str


@dataclass(eq=False)
class PassageNotFound(NotFound):
    """One of several continuations, or a version of a chapter."""

    passage: str


@dataclass(eq=False)
class PackNotFound(NotFound):
    """`known` lists the system prompts that there are, separated by commas."""

    name: str
    known: str


@dataclass(eq=False)
class RepliesNotFound(NotFound):
    """A set of quick replies, or one of a set."""

    name: str


@dataclass(eq=False)
class TemplateNotFound(NotFound):
    """`known` lists the templates of that kind, separated by commas."""

    name: str
    known: str


@dataclass(eq=False)
class KeyNotFound(NotFound):
    """`known` lists the keys that exist, separated by commas ("–" when there is none)."""

    name: str
    known: str


@dataclass(eq=False)
class UploadNotFound(NotFound):
    file_id: str


@dataclass(eq=False)
class BatchNotFound(NotFound):
    batch_id: str


# ── what is not allowed ─────────────────────────────────────────────────────────────────────────────


class Unauthorized(FabulaError):
    status = 401


class KeyMissing(Unauthorized):
    """Whoever is not on this machine shows a key."""


class KeyUnknown(Unauthorized):
    """No key of this studio, or one that was removed; or a session or link that has ended."""


@dataclass(eq=False)
class KeyExpired(Unauthorized):
    name: str


class Forbidden(FabulaError):
    status = 403


@dataclass(eq=False)
class ForeignHost(Forbidden):
    host: str


@dataclass(eq=False)
class ForeignOrigin(Forbidden):
    origin: str


@dataclass(eq=False)
class Blocked(Forbidden):
    """A guard policy refused the text; `policy` names it. The floor, which nobody chose, has own words."""

    policy: str

    @property
    def key(self) -> str:
        return "errors.blocked_floor" if self.policy == "floor" else "errors.blocked"


@dataclass(eq=False)
class ScopeMissing(Forbidden):
    """The key `name` does not allow this; `scope` is what it would have to."""

    name: str
    scope: str


@dataclass(eq=False)
class NeedsKey(Forbidden):
    """Others would reach the studio at that address, and there is no key yet that keeps them out."""

    host: str


# ── what would overwrite or collide ─────────────────────────────────────────────────────────────────


class Conflict(FabulaError):
    status = 409


@dataclass(eq=False)
class StaleRevision(Conflict):
    """The chat moved on since the caller read it; nothing was changed. `text` is what would have come in."""

    chat_id: str
    given: int
    current: int
    text: str = field(default="", kw_only=True)


@dataclass(eq=False)
class CharacterChanged(Conflict):
    """Someone else changed the character since the caller read it; nothing was overwritten."""

    character_id: str
    given: int
    current: int


@dataclass(eq=False)
class NothingToSum(Conflict):
    """There is nothing in the chat yet, or the model wrote nothing."""

    chat: str


@dataclass(eq=False)
class ItemChanged(Conflict):
    """A lorebook, persona, script or template was changed by someone else; nothing was overwritten."""

    name: str
    given: int
    current: int


@dataclass(eq=False)
class NovelChanged(Conflict):
    """The novel moved on since the caller read it; nothing was changed. `text` is what would have come in."""

    novel: str
    given: int
    current: int
    text: str = field(default="", kw_only=True)


@dataclass(eq=False)
class NovelBusy(Conflict):
    novel: str
    turn_id: str


@dataclass(eq=False)
class PassageMoved(Conflict):
    """The text around a passage is another one by now, so that nothing can be put in its place."""

    passage: str


@dataclass(eq=False)
class ChatBusy(Conflict):
    chat_id: str
    turn_id: str


@dataclass(eq=False)
class NothingToUndo(Conflict):
    chat_id: str


@dataclass(eq=False)
class StudioRunning(Conflict):
    home: str
    address: str
    pid: int


@dataclass(eq=False)
class PortInUse(Conflict):
    host: str
    port: int


@dataclass(eq=False)
class ModelBusy(Conflict):
    name: str


@dataclass(eq=False)
class PresetExists(Conflict):
    name: str


@dataclass(eq=False)
class PresetBuiltIn(Conflict):
    """It comes with Fabula, and can neither be replaced nor removed."""

    name: str


@dataclass(eq=False)
class RemoteExists(Conflict):
    name: str


@dataclass(eq=False)
class BelongsElsewhere(Conflict):
    """Another program's file is used where it lies, and is not deleted under its feet."""

    name: str
    program: str
    path: str


class ListensHereOnly(Conflict):
    """A link for another device was wanted, and none can reach the studio."""


class NoStudioRuns(Conflict):
    """The command asks the studio that runs, and would have nothing of one that it started."""


@dataclass(eq=False)
class KeyExists(Conflict):
    name: str


@dataclass(eq=False)
class ModelExists(Conflict):
    """A file of that name is there already, and nothing is overwritten."""

    name: str


@dataclass(eq=False)
class JobStopped(Conflict):
    """Somebody paused or cancelled it while another one waited for its end."""

    title: str


@dataclass(eq=False)
class ModelNeeded(Conflict):
    """Other models use its weights; `by` lists them, separated by commas."""

    name: str
    by: str


@dataclass(eq=False)
class BatchChanged(Conflict):
    """What was begun is not what is asked now; `part` says what differs."""

    path: str
    part: Phrase | str


@dataclass(eq=False)
class BatchRunning(Conflict):
    """Another process works on the same file."""

    path: str


@dataclass(eq=False)
class OutputExists(Conflict):
    """Nothing is overwritten unasked."""

    path: str


@dataclass(eq=False)
class UploadInUse(Conflict):
    file_id: str
    batch_id: str


# ── the engine failed ───────────────────────────────────────────────────────────────────────────────


class EngineFailure(FabulaError):
    status = 502


@dataclass(eq=False)
class ModelLoadFailed(EngineFailure):
    """`reason` is the engine's own inner error line, `advice` the text key of what to do about it."""

    name: str
    reason: Phrase | str
    advice: str = field(default="", kw_only=True)

    def sentence(self, language: str = "en") -> str:
        said = texts.say(self.key, language, name=self.name, reason=self.reason)
        if not self.advice:
            return said
        end = ". " if language == "en" else "。"
        return f"{said.rstrip('.。 ')}{end}{texts.say(self.advice, language)}"


@dataclass(eq=False)
class ModelBroken(ModelLoadFailed):
    """The file is known to be no usable model; `problem` is the text key that says why."""

    problem: str
    file: str

    def sentence(self, language: str = "en") -> str:
        problem = texts.say(self.problem, language, name=self.name, file=self.file)
        return texts.say(self.key, language, name=self.name, problem=problem)


@dataclass(eq=False)
class EngineDied(EngineFailure):
    name: str
    reason: Phrase | str


@dataclass(eq=False)
class EngineTimeout(EngineFailure):
    name: str
    seconds: float


@dataclass(eq=False)
class BuildMissing(EngineFailure):
    """The build of the engine that is set is not on this machine."""

    status = 404
    name: str


@dataclass(eq=False)
class BuildUnavailable(EngineFailure):
    """There is none for this system; `able` lists the kinds that there are."""

    status = 400
    name: str
    system: str
    able: str


@dataclass(eq=False)
class BuildBroken(EngineFailure):
    """It was installed, or is the user's own, and does not run here."""

    name: str
    reason: str


@dataclass(eq=False)
class DirectUnavailable(EngineFailure):
    """The engine's own functions cannot be called here, and what needs them is off."""

    status = 501
    reason: Phrase | str


@dataclass(eq=False)
class NoRoomBeside(EngineFailure):
    """The model is served, and a second copy of it, which the request needs, does not fit beside it."""

    status = 409
    name: str
    needed: int  # bytes
    available: int  # bytes


@dataclass(eq=False)
class VocabulariesDiffer(EngineFailure):
    """Two models are to be compared that do not have the same tokens."""

    status = 400
    first: str
    second: str


@dataclass(eq=False)
class EngineRefused(EngineFailure):
    """The engine answered a request with an error of its own."""

    status = 400
    name: str
    reason: str


@dataclass(eq=False)
class ExtraMissing(EngineFailure):
    """The model needs packages that come with an extra of Fabula."""

    status = 400
    name: str
    extra: str
    modules: str


@dataclass(eq=False)
class RowsInARow(EngineFailure):
    """So many rows of a batch failed one after the other that there is no use in going on."""

    count: int
    reason: str


@dataclass(eq=False)
class RemoteUnreachable(EngineFailure):
    server: str
    host: str
    reason: str


@dataclass(eq=False)
class RemoteUntrusted(EngineFailure):
    """Its certificate does not hold, so nothing was sent."""

    server: str
    host: str
    reason: str


@dataclass(eq=False)
class RemoteKeyRefused(EngineFailure):
    server: str
    reason: str


@dataclass(eq=False)
class RemoteModelMissing(EngineFailure):
    server: str
    model: str


@dataclass(eq=False)
class RemoteBusy(EngineFailure):
    """It asks to try again after `seconds`."""

    status = 503
    server: str
    seconds: int


@dataclass(eq=False)
class RemoteBroke(EngineFailure):
    """It failed, broke off, or answered what nobody can read."""

    server: str
    reason: str


@dataclass(eq=False)
class RemoteSlow(EngineFailure):
    """It was silent for so long."""

    server: str
    seconds: float


@dataclass(eq=False)
class RemoteFiltered(EngineFailure):
    """The server's own filter ended the reply."""

    server: str
    reason: str


# ── there is no room ────────────────────────────────────────────────────────────────────────────────


class NoRoom(FabulaError):
    status = 507


@dataclass(eq=False)
class DoesNotFit(NoRoom):
    name: str
    needed: int  # bytes
    available: int  # bytes
    context: int  # tokens


@dataclass(eq=False)
class QueueFull(NoRoom):
    """`seconds` is when it is worth trying again, by how long requests took lately."""

    status = 503
    waiting: int
    seconds: int = 1


@dataclass(eq=False)
class RateLimited(NoRoom):
    """The key `name` may ask for `limit` ("60/min"); after `seconds` there is room again."""

    status = 429
    name: str
    limit: str
    seconds: int


@dataclass(eq=False)
class NoDiskSpace(NoRoom):
    needed: int  # bytes
    free: int  # bytes
    folder: str


# ── fetching failed ─────────────────────────────────────────────────────────────────────────────────


class DownloadFailure(FabulaError):
    status = 502


@dataclass(eq=False)
class Offline(DownloadFailure):
    source: str


@dataclass(eq=False)
class DownloadBroken(DownloadFailure):
    source: str
    reason: Phrase | str


@dataclass(eq=False)
class ChecksumMismatch(DownloadFailure):
    file: str
    expected: str
    actual: str


@dataclass(eq=False)
class SourceMissing(DownloadFailure):
    status = 404
    source: str


@dataclass(eq=False)
class QuantizationMissing(DownloadFailure):
    """The repository has no GGUF of that quantization or name; `known` lists what it has."""

    status = 404
    source: str
    wanted: str
    known: str


@dataclass(eq=False)
class AccessDenied(DownloadFailure):
    status = 403
    source: str


@dataclass(eq=False)
class NotInStore(DownloadFailure):
    """Another program does not have it; `known` lists what that program has ("–" = nothing)."""

    status = 404
    source: str
    program: str
    folder: str
    known: str


@dataclass(eq=False)
class AccessGated(DownloadFailure):
    """The repository's terms have to be accepted on its page, by whoever the token belongs to."""

    status = 403
    source: str
    page: str


@dataclass(eq=False)
class NotAModel(DownloadFailure):
    """What was fetched is no usable model file; `problem` is a text key that says why, for programs."""

    source: str
    problem: str


@dataclass(eq=False)
class PipMissing(DownloadFailure):
    """The Python that runs Fabula has no pip, and wheels are fetched with the user's own pip."""

    source: str
    python: str


# ── a fault of ours ─────────────────────────────────────────────────────────────────────────────────


@dataclass(eq=False)
class Unexpected(FabulaError):
    """A fault of Fabula itself; `reason` is its technical name, the log has the rest."""

    reason: Phrase | str


@dataclass(eq=False)
class NotOffered(FabulaError):
    """A route of another program for something that Fabula does not do: `what`."""

    status = 501

    what: Phrase


# ── the home folder ─────────────────────────────────────────────────────────────────────────────────


class StoreFailure(FabulaError):
    pass


@dataclass(eq=False)
class DatabaseTooNew(StoreFailure):
    found: str
    known: str


@dataclass(eq=False)
class BackupInvalid(StoreFailure):
    status = 400
    path: str
    reason: Phrase | str


@dataclass(eq=False)
class SettingUnknown(StoreFailure):
    status = 400
    name: str
    where: str


@dataclass(eq=False)
class SettingInvalid(StoreFailure):
    status = 400
    name: str
    value: str
    expected: Phrase | str


@dataclass(eq=False)
class StoreUnwritable(StoreFailure):
    path: str
    reason: Phrase | str


@dataclass(eq=False)
class StudioGone(FabulaError):
    """The studio stopped answering while a command was talking to it."""

    status = 502
    address: str
