"""Whatever happens while a direction is learned or written: one sentence, or the same bytes in the end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_direction_write import direction

from fabula.core.errors import BadParameter, FabulaError, NoDiskSpace, WeightsUnusable
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import activations, edit, learn, space, write
from fabula.lab.directions.recipe import Recipe
from fabula.lab.directions.write import Writing
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.gguf import read_header
from fabula.store.home import Home
from fabula.store.job_child import Report

NAN = struct.pack("<f", float("nan"))
KILLS = 10
CHILD = """
import json, os, sys
from pathlib import Path
from fabula.lab.directions import from_gguf, learn, streaming
from fabula.store.home import Home
from fabula.store.job_child import Report

from_gguf.NOTE_S = streaming.NOTE_S = 0.0
home, wishes, moments = Home(Path(sys.argv[1])), json.loads(sys.argv[2]), json.loads(sys.argv[3])
if wishes["model"] == "tiny":
    from fabula.models.catalog import Catalog
    streaming.Skeleton(Catalog(home.models).find("tiny"), 1).close()  # torch is imported once for all

class Dies(Report):
    def __init__(self, after):
        super().__init__()
        self.left = after
    def progress(self, *told, **more):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), 9)

killed = 0
for after in moments:
    child = os.fork()
    if not child:
        learn.run(home, wishes, Dies(after))
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    killed += os.WIFSIGNALED(ended)
    assert os.WIFSIGNALED(ended) or not os.WEXITSTATUS(ended)
print(killed)
"""


@pytest.fixture(scope="module")
def original(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With a tiny model as a folder, as GGUF of the same numbers, and a random direction."""
    import converting

    home = Home(tmp_path_factory.mktemp("faults") / "home").create()
    folder = converting.folder(
        home.models / "tiny", "llama", num_hidden_layers=3, max_position_embeddings=256
    )
    convert(
        folder_of(identify_folder(folder)), home.models / "tiny-F32.gguf", "F32", lambda done, total: None
    )
    direction(home, 3)
    return home


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    shutil.copytree(original.path, tmp_path / "home")
    return Home(tmp_path / "home")


def learning(model: str, name: str) -> dict[str, Any]:
    told = {"model": model, "positive": "formal-casual", "name": name, "limit": 9, "threads": 1}
    return Recipe.of(told).arguments()


def writing(model: str, name: str) -> dict[str, Any]:
    told = {"direction": "trait", "model": model, "name": name, "measure": False}
    return Writing.of(told).arguments()


def killed(home: Home, wishes: dict[str, Any], most: int) -> int:
    """How often it was, before it came to its end."""
    moments = [*np.random.default_rng(6).integers(2, most, KILLS).tolist(), 1_000_000]
    wanted = [sys.executable, "-c", CHILD, home.path, json.dumps(wishes), json.dumps(moments)]
    ran = subprocess.run(wanted, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.parametrize(("model", "most"), [("tiny", 12), ("tiny-F32", 8)], ids=["of a folder", "of GGUF"])
def test_killed_ten_times_while_it_learns_the_direction_is_that_of_one_run(
    model: str, most: int, home: Home
) -> None:
    learn.run(home, learning(model, "twice"), Report())
    place = home.directions / "twice.safetensors"
    whole = place.read_bytes()
    adapter = (home.adapters / "twice.gguf").read_bytes()
    place.unlink()
    assert killed(home, learning(model, "twice"), most) >= 5
    assert place.read_bytes() == whole
    assert (home.adapters / "twice.gguf").read_bytes() == adapter
    assert not list((home.directions / learn.WORK).iterdir())


# ── what cannot be read ─────────────────────────────────────────────────────────────────────────────


def no_numbers(file: Path, tensor: str) -> None:
    header = read_header(file)
    found = next(one for one in header.tensors if one.name == tensor)
    with file.open("r+b") as opened:
        opened.seek(header.data_start + found.offset)
        opened.write(NAN)


def test_a_gguf_whose_weights_are_no_numbers_is_told(home: Home) -> None:
    no_numbers(home.models / "tiny-F32.gguf", "blk.1.ffn_down.weight")
    with pytest.raises(WeightsUnusable, match="tiny-F32"):
        learn.run(home, learning("tiny-F32", "none"), Report())
    with pytest.raises(WeightsUnusable, match=r"blk\.1\.ffn_down\.weight contains values"):
        write.run(home, writing("tiny-F32", "new"), Report())
    assert not list(home.models.glob("new*"))
    assert not list(home.directions.glob("none*"))


def test_a_gguf_of_which_a_part_is_missing_is_told_by_its_name(home: Home) -> None:
    (home.models / "tiny-F32.gguf").rename(home.models / "large-00001-of-00002.gguf")
    for run, wishes in (
        (learn.run, learning("large", "none")),
        (write.run, writing("large", "new")),
    ):
        with pytest.raises(FabulaError) as told:
            run(home, wishes, Report())
        assert "00002-of-00002" in told.value.sentence() or isinstance(told.value, BadParameter)
    assert not list(home.models.glob("new*"))


# ── a full disk ─────────────────────────────────────────────────────────────────────────────────────


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("model", ["tiny", "tiny-F32"])
def test_a_disk_that_is_full_while_it_learns_is_told_and_leaves_no_direction(
    model: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of all that is gathered is taken before anything is read."""
    monkeypatch.setattr(space.os, "posix_fallocate", full)
    with pytest.raises(NoDiskSpace):
        learn.run(home, learning(model, "none"), Report())
    monkeypatch.undo()
    assert not list(home.directions.glob("none*"))
    file = home.directions / learn.WORK / "taken"
    space.reserve(file, 1 << 16)
    assert file.stat().st_blocks * 512 >= 1 << 16


def test_a_disk_that_is_full_while_it_edits_a_gguf_is_told_and_leaves_no_model(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit, "_flush", full)
    with pytest.raises(NoDiskSpace):
        write.run(home, writing("tiny-F32", "new"), Report())
    assert not list(home.models.glob("new*"))
    monkeypatch.undo()
    assert write.run(home, writing("tiny-F32", "new"), Report())["most_left"] <= 1e-6  # it goes on


def test_what_was_gathered_of_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    one = activations.Activations.begin(tmp_path, (1, 2, 3), "one")
    one.put(slice(None), slice(0, 1), np.ones((1, 1, 3), np.float32), "tiny")
    one.note(1)
    assert activations.Activations.begin(tmp_path, (1, 2, 3), "one").done == 1
    assert activations.Activations.begin(tmp_path, (1, 2, 3), "other").done == 0
