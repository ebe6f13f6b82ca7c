"""What a repository holds, sorted by names: models with all their files, projectors, what is not needed.

A model is a GGUF file with all its parts, or a folder of safetensors with its configuration; where branches
hold other quantizations, each branch is one more. Names are hints only: headers are read by whoever plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fabula.core.errors import QuantizationMissing
from fabula.models.formats.folders import CONFIG, PICKLES, TENSORS
from fabula.models.formats.identify import model_name, split_name
from fabula.models.sources.hubs import Format, HubFile
from fabula.models.sources.words import Source

PREFERRED = ("Q4_K_M", "UD-Q4_K_XL", "MXFP4", "Q4_K_S", "Q4_0", "IQ4_XS", "Q5_K_M", "Q6_K", "Q8_0", "F16")
PROJECTORS = ("f16", "bf16", "q8_0", "f32")  # the usual precision first
BESIDE = (".json", ".txt", ".model", ".jinja", ".tiktoken")
"""What a folder of safetensors is loaded with: configuration, vocabulary, templates."""
FOREIGN = (".onnx", ".h5", ".msgpack", ".tflite", ".ot", ".mlmodel", ".llamafile", ".nemo", ".pte")

_KIND = re.compile(
    r"(?:^|[-._/])(?P<kind>(?:UD-)?(?:I?Q[1-8](?:_[0-9A-Z]+)*|TQ[12]_0|BF16|FP?16|FP?32|MXFP4(?:_MOE)?|NVFP4))"
    r"(?=$|[-.])",
    re.IGNORECASE,
)
_PACKED = re.compile(r"gptq|awq|exl2|exl3|[^a-z]bpw|\d+bit|-\d+g", re.IGNORECASE)
MAIN = ("main", "master")


@dataclass(frozen=True, slots=True)
class HubModel:
    """One choice of a repository: all files of a model, in order. `revision` "" = the one that was asked."""

    name: str
    files: tuple[HubFile, ...]
    format: Format = "gguf"
    revision: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def quantization(self) -> str:
        """As the name says it; "" where it says none."""
        found = [match["kind"].upper() for match in _KIND.finditer(self.name)]
        return re.sub(r"^FP(?=16|32)", "F", found[-1]) if found else ""

    @property
    def folder(self) -> str:
        """Where its files lie in the repository."""
        return str(PurePosixPath(self.files[0].path).parent)


@dataclass(frozen=True, slots=True)
class Unneeded:
    """`why` is the end of a text key: imatrix, pickle, foreign, incomplete, other."""

    file: HubFile
    why: str


@dataclass(frozen=True, slots=True)
class Contents:
    models: tuple[HubModel, ...]
    projectors: tuple[HubFile, ...] = ()
    unneeded: tuple[Unneeded, ...] = ()

    @property
    def projector(self) -> HubFile | None:
        """The one that is fetched with a model."""

        def rank(file: HubFile) -> tuple[int, int]:
            name = PurePosixPath(file.path).name.lower()
            kinds = [n for n, kind in enumerate(PROJECTORS) if re.search(rf"(^|[-._]){kind}[-._]", name)]
            return (min(kinds, default=len(PROJECTORS)), file.size)

        return min(self.projectors, key=rank, default=None)


def sort_out(files: Iterable[HubFile], repository: str, revision: str = "") -> Contents:
    """The files of one revision. A folder's model is called after the repository, or its own folder."""
    rows = sorted(files, key=lambda file: file.path)
    ggufs = [file for file in rows if _ends(file, ".gguf")]
    projectors = [file for file in ggufs if "mmproj" in _name(file)]
    maps = [file for file in ggufs if "imatrix" in _name(file)]
    models, broken = _gguf_models([file for file in ggufs if file not in (*projectors, *maps)], revision)
    folders = _folder_models(rows, repository, revision)
    used = {file.path for model in (*models, *folders) for file in model.files}
    used |= {file.path for file in projectors}
    unneeded = [
        Unneeded(file, "incomplete" if file in broken else _why(file))
        for file in rows
        if file.path not in used
    ]
    return Contents((*models, *folders), tuple(projectors), tuple(unneeded))


def _name(file: HubFile) -> str:
    return PurePosixPath(file.path).name.lower()


def _ends(file: HubFile, *endings: str) -> bool:
    return _name(file).endswith(endings)


def _gguf_models(files: Sequence[HubFile], revision: str) -> tuple[list[HubModel], list[HubFile]]:
    """Whole models, and the files of those that miss a part."""
    groups: dict[str, list[HubFile]] = {}
    for file in files:
        place = PurePosixPath(file.path)
        groups.setdefault(str(place.with_name(model_name(Path(place.name)))), []).append(file)
    models, broken = [], []
    for group in groups.values():
        model = HubModel(model_name(Path(PurePosixPath(group[0].path).name)), tuple(group), "gguf", revision)
        if _is_whole(model):
            models.append(model)
        else:
            broken += group
    return models, broken


def _is_whole(model: HubModel) -> bool:
    split = split_name(Path(model.files[0].path))
    return len(model.files) == (split.parts if split else 1)


def _folder_models(files: Sequence[HubFile], repository: str, revision: str) -> list[HubModel]:
    folders: dict[PurePosixPath, list[HubFile]] = {}
    for file in files:
        folders.setdefault(PurePosixPath(file.path).parent, []).append(file)
    models = []
    for folder, members in folders.items():
        tensors = [file for file in members if _ends(file, TENSORS)]
        whole = [file for file in tensors if not _name(file).startswith("consolidated")] or tensors
        whole = [file for file in whole if not _name(file).startswith("adapter")]
        if not whole or not any(_name(file) == CONFIG for file in members):
            continue
        beside = [file for file in members if _ends(file, *BESIDE)]
        own = folder.name or repository.rpartition("/")[2]
        name = f"{own}-{revision}" if revision and revision not in MAIN else own
        models.append(HubModel(name.replace("/", "-"), (*whole, *beside), "safetensors", revision))
    return models


def _why(file: HubFile) -> str:
    if "imatrix" in _name(file):
        return "imatrix"
    if _ends(file, *PICKLES):
        return "pickle"
    return "foreign" if _ends(file, *FOREIGN) else "other"


def packed_branches(branches: Iterable[str]) -> list[str]:
    """Those whose names say that they hold another quantization."""
    return [branch for branch in branches if branch not in MAIN and _PACKED.search(branch)]


# ── which of them ───────────────────────────────────────────────────────────────────────────────────


def choose(models: Sequence[HubModel], source: Source) -> HubModel:
    """The model that `source.choice` names (a file or a quantization), else the best-known middle size.

    Raises QuantizationMissing with what there is.
    """
    wanted = (source.choice,) if source.choice else PREFERRED
    for choice in wanted:
        found = [model for model in models if _matches(model, choice)]
        if found:
            return min(found, key=lambda model: (len(model.name), model.name))
    folders = [model for model in models if model.format == "safetensors"]
    if not source.choice and (len(models) == 1 or (folders and len(folders) == len(models))):
        return models[0]
    known = ", ".join(sorted(model.name for model in models))
    raise QuantizationMissing(source.text, source.choice or PREFERRED[0], known or "–")


def _matches(model: HubModel, choice: str) -> bool:
    if choice.lower().endswith(".gguf"):
        return any(choice in (file.path, PurePosixPath(file.path).name) for file in model.files)
    if choice in (model.name, model.revision):
        return True
    return bool(re.search(rf"(^|[-._/]){re.escape(choice)}($|[-.])", model.name, re.IGNORECASE))
