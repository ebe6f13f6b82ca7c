"""Models that other programs keep on this disk, used where they lie: nothing is copied, linked or changed.

    ollama        names in manifests, weights in blobs that are called after their SHA-256
    lmstudio      a folder of publishers, repositories and files
    huggingface   the cache of huggingface_hub: snapshots of repositories, whose files link to blobs
    DIR           any folder

Which of them are used is noted in the model folder, so that everything that reads the shelf sees the same.
Knows no header. Layouts: ollama's `manifest` package, huggingface_hub's guide to its cache, LM Studio's docs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fabula.core.errors import NotInStore, SourceMissing, StoreUnwritable
from fabula.models.formats.folders import is_model_folder
from fabula.models.formats.identify import model_name, parts_of
from fabula.models.sources.words import Errand, Progress, Source

NOTE = ".places.json"
MODEL, PROJECTOR = "application/vnd.ollama.image.model", "application/vnd.ollama.image.projector"
REGISTRY, LIBRARY, LATEST = "registry.ollama.ai", "library", "latest"
_MANIFEST_LIMIT = 1 << 20  # bytes
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A model of another program. `name` is what that program calls it, `long` is unique."""

    name: str
    long: str
    path: Path
    place: str  # as the person knows the program, or the folder
    projector: str = ""
    sha256: str = ""  # where the program tells it


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a program keeps its models. `roots` are folders that exist."""

    key: str
    title: str
    roots: tuple[Path, ...]


# ── which are used ──────────────────────────────────────────────────────────────────────────────────


def used(folder: Path) -> list[str]:
    """The places that the shelf in `folder` shows."""
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads((folder / NOTE).read_text(encoding="utf-8")).get("places", [])
        return [place for place in told if isinstance(place, str)]
    return []


def use(folder: Path, place: str) -> None:
    """Raises SourceMissing for a folder that is not there, StoreUnwritable."""
    if place not in PROGRAMS and not place.startswith("ollama:") and not Path(place).is_dir():
        raise SourceMissing(place)
    _write(folder, [*dict.fromkeys([*used(folder), place])])


def forget(folder: Path, place: str) -> bool:
    """Its models stay where they are. False when it was not used."""
    before = used(folder)
    _write(folder, [each for each in before if each != place])
    return place in before


def _write(folder: Path, places: list[str]) -> None:
    draft = folder / f"{NOTE}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({"places": places}, ensure_ascii=False), encoding="utf-8")
        draft.replace(folder / NOTE)
    except OSError as error:
        raise StoreUnwritable(str(folder), error.strerror or str(error)) from error


def placed(folder: Path) -> list[Placed]:
    """All models of the places that are used; what was removed there is gone here."""
    return [model for place in used(folder) for model in models_of(place)]


def models_of(place: str) -> list[Placed]:
    program, _, name = place.partition(":")
    if program == "ollama" and name:
        return [model for model in models_of("ollama") if model.name == _short(name)]
    if place in PROGRAMS:
        known, read = _place(place), PROGRAMS[place][2]
        return [model for root in known.roots for model in read(root)]
    return list(_in_folder(Path(place), place, place))


def known_places() -> list[Place]:
    """Programs whose models are on this disk."""
    return [place for key in PROGRAMS if (place := _place(key)).roots]


def _place(key: str) -> Place:
    title, roots, _ = PROGRAMS[key]
    existing = dict.fromkeys(root.resolve() for root in roots() if root.is_dir())
    return Place(key=key, title=title, roots=tuple(existing))


# ── Ollama ──────────────────────────────────────────────────────────────────────────────────────────


def _ollama_roots() -> list[Path]:
    told = os.environ.get("OLLAMA_MODELS")
    usual = [Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]
    return [Path(told).expanduser()] if told else usual


def _ollama(root: Path) -> Iterator[Placed]:
    manifests = root / "manifests"
    for file in sorted(manifests.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            yield from _of_manifest(file, file.relative_to(manifests).parts, root / "blobs")


def _of_manifest(file: Path, parts: tuple[str, ...], blobs: Path) -> Iterator[Placed]:
    layers = _layers(file)
    weights = layers.get(MODEL, "")
    blob = blobs / weights.replace(":", "-")
    if len(parts) < 3 or not weights or not blob.is_file():
        return
    name = _short("/".join(parts[:-1]) + f":{parts[-1]}")
    seen = blobs / layers[PROJECTOR].replace(":", "-") if PROJECTOR in layers else None
    yield Placed(
        name=name,
        long=f"ollama/{name}",
        path=blob,
        place="Ollama",
        projector=str(seen) if seen and seen.is_file() else "",
        sha256=weights.partition(":")[2],
    )


def _layers(file: Path) -> dict[str, str]:
    """Kind of layer → digest, the first of each kind; nothing for what is no manifest."""
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        if file.stat().st_size <= _MANIFEST_LIMIT:
            rows = json.loads(file.read_text(encoding="utf-8"))["layers"]
            digests = {str(row["mediaType"]).partition(";")[0]: str(row["digest"]) for row in reversed(rows)}
            return {kind: digest for kind, digest in digests.items() if _is_digest(digest)}
    return {}


def _is_digest(text: str) -> bool:
    """What is no digest could be a path to anywhere."""
    kind, _, value = text.partition(":")
    return kind == "sha256" and bool(_SHA256.match(value))


def _short(name: str) -> str:
    """As Ollama shows it: without its own registry, its library and the usual tag."""
    path, mark, tag = name.rpartition(":")
    path, tag = (path, tag) if mark and "/" not in tag else (name, LATEST)
    for prefix in (f"{REGISTRY}/", f"{LIBRARY}/"):
        path = path.removeprefix(prefix)
    return path if tag == LATEST else f"{path}:{tag}"


def find_one(text: str) -> Path:
    """The weights of `ollama:NAME`. Raises NotInStore."""
    wanted = _short(text.removeprefix("ollama:"))
    models = models_of("ollama")
    for model in models:
        if model.name == wanted:
            return model.path
    where = _place("ollama").roots or tuple(_ollama_roots())
    known = ", ".join(model.name for model in models) or "–"
    raise NotInStore(text, "Ollama", ", ".join(map(str, where)), known)


def index_one(source: Source, errand: Errand) -> Path:
    """`ollama:NAME`: shown on the shelf from now on. Raises NotInStore."""
    path = find_one(source.text)
    if "ollama" not in used(errand.folder):
        use(errand.folder, f"ollama:{_short(source.target)}")
    size = path.stat().st_size
    errand.progress(Progress(size, size, note="models.fetch.indexed"))
    return path


# ── LM Studio, folders ──────────────────────────────────────────────────────────────────────────────


def _lmstudio_roots() -> list[Path]:
    home = Path.home()
    pointer = home / ".lmstudio-home-pointer"
    with suppress(OSError, UnicodeDecodeError):
        home = Path(pointer.read_text(encoding="utf-8").strip() or home)
    studios = [home, Path.home() / ".lmstudio", Path.home() / ".cache" / "lm-studio"]
    told = [_told_folder(studio / "settings.json") for studio in studios]
    return [folder for folder in told if folder] + [
        studio / "models" for studio in studios if studio != Path.home()
    ]


def _told_folder(settings: Path) -> Path | None:
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads(settings.read_text(encoding="utf-8")).get("downloadsFolder")
        return Path(told) if isinstance(told, str) and told else None
    return None


def _lmstudio(root: Path) -> Iterator[Placed]:
    yield from _in_folder(root, "LM Studio", "lmstudio")


def _in_folder(root: Path, place: str, prefix: str) -> Iterator[Placed]:
    """GGUF files by their first part, folders of safetensors."""
    for here, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        path = Path(here)
        if is_model_folder(files) and path != root:
            yield Placed(name=path.name, long=f"{prefix}/{_below(path, root)}", path=path, place=place)
        for name in sorted(files):
            file = path / name
            if name.lower().endswith(".gguf") and not name.startswith(".") and parts_of(file)[0] == file:
                own = model_name(file)
                long = f"{prefix}/{_below(path / own, root)}"
                yield Placed(name=own, long=long, path=file, place=place)


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


# ── the cache of huggingface_hub ────────────────────────────────────────────────────────────────────


def _cache_roots() -> list[Path]:
    told = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if told:
        return [Path(told).expanduser()]
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return [Path(home).expanduser() / "hub"]


def _cache(root: Path) -> Iterator[Placed]:
    for repository in sorted(root.glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        snapshot = _snapshot(repository)
        if snapshot:
            yield from (_renamed(model, name, snapshot) for model in _in_snapshot(snapshot, name))


def _snapshot(repository: Path) -> Path | None:
    """The one that `main` means, else the youngest."""
    with suppress(OSError, UnicodeDecodeError):
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
        if commit and (repository / "snapshots" / commit).is_dir():
            return repository / "snapshots" / commit
    snapshots = [path for path in (repository / "snapshots").glob("*") if path.is_dir()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def _in_snapshot(snapshot: Path, name: str) -> Iterator[Placed]:
    if is_model_folder([path.name for path in snapshot.iterdir()]):
        yield Placed(name=name.rpartition("/")[2], long="", path=snapshot, place="Hugging Face")
    yield from _in_folder(snapshot, "Hugging Face", "huggingface")


def _renamed(model: Placed, repository: str, snapshot: Path) -> Placed:
    """With its repository in the long name, and with the hash that its blob is called after."""
    blob = "" if model.path.is_dir() else model.path.resolve().name
    own = "" if model.path == snapshot else f"/{model.name}"
    return Placed(
        name=model.name,
        long=f"huggingface/{repository}{own}",
        path=model.path,
        place=model.place,
        sha256=blob if _SHA256.match(blob) else "",
    )


PROGRAMS: dict[str, tuple[str, Callable[[], list[Path]], Callable[[Path], Iterator[Placed]]]] = {
    "ollama": ("Ollama", _ollama_roots, _ollama),
    "lmstudio": ("LM Studio", _lmstudio_roots, _lmstudio),
    "huggingface": ("Hugging Face", _cache_roots, _cache),
}
"""Title, where its models may be, and how they are read there."""
