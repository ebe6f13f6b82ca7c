"""Traits in a folder of safetensors: taken out or added while it computes, as edited weights would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from numpy.typing import NDArray
from test_direction_write import IDS, direction, made, written

from fabula.core.errors import AdapterUnfit
from fabula.engine.transformers_child.hooks import CannotHook, Hooks
from fabula.lab.directions import offer
from fabula.models.adapters.shelf import Adapters
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Report


def exported(home: Home, **wishes: Any) -> Path:
    told = {"direction": "trait", "model": "tiny", "form": "adapter", **wishes}
    return Path(offer.run(home, told, Report())["path"])


def hooked(home: Home, *files: Path) -> tuple[Any, Hooks]:
    import torch

    model = tiny_models.model(home.models / "tiny")
    return model, Hooks(torch, model, 64, files)


def logits(model: Any) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return np.asarray(model(torch.tensor([IDS])).logits[0])


@pytest.mark.parametrize("kind", tiny_models.KINDS)
@pytest.mark.parametrize("wishes", [{}, {"embeddings": True, "scope": "layers"}], ids=["layers", "all"])
def test_what_is_taken_out_is_what_edited_weights_lack(
    kind: str, wishes: dict[str, Any], tmp_path: Path
) -> None:
    home = made(tmp_path, kind)
    written(home, strength=0.75, **wishes)
    edited = logits(tiny_models.model(home.models / "new"))
    model, hooks = hooked(home, exported(home, **wishes))
    before = logits(model)
    hooks.change([0.75], None)
    assert np.abs(logits(model) - edited).max() <= 1e-4
    assert np.abs(edited - before).max() > 0.05  # it does something
    hooks.change([0.0], None)
    assert np.array_equal(logits(model), before)


def test_several_at_once_add_up(tmp_path: Path) -> None:
    """As LoRA adapters do in llama.cpp."""
    import torch

    home = made(tmp_path, "llama")
    direction(home, 3, name="other", seed=9)
    files = exported(home), exported(home, direction="other")
    written(home, name="one")
    written(home, name="two", direction="other", strength=-0.5)
    summed = tiny_models.model(home.models / "tiny")
    parts = [dict(tiny_models.model(home.models / name).named_parameters()) for name in ("one", "two")]
    with torch.no_grad():
        for name, weight in summed.named_parameters():
            weight.add_(sum(part[name] - weight for part in parts))
    model, hooks = hooked(home, *files)
    hooks.change([1.0, -0.5], None)
    assert np.abs(logits(model) - logits(summed)).max() <= 1e-4


@pytest.mark.parametrize("kind", tiny_models.KINDS)
def test_what_is_added_is_in_what_its_layer_gives_and_in_all_behind_it(kind: str, tmp_path: Path) -> None:
    home = made(tmp_path, kind)
    model, hooks = hooked(home)
    before = np.asarray(tiny_models.hidden(model, IDS))
    rows = np.zeros((len(before) - 1, 64), np.float32)
    rows[0] = np.linspace(-3, 3, 64)
    hooks.change([], rows)
    after = np.asarray(tiny_models.hidden(model, IDS))
    assert np.array_equal(after[0], before[0])
    assert after[1] - before[1] == pytest.approx(np.broadcast_to(rows[0], after[1].shape), abs=1e-4)
    hooks.change([], None)
    assert np.array_equal(np.asarray(tiny_models.hidden(model, IDS)), before)


def test_an_adapter_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    file = exported(home)
    tiny_models.folder(home.models / "short", "llama", num_hidden_layers=2)
    with pytest.raises(AdapterUnfit, match=r"changes blk\.2\.\w+, which"):
        Adapters(home.adapters).fitting("trait", Catalog(home.models).find("short"))
    import torch

    with pytest.raises(CannotHook, match=r"trait is for blk\.2"):
        Hooks(torch, tiny_models.model(home.models / "short"), 64, [file])
