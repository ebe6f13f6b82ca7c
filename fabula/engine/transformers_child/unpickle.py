"""Pickled weights into safetensors: python -m fabula.engine.transformers_child.unpickle FOLDER NEW-FOLDER

A process of its own, which opens pickles with torch's `weights_only`: a pickle that wants to do anything but
hold tensors is refused, and nothing of it runs. The other files of the folder are copied; code is not.
"""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

from fabula.core.errors import ModelLoadFailed, StoreUnwritable
from fabula.models.formats.folders import PICKLES, is_pickle

KEPT = (".json", ".txt", ".model", ".jinja", ".md")


def unpickle(source: Path, target: Path) -> Path:
    """The new folder. Raises ModelLoadFailed for a pickle that is refused, StoreUnwritable."""
    files = sorted(file for file in source.iterdir() if file.is_file())
    pickles = [file for file in files if file.name.lower().endswith(PICKLES) and is_pickle(file)]
    if not pickles:
        raise ModelLoadFailed(source.name, "there are no pickles in it")
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise StoreUnwritable(str(target), error.strerror or f"{error}") from error
    for number, file in enumerate(pickles, 1):
        name = (
            f"model-{number:05}-of-{len(pickles):05}.safetensors" if len(pickles) > 1 else "model.safetensors"
        )
        _convert(file, target / name)
    _index(target)
    for file in files:
        if file.name.endswith(KEPT) and not file.name.endswith(".bin.index.json"):
            shutil.copyfile(file, target / file.name)
    return target


def _convert(file: Path, made: Path) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous().clone() for name, tensor in _tensors(file).items()}
    save_file(tensors, made, {"format": "pt"})


def _tensors(file: Path) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as refused:
        reason = f"{file.name} holds more than tensors, and was not opened: {refused}".splitlines()[0]
        raise ModelLoadFailed(file.parent.name, reason[:500]) from refused
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


def _index(target: Path) -> None:
    """Which file each tensor is in, where there are several."""
    import json

    from fabula.models.formats.safetensors import read_tensors

    shards = sorted(target.glob("model-*.safetensors"))
    if shards:
        weights = {name: shard.name for shard in shards for name in read_tensors(shard)}
        told = {"metadata": {}, "weight_map": weights}
        (target / "model.safetensors.index.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        unpickle(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ModelLoadFailed, StoreUnwritable) as failure:
        sys.exit(failure.sentence())
