"""Which file lets which model see."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.core.model import LocalModel
from fabula.models.projectors import PROJECTOR, with_projectors


def models(*files: str) -> list[LocalModel]:
    paths = [Path("/models", file) for file in files]
    return [
        LocalModel(
            name=path.stem, path=path, size=1, problem=PROJECTOR if "mmproj" in path.name.lower() else ""
        )
        for path in paths
    ]


def seen_through(*files: str) -> dict[str, str]:
    found = with_projectors(models(*files))
    return {model.path.name: Path(model.projector).name for model in found if model.projector}


@pytest.mark.parametrize(
    ("model", "projector"),
    [
        ("gemma-3-4b-it-Q4_K_M.gguf", "mmproj-gemma-3-4b-it-f16.gguf"),
        ("gemma-3-4b-it-q4_0.gguf", "mmproj-model-f16-gemma-3-4b.gguf"),
        ("Qwen2.5-VL-7B-Instruct-UD-Q4_K_XL.gguf", "Qwen2.5-VL-7B-Instruct-mmproj-BF16.gguf"),
        ("SmolVLM-256M-Instruct.Q8_0.gguf", "SmolVLM-256M-Instruct.mmproj-Q8_0.gguf"),
        ("big-Q4_K_M-00001-of-00002.gguf", "mmproj-big-F16.gguf"),
        ("llava/llava-v1.6-Q4_K.gguf", "llava/mmproj-model-f16.gguf"),
        ("llava/llava-v1.6-Q4_K.gguf", "llava/mmproj-F16.gguf"),
    ],
)
def test_a_projector_belongs_to_the_model_of_its_name(model: str, projector: str) -> None:
    assert seen_through(model, projector) == {Path(model).name: Path(projector).name}


@pytest.mark.parametrize(
    "files",
    [
        ("gemma-3-4b-it-Q4_K_M.gguf", "mmproj-gemma-3-12b-it-f16.gguf"),
        ("gemma-3-4bx-it.gguf", "mmproj-gemma-3-4b.gguf"),
        ("one/a.gguf", "two/mmproj-a.gguf"),
        ("a.gguf", "b.gguf", "mmproj-F16.gguf"),  # nobody knows whose it is
    ],
)
def test_a_projector_of_another_model_is_left_alone(files: tuple[str, ...]) -> None:
    assert seen_through(*files) == {}


def test_all_quantizations_of_a_model_see_through_the_same_file() -> None:
    found = seen_through("m-Q4_0.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf")
    assert found == {"m-Q4_0.gguf": "mmproj-F16.gguf", "m-Q8_0.gguf": "mmproj-F16.gguf"}


def test_the_longest_name_that_fits_counts() -> None:
    found = seen_through("v-2-mini-Q4_0.gguf", "mmproj-v-2.gguf", "mmproj-v-2-mini.gguf")
    assert found == {"v-2-mini-Q4_0.gguf": "mmproj-v-2-mini.gguf"}
