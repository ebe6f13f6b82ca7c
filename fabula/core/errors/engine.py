"""An engine failed, here or on another server. Knows no sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

from fabula.core import texts
from fabula.core.errors.base import FabulaError
from fabula.core.texts import Phrase


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
    reason: Phrase | str


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
