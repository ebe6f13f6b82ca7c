"""Fetch a model of a repository from a hub, with all its files. Knows no screen and no hub's own API."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from fabula.core.errors import DownloadFailure, NotAModel, QuantizationMissing
from fabula.models.formats.folders import CONFIG
from fabula.models.formats.identify import split_name
from fabula.models.sources import landing
from fabula.models.sources.discarding import WHOSE
from fabula.models.sources.download import Download
from fabula.models.sources.hubs import HubFile, hub_of
from fabula.models.sources.repository import Contents, HubModel, choose, packed_branches, sort_out
from fabula.models.sources.requests import Remote
from fabula.models.sources.words import Errand, Progress, Source
from fabula.models.verifying import note_hash

OLD_CONFIG = "quantize_config.json"

__all__ = ["HubFile", "HubModel", "choose", "contents", "fetch_files", "fetch_hub", "list_models", "remotes"]


def fetch_hub(source: Source, errand: Errand) -> Path:
    """The chosen model of a repository; of a split model the first part, of a folder the folder."""
    held, revision = chosen(source)
    lock = landing.file_name(f"{source.target}-{held.model.name}")
    with landing.one_at_a_time(errand, lock):
        if held.model.format == "safetensors":
            return _fetch_folder(held.model, source, revision, errand)
        return _fetch_gguf(held, source, revision, errand)


class Chosen:
    """A model of a repository and the projector that comes with it."""

    def __init__(self, model: HubModel, projector: HubFile | None) -> None:
        self.model, self.projector = model, projector

    @property
    def files(self) -> tuple[HubFile, ...]:
        return (*self.model.files, *([self.projector] if self.projector else []))

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def chosen(source: Source) -> tuple[Chosen, str]:
    """What the source means, and the revision that it is in: a choice may be a branch."""
    hub = hub_of(source)
    revision = source.version or hub.revision
    here = contents(source.target, revision, source)
    try:
        return chosen_in(here, source), revision
    except QuantizationMissing:
        for branch in packed_branches(_branches(source)) if source.choice and not source.version else ():
            if branch.lower() == source.choice.lower():
                return Chosen(contents(source.target, branch, source).models[0], None), branch
        raise


def chosen_in(here: Contents, source: Source) -> Chosen:
    """Raises NotAModel for a repository without weights, or QuantizationMissing."""
    if not here.models and not source.choice:
        raise NotAModel(source.text, "models.problem.no_weights")
    model = choose(here.models, source)
    return Chosen(model, here.projector if model.format == "gguf" else None)


def _branches(source: Source) -> list[str]:
    """None where the hub does not tell: a mirror may not know them."""
    with suppress(DownloadFailure):
        return hub_of(source).branches(source.target, source.text)
    return []


def contents(repository: str, revision: str, source: Source) -> Contents:
    """Raises Offline, SourceMissing, AccessDenied, AccessGated or DownloadBroken."""
    files = hub_of(source).files(repository, revision, source.text)
    return sort_out(files, repository, revision)


def list_models(source: Source) -> list[HubModel]:
    return list(contents(source.target, source.version or hub_of(source).revision, source).models)


def remotes(model: HubModel, source: Source, revision: str) -> list[Remote]:
    """Where the files of a model lie, with the token that may be needed."""
    return [_remote(file, source, revision, only=len(model.files) == 1) for file in model.files]


def _remote(file: HubFile, source: Source, revision: str, *, only: bool = False) -> Remote:
    hub = hub_of(source)
    sha256 = source.sha256 if source.sha256 and only else file.sha256
    name = PurePosixPath(file.path).name
    address = hub.address(source.target, revision, file.path)
    return Remote(address, name, source.text, sha256, file.size, hub.headers())


def _downloads(remotes: Sequence[Remote], errand: Errand) -> list[Download]:
    """One after another, told as one. Raises NoDiskSpace before the first byte."""
    total, before = sum(remote.expected for remote in remotes), 0
    downloads = []
    for remote in remotes:
        downloads.append(Download(remote, errand, before, total))
        before += remote.expected
    errand.check_space(max(total - sum(each.have for each in downloads), 0))
    return downloads


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────


def _fetch_gguf(held: Chosen, source: Source, revision: str, errand: Errand) -> Path:
    only = len(held.model.files) == 1
    wanted = {file: _remote(file, source, revision, only=only) for file in held.files}
    targets = _targets(held, wanted, errand)
    missing = [file for file in held.files if not _is_there(wanted[file], targets[file], errand)]
    downloads = dict(zip(missing, _downloads([wanted[file] for file in missing], errand), strict=True))
    for file, each in downloads.items():
        _run(each, source, is_model=file is not held.projector)
    for file, each in downloads.items():
        targets[file] = each.land(targets[file])
        if each.sha256:
            note_hash(targets[file], errand.folder, each.sha256)
    errand.progress(Progress(held.size, held.size))
    return targets[held.files[0]]


def _targets(held: Chosen, wanted: Mapping[HubFile, Remote], errand: Errand) -> dict[HubFile, Path]:
    """One name for all parts of a model: where another model has it, all get a number."""
    for number in itertools.count(1):
        suffix = f"-{number}" if number > 1 else ""
        targets = {file: errand.folder / _named(file, held, suffix) for file in held.files}
        if all(_is_free(wanted[file], target, errand) for file, target in targets.items()):
            return targets
    raise AssertionError("counting does not end")


def _named(file: HubFile, held: Chosen, suffix: str) -> str:
    name = landing.file_name(PurePosixPath(file.path).name)
    if file is held.projector:
        name = projector_name(held.model, file)
    split = split_name(Path(name))
    if split is None:
        return f"{name.removesuffix('.gguf')}{suffix}.gguf"
    return f"{split.stem}{suffix}-{split.part:05}-of-{split.parts:05}.gguf"


def _is_free(remote: Remote, target: Path, errand: Errand) -> bool:
    return not target.exists() or landing.is_damaged(target) or _is_there(remote, target, errand)


def _is_there(remote: Remote, target: Path, errand: Errand) -> bool:
    return landing.has_digest(target, remote.expected, remote.sha256, errand)


def _run(download: Download, source: Source, *, is_model: bool) -> None:
    part = download.run()
    try:
        landing.check_model(part, source.text)
    except NotAModel:
        if not is_model:
            return  # the engine tells of a projector that it cannot read
        download.forget()
        raise


def projector_name(model: HubModel, projector: HubFile) -> str:
    """After its model: publishers give projectors no names of their own."""
    kind = HubModel(PurePosixPath(projector.path).stem, (projector,)).quantization
    own = model.name
    if model.quantization:
        own = own[: own.upper().rfind(model.quantization)].rstrip("-._") or own
    return landing.file_name(f"mmproj-{own}-{kind}" if kind else f"mmproj-{own}")


# ── folders of safetensors ──────────────────────────────────────────────────────────────────────────


def _fetch_folder(model: HubModel, source: Source, revision: str, errand: Errand) -> Path:
    """The name appears only with all files behind it; what is here already waits in the stage."""
    key = f"{source.kind}:{source.target}@{revision}/{model.folder}"
    stage = errand.workshop / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.folder"
    stage.mkdir(exist_ok=True)
    (stage / WHOSE).write_text(source.text, encoding="utf-8")
    wanted = [remote for remote in remotes(model, source, revision) if not _is_staged(remote, stage)]
    for each in _downloads(wanted, errand):
        each.run()
        landing.land(each.part, stage / landing.plain_name(each.remote.name))
        each.note.unlink(missing_ok=True)
    with_packing(stage)
    (stage / WHOSE).unlink()
    target = landing.land_folder(stage, errand.folder / landing.plain_name(model.name))
    for file in model.files:
        landed = target / landing.plain_name(PurePosixPath(file.path).name)
        if file.sha256 and landed.is_file():
            note_hash(landed, errand.folder, file.sha256)
    errand.progress(Progress(model.size, model.size))
    return target


def _is_staged(remote: Remote, stage: Path) -> bool:
    file = stage / landing.plain_name(remote.name)
    return file.is_file() and file.stat().st_size == remote.expected


def with_packing(folder: Path) -> None:
    """Early GPTQ models tell how they are packed in a file of its own; everybody reads config.json now."""
    config, old = _json(folder / CONFIG), _json(folder / OLD_CONFIG)
    if config and old and "quantization_config" not in config:
        told = {"quant_method": old.get("quant_method", "gptq"), **old}
        text = json.dumps(config | {"quantization_config": told}, indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def _json(file: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def fetch_files(source: Source, names: Sequence[str], folder: Path, errand: Errand) -> None:
    """Named files of a repository, whatever their format, under their own names in `folder`.

    Raises SourceMissing when the first of them is not there.
    """
    revision = source.version or hub_of(source).revision
    for name in names:
        download = Download(_remote(HubFile(name, 0), source, revision), errand)
        with landing.one_at_a_time(errand, download.remote.id):
            landing.land(download.run(), folder / name)
            download.forget()
