"""What was named does not exist. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


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
class DirectionNotFound(NotFound):
    """`known` lists the directions that were learned, separated by commas ("–" when there is none)."""

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


@dataclass(eq=False)
class BackupNotFound(NotFound):
    name: str
    folder: str


@dataclass(eq=False)
class BackgroundNotFound(NotFound):
    """A picture to put behind the app."""

    id: str
