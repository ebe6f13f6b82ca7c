"""The models in a folder: list, find, remove."""

from __future__ import annotations

from pathlib import Path

import pytest
from models_stand_ins import tiny_gguf

from fabula.core.errors import ModelNotFound
from fabula.models.catalog import INDEX, Catalog
from fabula.models.starter import STARTER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Qwen3-4B-Q4_K_M", "Qwen3-8B-Q4_K_M", "Gemma-3-12b", STARTER.name):
        (tmp_path / f"{name}.gguf").write_bytes(tiny_gguf())
    return tmp_path


def names(catalog: Catalog) -> list[str]:
    return [model.name for model in catalog.list()]


def test_models_are_listed_by_name_and_the_starter_last(folder: Path) -> None:
    assert names(Catalog(folder)) == ["Gemma-3-12b", "Qwen3-4B-Q4_K_M", "Qwen3-8B-Q4_K_M", STARTER.name]


@pytest.mark.parametrize(
    "name", ["Gemma-3-12b", "gemma-3-12B", "gemma", "12b", "Gemma-3-12b:latest", "gemma-3-12b.gguf"]
)
def test_a_model_is_found_by_any_sensible_name(folder: Path, name: str) -> None:
    assert Catalog(folder).find(name).name == "Gemma-3-12b"


def test_the_starter_has_short_names_even_beside_its_siblings(folder: Path) -> None:
    (folder / "SmolLM2-1.7B.gguf").write_bytes(tiny_gguf())
    assert Catalog(folder).find("smollm2").name == STARTER.name
    assert Catalog(folder).find("starter").name == STARTER.name


def test_an_unclear_name_is_answered_with_the_candidates(folder: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        Catalog(folder).find("qwen3")
    assert caught.value.known == "Qwen3-4B-Q4_K_M, Qwen3-8B-Q4_K_M"


def test_an_unknown_name_is_answered_with_all_names(folder: Path) -> None:
    with pytest.raises(ModelNotFound, match="Gemma-3-12b, Qwen3-4B"):
        Catalog(folder).find("gpt-5")


def test_the_same_file_name_in_two_folders_makes_two_names(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "Gemma-3-12b.gguf").write_bytes(tiny_gguf())
    assert {"Gemma-3-12b", "old/Gemma-3-12b"} <= set(names(Catalog(folder)))


def test_parts_of_a_split_are_one_model(folder: Path) -> None:
    for part in (1, 2):
        (folder / f"Big-0000{part}-of-00002.gguf").write_bytes(tiny_gguf())
    assert names(Catalog(folder)).count("Big") == 1
    Catalog(folder).remove("Big")
    assert not list(folder.glob("Big*"))


def test_unfinished_downloads_are_never_listed(folder: Path) -> None:
    (folder / "Half.gguf.part").write_bytes(tiny_gguf())
    (folder / ".fetch").mkdir()
    (folder / ".fetch" / "Half.gguf").write_bytes(tiny_gguf())
    assert "Half" not in names(Catalog(folder))


def test_a_damaged_file_is_listed_with_its_problem(folder: Path) -> None:
    (folder / "Broken.gguf").write_bytes(b"not a model")
    assert Catalog(folder).find("Broken").problem == "models.problem.not_gguf"


def test_the_second_start_reads_the_index_and_not_the_files(folder: Path) -> None:
    before = Catalog(folder).list()
    index = folder / INDEX
    index.write_text(index.read_text().replace('"Tiny"', '"From the index"'))
    after = Catalog(folder).list()
    assert {model.title for model in after} == {"From the index"}
    assert [model.path for model in after] == [model.path for model in before]


def test_a_changed_file_is_read_again(folder: Path) -> None:
    catalog = Catalog(folder)
    catalog.list()
    (folder / "Gemma-3-12b.gguf").write_bytes(tiny_gguf(rows=32, general__name="New"))
    assert catalog.find("gemma").title == "New"


def test_a_file_that_changes_or_goes_is_noticed_without_a_look_at_the_list(folder: Path) -> None:
    catalog = Catalog(folder)
    assert catalog.find("Gemma-3-12b").title != "New"
    (folder / "Gemma-3-12b.gguf").write_bytes(tiny_gguf(rows=32, general__name="New"))
    assert catalog.find("Gemma-3-12b").title == "New"
    (folder / "Gemma-3-12b.gguf").unlink()
    with pytest.raises(ModelNotFound):
        catalog.find("Gemma-3-12b")


def test_a_part_of_a_split_that_changes_is_noticed(folder: Path) -> None:
    first, second = (folder / f"Big-0000{part}-of-00002.gguf" for part in (1, 2))
    first.write_bytes(tiny_gguf())
    second.write_bytes(tiny_gguf())
    catalog = Catalog(folder)
    before = catalog.find("Big")
    assert catalog.find("Big") is before
    second.write_bytes(tiny_gguf(rows=32))
    assert catalog.find("Big").size > before.size


def test_a_projector_that_comes_or_goes_is_noticed_without_a_look_at_the_list(folder: Path) -> None:
    catalog = Catalog(folder)
    assert not catalog.find("Gemma-3-12b").projector
    eye = folder / "mmproj-Gemma-3-12b.gguf"
    eye.write_bytes(tiny_gguf(general__type="mmproj", general__architecture="clip"))
    assert catalog.find("Gemma-3-12b").projector == str(eye)
    eye.unlink()
    assert not catalog.find("Gemma-3-12b").projector


def test_a_damaged_index_is_only_slower(folder: Path) -> None:
    (folder / INDEX).write_text('{"version": 1, "models": [{"path": 3}]}')
    assert len(names(Catalog(folder))) == 4


def test_links_in_a_circle_are_walked_once(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(names(Catalog(folder))) == 4


def test_an_empty_or_missing_folder_has_no_models(tmp_path: Path) -> None:
    assert Catalog(tmp_path / "nowhere").list() == []
