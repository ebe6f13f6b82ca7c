"""Write the GGUF file of a model's folder: head first, then tensor after tensor. Knows no shelf and no job.

Nothing of the folder is run. The tokenizer is tried against the engine's before a weight is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import CannotConvert
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.convert.families import Config, Family, family_of, frequencies, numbers
from fabula.lab.convert.vocabulary import Vocabulary, vocabulary
from fabula.models.formats import gguf_writing
from fabula.models.formats.folders import CONFIG, FORMAT
from fabula.models.formats.gguf_writing import ALIGNMENT, Draft, Value
from fabula.models.formats.inspecting import inspect
from fabula.models.formats.types import FILE_TYPES, TENSOR_TYPES

TYPES = {"F32": 0, "F16": 1, "BF16": 30}
FREQUENCIES = "rope_freqs.weight"

Tell = Callable[[int, int], None]
"""Told (done, total) in bytes of the new file; may raise to end the work."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that can be converted: family and config are known, weights and tokens are not read yet."""

    model: LocalModel
    family: Family
    config: Config


def folder_of(model: LocalModel) -> Folder:
    """Raises CannotConvert for what is no such folder, is packed, or of another family."""
    if model.format != FORMAT or model.problem:
        reason = model.problem or "models.problem.not_gguf"
        raise CannotConvert(
            model.name, phrase(reason, file=model.path.name, name=model.name, size=model.size)
        )
    if model.packed:
        raise CannotConvert(model.name, phrase("lab.convert.packed", method=model.quantization))
    told = _config(model)
    return Folder(model, family_of(model.name, model.architecture), Config(model.name, told))


def _config(model: LocalModel) -> Mapping[str, Any]:
    """The config of the part that reads and writes text; one for all says whether matrices are shared."""
    told = json.loads((model.path / CONFIG).read_text(encoding="utf-8"))  # `identify_folder` has read it
    inner = told.get("text_config")
    text = inner if isinstance(inner, dict) else told
    tied = text.get("tie_word_embeddings", told.get("tie_word_embeddings"))
    usual = model.architecture.startswith("gemma")  # what a config of theirs leaves out
    return {**text, "tie_word_embeddings": usual if tied is None else tied}


def convert(source: Folder, file: Path, type_: str, tell: Tell) -> dict[str, Any]:
    """`type_` is F32, F16, BF16 or "" (as the weights are stored). Raises CannotConvert, ExtraMissing,
    DirectUnavailable, OSError, and what `tell` raises."""
    from fabula.lab.convert.spelling import spelled
    from fabula.lab.convert.weights import pieces, weights

    model, config = source.model, source.config
    found = weights(model.path, source.family, config, TYPES[type_] if type_ else None)
    read = vocabulary(model.path, model.name, _rows(found), model.adds_bos)
    known = spelled(read, model.path, model.name)
    drafts = [Draft(w.name, w.stored.shape[::-1], w.type, w.size, bytes) for w in found]
    drafts += _frequencies(config)
    kinds = {TENSOR_TYPES[w.type].name for w in found if len(w.stored.shape) > 1}
    head = gguf_writing.header(_metadata(source, known, type_ or _main(kinds)), drafts)
    total, done = len(head) + gguf_writing.data_size(drafts), len(head)
    with file.open("wb") as out:
        out.write(head)
        for weight in found:
            for piece in pieces(weight):
                out.write(piece)
                done += len(piece)
                tell(done, total)
            out.write(bytes(-weight.size % ALIGNMENT))
        for draft in drafts[len(found) :]:
            out.write(draft.data() + bytes(-draft.size % ALIGNMENT))
    return {"pre": known.pre, "vocabulary": len(known.tokens), "tensors": len(drafts), "size": total}


def head(source: Folder) -> bytes:
    """The new file's head without a vocabulary, with the weights as they are stored."""
    from fabula.lab.convert.weights import weights

    found = weights(source.model.path, source.family, source.config, None)
    drafts = [Draft(w.name, w.stored.shape[::-1], w.type, w.size, bytes) for w in found]
    told: dict[str, Value] = {"general.architecture": source.family.architecture}
    return gguf_writing.header(told | numbers(source.family, source.config), drafts)


def size_of(source: Folder, type_: str) -> int:
    """Bytes of all tensors of the new file."""
    from fabula.lab.convert.weights import weights

    found = weights(source.model.path, source.family, source.config, TYPES[type_] if type_ else None)
    return sum(weight.size for weight in found)


def _rows(found: Sequence[Any]) -> int:
    """Of the embedding: so many tokens there are."""
    return next(int(w.stored.shape[0]) for w in found if w.name == "token_embd.weight")


def _main(kinds: set[str]) -> str:
    """By what a file of several types is called."""
    return next((name for name in ("F32", "BF16", "F16") if name in kinds), "F32")


def _frequencies(config: Config) -> list[Draft]:
    import numpy as np

    found = frequencies(config)
    if found is None:
        return []
    data = np.asarray(found, "<f4").tobytes()
    return [Draft(FREQUENCIES, (len(found),), TYPES["F32"], len(data), lambda: data)]


def _metadata(source: Folder, known: Vocabulary, type_: str) -> dict[str, Value]:
    model = source.model
    file_type = next(number for number, name in FILE_TYPES.items() if name == type_)
    told: dict[str, Value] = {
        "general.architecture": source.family.architecture,
        "general.type": "model",
        "general.name": model.title or model.name,
        "general.file_type": file_type,
        **_card(model.path),
        **numbers(source.family, source.config),
        **known.fields(),
    }
    if model.chat_template:
        told["tokenizer.chat_template"] = model.chat_template
    return told


def _card(folder: Path) -> dict[str, Value]:
    """Licence and base models, where the folder's README tells them."""
    found = inspect(folder)
    told: dict[str, Value] = {"general.license": found.model.licence} if found.model.licence else {}
    if found.base_models:
        told["general.base_model.count"] = len(found.base_models)
    for number, base in enumerate(found.base_models):
        told[f"general.base_model.{number}.name"] = base.rsplit("/", 1)[-1]
        if "/" in base:
            told[f"general.base_model.{number}.repo_url"] = f"https://huggingface.co/{base}"
    return told
