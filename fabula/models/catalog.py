"""The models in one folder, and those of other programs that are used where they lie: list, find by any
sensible name, remove. Knows no source and no engine.

Headers are read once per file: what they said is kept in memory and in `.index.json` in the folder,
under the file's path, size and time of change.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BelongsElsewhere, ModelNotFound, StoreUnwritable
from fabula.core.model import LocalModel
from fabula.models.formats.folders import files_of, identify_folder, is_model_folder
from fabula.models.formats.identify import identify, model_name, parts_of
from fabula.models.projectors import with_projectors
from fabula.models.sources import places
from fabula.models.sources.places import Placed
from fabula.models.starter import STARTER

INDEX = ".index.json"
INDEX_VERSION = 4  # raise it when `identify` learns to say more
ALIASES = {"smollm2": STARTER.name, "starter": STARTER.name}

_Stamp = list[list[int]]
"""Size and time of change of each file of a model."""
_Known = tuple[_Stamp, LocalModel]


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a model lies, as texts: every request looks there. `was` is the stamp of its folder when it was
    listed; `files` are those that its name means, () for a model that is a folder itself."""

    folder: str
    was: list[int]
    files: tuple[str, ...]


class Catalog:
    """All models below `folder`: GGUF files, and folders of safetensors. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()
        self._loaded = False
        self._listed: dict[str, LocalModel] = {}
        self._spots: dict[str, _Spot] = {}  # each by its path

    def list(self) -> list[LocalModel]:
        """Every model, by name, the starter last."""
        with self._lock:
            self._load_index()
            before = dict(self._known)
            placed = places.placed(self.folder)
            own = list(self._first_files())
            elsewhere = [model.path for model in placed]
            self._spots = {str(path): _spot(path) for path in (*own, *elsewhere)}
            self._known = {str(path): self._look(path) for path in (*own, *elsewhere)}
            if self._known != before:
                self._save_index()
            seen = with_projectors([self._known[str(path)][1] for path in (*own, *elsewhere)])
            models = _uniquely_named(seen[: len(own)], self.folder)
            models += _as_placed(zip(placed, seen[len(own) :], strict=True), models)
        self._listed = {model.name: model for model in models}
        return sorted(models, key=lambda model: (model.name == STARTER.name, model.name.lower()))

    def find(self, name: str) -> LocalModel:
        """The model that `name` means: exactly, in other case, by alias, or as the only one that it begins
        or is a part of. `name:latest` is understood as `name`. Raises ModelNotFound."""
        if (known := self._listed.get(name)) and self._is_unchanged(known):
            return known  # every request asks several times: not each may walk through the folder
        models = self.list()
        wanted = name.strip().removesuffix(":latest").removesuffix(".gguf")
        for match in _ways_to_match(wanted):
            found = [model for model in models if match(model.name)]
            if len(found) == 1:
                self._listed[name] = found[0]  # until the folder is looked through again
                return found[0]
            if found:
                raise ModelNotFound(name, ", ".join(model.name for model in found))
        raise ModelNotFound(name, ", ".join(model.name for model in models))

    def stamp(self, model: LocalModel) -> object:
        """Equal as long as the model's files were the same when it was found; None where it is not known."""
        known = self._known.get(str(model.path))
        return known[0] if known else None

    def remove(self, name: str) -> LocalModel:
        """Deletes the model's files and answers what was deleted. One that was indexed alone is only
        forgotten. Raises ModelNotFound, BelongsElsewhere or StoreUnwritable."""
        model = self.find(name)
        if model.place:
            if places.forget(self.folder, f"ollama:{model.name.removeprefix('ollama/')}"):
                return model
            raise BelongsElsewhere(model.name, model.place, str(model.path))
        try:
            _remove(model.path)
        except OSError as error:
            raise StoreUnwritable(str(model.path), error.strerror or str(error)) from error
        return model

    def _is_unchanged(self, model: LocalModel) -> bool:
        """Neither its files nor what lies beside them: a projector may have come, or gone."""
        known, spot = self._known.get(where := str(model.path)), self._spots.get(where)
        if known is None or spot is None or _stamp(spot.folder) != spot.was:
            return False
        files = spot.files or _files(model.path)  # a folder may have others by now
        return known[0] == [_stamp(file) for file in files]

    # ── files ───────────────────────────────────────────────────────────────────────────────────────

    def _first_files(self) -> Iterator[Path]:
        """The first file of every model. A split without its first part is represented by what is there."""
        seen: set[Path] = set()
        for path in sorted(_models_in(self.folder)):
            first = path if path.is_dir() else parts_of(path)[0]
            if first not in seen:
                seen.add(first)
                yield first

    def _look(self, path: Path) -> _Known:
        stamp = [_stamp(file) for file in _files(path)]
        known = self._known.get(str(path))
        if known and known[0] == stamp:
            return known
        return stamp, identify_folder(path) if path.is_dir() else identify(path)

    # ── the index ───────────────────────────────────────────────────────────────────────────────────

    def _load_index(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        try:
            content = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
            if content["version"] == INDEX_VERSION:
                rows = content["models"]
                self._known = {str(self.folder / row["path"]): _from_row(row, self.folder) for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            self._known = {}  # a missing or damaged index is only slower: everything is read again

    def _save_index(self) -> None:
        rows = [_to_row(stamp, model, self.folder) for stamp, model in self._known.values()]
        text = json.dumps({"version": INDEX_VERSION, "models": rows}, ensure_ascii=False)
        draft = self.folder / f"{INDEX}.{os.getpid()}.{threading.get_ident()}"
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.folder / INDEX)
        except OSError:
            draft.unlink(missing_ok=True)  # a folder that cannot be written can still be read


def _as_placed(pairs: Iterable[tuple[Placed, LocalModel]], own: list[LocalModel]) -> list[LocalModel]:
    """Under the names that their programs give them; where a name is taken, under the long one."""
    rows = list(pairs)
    counts = Counter([model.name for model in own] + [each.name for each, _ in rows])
    found = {}
    for each, model in rows:
        name = each.long if counts[each.name] > 1 else each.name
        projector = each.projector or model.projector
        found[name] = dataclasses.replace(model, name=name, place=each.place, projector=projector)
    return list(found.values())


def _files(path: Path) -> list[Path]:
    """Those of a model, whether they exist or not."""
    return files_of(path) if path.is_dir() else parts_of(path)


def _remove(path: Path) -> None:
    """A link to a folder goes, and what it leads to stays; of a folder, what is not the model's stays."""
    if path.is_symlink():
        path.unlink()
        return
    for file in (*_files(path), *_notes(path)):
        file.unlink(missing_ok=True)
    if not path.is_dir() and path.parent.name == model_name(path) and not any(path.parent.iterdir()):
        path.parent.rmdir()  # of a model in several files
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def made_how(model: LocalModel) -> dict[str, Any] | None:
    """What the quantizer told of a model that it made; None for any other."""
    if model.elsewhere:
        return None
    for note in _notes(model.path):
        with suppress(OSError, ValueError):
            told = json.loads(note.read_text(encoding="utf-8"))
            return told if isinstance(told, dict) else None
    return None


def _notes(path: Path) -> list[Path]:
    """What the quantizer told of a model: it lies beside it, or beside the folder of its parts."""
    name = f"{model_name(path)}.quantized.json"
    beside = [path.with_name(name)]
    return [*beside, path.parent.parent / name] if path.parent.name == model_name(path) else beside


def _models_in(folder: Path) -> Iterator[Path]:
    """Visible `.gguf` files and model folders; folders whose name begins with a dot hold downloads."""
    visited: set[str] = set()  # links may lead in a circle
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [] if real in visited else [name for name in folders if not name.startswith(".")]
        if real in visited:
            continue
        visited.add(real)
        if is_model_folder(files) and Path(here) != folder:
            yield Path(here)
        for name in files:
            if name.lower().endswith(".gguf") and not name.startswith("."):
                yield Path(here) / name


def _spot(path: Path) -> _Spot:
    files = () if path.is_dir() else tuple(str(file) for file in parts_of(path))
    return _Spot(str(path.parent), _stamp(path.parent), files)


def _stamp(file: Path | str) -> list[int]:
    try:
        status = os.stat(file)  # a third of the time that a `Path` takes
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _ways_to_match(wanted: str) -> list[Any]:
    low = wanted.lower()
    alias = ALIASES.get(low)
    return [
        lambda name: name == wanted,
        lambda name: name.lower() == low,
        lambda name: name == alias,
        lambda name: bool(low) and name.lower().startswith(low),
        lambda name: bool(low) and low in name.lower(),
    ]


def _uniquely_named(models: list[LocalModel], folder: Path) -> list[LocalModel]:
    """Models of the same file name in different folders get the folder into their name."""
    counts = Counter(model.name for model in models)
    return [
        dataclasses.replace(model, name=_long_name(model, folder)) if counts[model.name] > 1 else model
        for model in models
    ]


def _long_name(model: LocalModel, folder: Path) -> str:
    own = model.name if model.path.is_dir() else model_name(model.path)
    return (model.path.parent.relative_to(folder) / own).as_posix()


def _to_row(stamp: _Stamp, model: LocalModel, folder: Path) -> dict[str, Any]:
    row = dataclasses.asdict(model)
    inside = model.path.is_relative_to(folder)
    path = model.path.relative_to(folder).as_posix() if inside else str(model.path)
    return {**row, "path": path, "stamp": stamp}


def _from_row(row: dict[str, Any], folder: Path) -> _Known:
    values = {field.name: row[field.name] for field in dataclasses.fields(LocalModel)}
    values |= {name: tuple(row[name]) for name in ("languages", "infill")}
    values |= {"path": folder / row["path"]}
    return row["stamp"], LocalModel(**values)
