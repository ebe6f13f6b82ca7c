"""Take an adapter into the folder: a GGUF file, or what PEFT has saved, from this machine or from the hub.

A file appears under its name only when it is whole and fits the model. Knows no engine.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
from pathlib import Path

from fabula.core.errors import AdapterUnfit, AdapterUnusable, SourceMissing, UnknownSource
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.adapters.adapter import describe
from fabula.models.adapters.convert import convert
from fabula.models.adapters.fitting import misfit
from fabula.models.adapters.peft import CONFIG, WEIGHTS, is_peft
from fabula.models.sources import landing, parse
from fabula.models.sources.words import Errand, Progress, Source

OWN_NAMES = ("adapter_model", "adapter", "checkpoint-", "lora", "model", "ggml-adapter-model")
"""Names that say nothing: the folder's is taken instead."""


def take(source: str, model: LocalModel, errand: Errand, name: str = "") -> Path:
    """The adapter's file in the errand's folder, under `name` or what the source is called.

    Raises AdapterUnusable, AdapterUnfit, a DownloadFailure, NoDiskSpace, StoreUnwritable or UnknownSource.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _converted(folder, model, errand, name or folder.resolve().name)
    if folder.name in (CONFIG, WEIGHTS) and folder.is_file():
        return _converted(folder.parent, model, errand, name or folder.resolve().parent.name)
    parsed = parse(source)
    if parsed.kind == "hub" and not parsed.choice.lower().endswith(".gguf"):
        return _from_hub(parsed, model, errand, name)
    if parsed.kind == "wheel":
        raise UnknownSource(source)
    return _gguf(parsed, model, errand, name)


def _converted(folder: Path, model: LocalModel, errand: Errand, name: str) -> Path:
    if not is_peft(folder):
        return _gguf_in(folder, model, errand, name)
    target = landing.free_name(errand.folder / landing.file_name(name))
    part = errand.workshop / f"{target.name}.part"
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))

    def tick(done: int, all: int) -> None:
        errand.check_cancelled()
        errand.progress(Progress(done, all, "tensors", "models.adapter.converting"))

    errand.check_space(2 * size)  # BF16 becomes F32
    try:
        with landing.disk_errors(errand, lambda: 2 * size, lambda: part.unlink(missing_ok=True)):
            convert(folder, model, part, tick)
            with part.open("rb+") as file:
                landing.flush(file)
            return landing.land(part, target)
    finally:
        part.unlink(missing_ok=True)


def _gguf_in(folder: Path, model: LocalModel, errand: Errand, name: str) -> Path:
    """A folder that holds one GGUF adapter and no PEFT configuration."""
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise AdapterUnusable(folder.resolve().name, phrase("models.adapter.no_config"))
    own = files[0].stem
    return _gguf(parse(str(files[0])), model, errand, name if own.startswith(OWN_NAMES) else own)


def _gguf(source: Source, model: LocalModel, errand: Errand, name: str) -> Path:
    """Fetched beside the folder first: what is no adapter, or fits another model, never appears in it."""
    from fabula.models.sources import fetch

    workplace = errand.workshop / hashlib.sha256(source.text.encode()).hexdigest()[:16]
    workplace.mkdir(parents=True, exist_ok=True)
    fetched = fetch(source, workplace, errand.progress, errand.cancelled, errand.free_space)
    try:
        adapter = describe(fetched, name or fetched.stem)
        if adapter.problem:
            raise AdapterUnusable(adapter.name, adapter.problem)
        if problem := misfit(adapter, model):
            raise AdapterUnfit(adapter.name, model.name, problem)
        wanted = errand.folder / landing.file_name(name or fetched.stem)
        if wanted.is_file() and filecmp.cmp(wanted, fetched, shallow=False):
            return wanted
        return landing.land(fetched, landing.free_name(wanted))
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _from_hub(source: Source, model: LocalModel, errand: Errand, name: str) -> Path:
    """A repository of PEFT's two files, else one of GGUF files."""
    from fabula.models.sources import hub

    own = name or source.target.rpartition("/")[2]
    workplace = errand.workshop / f"peft-{hashlib.sha256(source.text.encode()).hexdigest()[:16]}" / own
    workplace.mkdir(parents=True, exist_ok=True)
    try:
        hub.fetch_files(source, (CONFIG, WEIGHTS), workplace, errand)
        return _converted(workplace, model, errand, own)
    except SourceMissing:
        return _gguf(source, model, errand, name)
    finally:
        shutil.rmtree(workplace.parent, ignore_errors=True)
