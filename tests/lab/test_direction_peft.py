"""The folder that is made for PEFT, read by PEFT: what it says is what edited weights say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from test_direction_write import IDS, made, written

from fabula.lab.directions import offer
from fabula.store.job_child import Report


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return np.asarray(model(torch.tensor([IDS])).logits[0])


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of PEFT, about names that transformers renames
def test_an_adapter_of_rank_one_says_what_edited_weights_say(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs lab: peft is not installed")
    home = made(tmp_path, "llama")
    written(home)
    asked = offer.Exporting.of({"direction": "trait", "model": "tiny", "form": "peft"})
    told = offer.run(home, asked.arguments(), Report())
    assert (told["tensors"], told["left"]) == (6, [])
    base = tiny_models.model(home.models / "tiny")
    before = logits(base)
    adapted = peft.PeftModel.from_pretrained(base, told["path"])
    edited = logits(tiny_models.model(home.models / "new"))
    assert np.abs(logits(adapted) - edited).max() <= 1e-3
    assert np.abs(edited - before).max() > 0.1  # it does something
    with adapted.disable_adapter():
        assert np.array_equal(logits(adapted), before)


def test_what_an_adapter_cannot_say_is_told_by_name(tmp_path: Path) -> None:
    home = made(tmp_path, "gpt_oss")
    asked = offer.Exporting.of({"direction": "trait", "model": "tiny", "form": "peft"})
    left = offer.run(home, asked.arguments(), Report())["left"]
    assert sorted(name.split(".", 3)[3] for name in left if ".0." in name) == [
        "mlp.experts.down_proj",  # PEFT has no name for experts in one tensor
        "mlp.experts.down_proj_bias",
        "self_attn.o_proj.bias",
    ]
