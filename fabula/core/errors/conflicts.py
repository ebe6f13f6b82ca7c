"""What would overwrite or collide with something. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


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
class ItemExists(Conflict):
    """Something is kept under this id already; what was removed cannot be put back there."""

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
class DirectionExists(Conflict):
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


class NotWhileStarting(Conflict):
    """The studio is being opened or put back; what needs a running one has to wait."""


class NoWayBack(Conflict):
    """Nobody would start this studio again: it was started by another program, or for one command."""
