"""Models of Ollama, LM Studio, Hugging Face's cache and other folders, used where they lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models_stand_ins import sha256, tiny_gguf

from fabula.core.errors import BelongsElsewhere, NotInStore, SourceMissing
from fabula.models.catalog import Catalog
from fabula.models.sources import fetch, places
from fabula.models.sources.places import MODEL, PROJECTOR
from fabula.models.uses import uses

WEIGHTS = tiny_gguf(general__name="Llama")
EYE = tiny_gguf(general__type="mmproj", general__architecture="clip")


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it."""
    for name in ("OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def add_to_ollama(home: Path, name: str, **layers: bytes) -> Path:
    """As `ollama pull` leaves it; the blob of the weights."""
    root, rows = home / ".ollama" / "models", []
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    for kind, content in layers.items():
        digest = sha256(content)
        (root / "blobs" / f"sha256-{digest}").write_bytes(content)
        kinds = {"model": MODEL, "projector": PROJECTOR}
        rows.append({"mediaType": kinds[kind], "digest": f"sha256:{digest}", "size": len(content)})
    manifest = root / "manifests" / name.replace(":", "/")
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": rows}))
    return root / "blobs" / f"sha256-{sha256(layers['model'])}"


def test_ollamas_models_have_ollamas_names(person: Path, folder: Path) -> None:
    blob = add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS, projector=EYE)
    add_to_ollama(person, "registry.ollama.ai/someone/tale:latest", model=tiny_gguf(rows=32))
    add_to_ollama(person, "hf.co/bartowski/Tale-GGUF:Q4_K_M", model=tiny_gguf(rows=64))
    places.use(folder, "ollama")
    found = {model.name: model for model in Catalog(folder).list()}
    assert list(found) == ["hf.co/bartowski/Tale-GGUF:Q4_K_M", "llama3.2:1b", "someone/tale"]
    assert (found["llama3.2:1b"].path, found["llama3.2:1b"].place) == (blob, "Ollama")
    assert found["llama3.2:1b"].projector.endswith(sha256(EYE))
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []


def test_one_model_of_ollama_is_shown_by_its_name_and_forgotten_by_rm(person: Path, folder: Path) -> None:
    blob = add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    add_to_ollama(person, "registry.ollama.ai/library/other:latest", model=tiny_gguf(rows=32))
    assert fetch("ollama:llama3.2:1b", folder) == blob
    catalog = Catalog(folder)
    assert [model.name for model in catalog.list()] == ["llama3.2:1b"]
    catalog.remove("llama3.2:1b")
    assert catalog.list() == []
    assert blob.read_bytes() == WEIGHTS


def test_a_name_that_ollama_does_not_have_is_answered_with_those_it_has(person: Path, folder: Path) -> None:
    add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    with pytest.raises(NotInStore, match=r"llama3\.2:1b"):
        fetch("ollama:llama3.3", folder)


def test_what_ollama_removed_is_gone(person: Path, folder: Path) -> None:
    blob = add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    places.use(folder, "ollama")
    catalog = Catalog(folder)
    assert len(catalog.list()) == 1
    blob.unlink()
    assert catalog.list() == []


def test_a_manifest_that_points_out_of_the_store_is_ignored(person: Path, folder: Path) -> None:
    add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    manifest = next((person / ".ollama/models/manifests").rglob("1b"))
    (person / "secret.gguf").write_bytes(WEIGHTS)
    manifest.write_text(json.dumps({"layers": [{"mediaType": MODEL, "digest": "../../../secret.gguf"}]}))
    places.use(folder, "ollama")
    assert Catalog(folder).list() == []


def test_the_hash_of_a_blob_is_known_without_reading_it(person: Path) -> None:
    add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    assert [model.sha256 for model in places.models_of("ollama")] == [sha256(WEIGHTS)]


def test_the_cache_of_hugging_face_is_read_where_main_points(person: Path, folder: Path) -> None:
    repository = person / ".cache/huggingface/hub/models--someone--Tale-GGUF"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc")
    (repository / "snapshots" / "older").mkdir()
    (repository / "blobs" / sha256(WEIGHTS)).write_bytes(WEIGHTS)
    (snapshot / "Tale-Q4_K_M.gguf").symlink_to(repository / "blobs" / sha256(WEIGHTS))
    places.use(folder, "huggingface")
    assert [(m.name, m.place) for m in Catalog(folder).list()] == [("Tale-Q4_K_M", "Hugging Face")]
    assert places.models_of("huggingface")[0].sha256 == sha256(WEIGHTS)


def test_lm_studio_keeps_publishers_and_repositories(person: Path, folder: Path) -> None:
    shelf = person / "big disk"
    (shelf / "someone/Tale-GGUF").mkdir(parents=True)
    (shelf / "someone/Tale-GGUF/Tale-Q4_0.gguf").write_bytes(WEIGHTS)
    (shelf / "someone/Tale-GGUF/mmproj-Tale-f16.gguf").write_bytes(EYE)
    (person / ".lmstudio").mkdir()
    (person / ".lmstudio/settings.json").write_text(json.dumps({"downloadsFolder": str(shelf)}))
    places.use(folder, "lmstudio")
    model = Catalog(folder).find("Tale-Q4_0")
    assert (model.place, Path(model.projector).name) == ("LM Studio", "mmproj-Tale-f16.gguf")


def test_a_folder_is_a_place_and_a_name_that_is_taken_gets_longer(tmp_path: Path, folder: Path) -> None:
    folder.mkdir()
    other = tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    for path in (folder / "Tale.gguf", other / "deep" / "Tale.gguf"):
        path.write_bytes(WEIGHTS)
    places.use(folder, str(other))
    names = [model.name for model in Catalog(folder).list()]
    assert names == [f"{other}/deep/Tale", "Tale"]
    assert places.forget(folder, str(other))
    assert [model.name for model in Catalog(folder).list()] == ["Tale"]


def test_what_belongs_to_another_program_is_not_deleted(person: Path, folder: Path) -> None:
    blob = add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    add_to_ollama(person, "registry.ollama.ai/library/copy:latest", model=WEIGHTS)
    places.use(folder, "ollama")
    catalog = Catalog(folder)
    told = [use.say("en") for use in uses(catalog.find("llama3.2:1b"), catalog.list())]
    assert told == ["It belongs to Ollama", "The same file has other names: copy"]
    with pytest.raises(BelongsElsewhere, match="Ollama"):
        catalog.remove("llama3.2:1b")
    assert blob.is_file()


def test_the_index_is_read_again_with_its_places(person: Path, folder: Path) -> None:
    add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    places.use(folder, "ollama")
    first = Catalog(folder).list()
    assert Catalog(folder).list() == first


def test_programs_that_are_here_are_found(person: Path) -> None:
    assert places.known_places() == []
    add_to_ollama(person, "registry.ollama.ai/library/llama3.2:1b", model=WEIGHTS)
    assert [place.title for place in places.known_places()] == ["Ollama"]


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(SourceMissing):
        places.use(folder, "/nowhere/at/all")
