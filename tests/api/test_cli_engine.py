"""`fabula engine`: builds listed, used and removed; what a model's load says in the terminal."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable

import pytest
from models_stand_ins import Shelf, serve
from talking import Client

from fabula.cli import checks
from fabula.cli.main import main
from fabula.models import gpus, hardware
from fabula.store.home import Home

Run = Callable[..., tuple[int, str, str]]
WITH_A_CARD = b"def get_device_info():\n    return [{'name': '0', 'description': 'A card', 'type': 'GPU'}]\n"


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


def test_builds_are_listed_used_and_removed(run: Run, client: Client, home: Home) -> None:
    program = home.path / "llama-server"
    program.write_text(f"#!{sys.executable}\nprint('version: 7 (abc)')\n")
    program.chmod(0o755)
    assert "default" in run("engine", "list")[1]
    assert run("engine", "use", str(program))[0] == 0
    _, listed, _ = run("engine", "list")
    (row,) = [line for line in listed.splitlines() if "llama-server" in line]
    assert "7 (abc)" in row
    assert "in use" in row
    assert run("engine", "use", "default")[0] == 0
    assert run("engine", "remove", str(program))[0] == 0
    assert "llama-server" not in run("engine", "list")[1]


def test_a_build_is_installed_from_its_publishers_index_and_used(
    run: Run, client: Client, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf()
    server = serve(shelf)
    shelf.add_to_index("xllamacpp", "1.0", {"xllamacpp/__init__.py": WITH_A_CARD})
    kind = {"systems": [sys.platform], "indexes": [{"runtime": "", "url": f"{shelf.address}/simple"}]}
    table = {"package": "xllamacpp", "version": "1.0", "kinds": {"cuda": kind}}
    home.engines.mkdir(exist_ok=True)
    (home.engines / "builds.json").write_text(json.dumps(table))
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    status, out, err = run("engine", "install", "cuda")
    assert (status, "It sees: A card" in out + err) == (0, True)
    (row,) = [line for line in run("engine", "list")[1].splitlines() if line.startswith("cuda")]
    assert ("1.0" in row, "in use" in row) == (True, True)
    server.shutdown()
    server.server_close()


def test_doctor_offers_the_build_for_a_card_that_is_not_used(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = hardware.machine()
    card = gpus.Gpu(name="RTX 3060", kind="cuda", memory=12 << 30, memory_free=11 << 30)
    monkeypatch.setattr(hardware, "machine", lambda: dataclasses.replace(here, gpus=(card,)))
    (finding,) = checks.engine(home)
    assert (finding.level, "fabula engine install cuda" in finding.advice) == ("warn", True)


def test_a_build_that_is_not_there_is_one_sentence(run: Run, client: Client) -> None:
    status, _, said = run("engine", "use", "cuda")
    assert (status, said.count("\n")) == (1, 1)
    assert "fabula engine use default" in said
    assert "Those there are" in run("engine", "install", "steam")[2]


def test_what_was_never_measured_is_not_forgotten(run: Run, client: Client) -> None:
    code, _, told = run("engine", "tune", "tiny", "--forget")
    assert (code, told.startswith("tiny was not measured on this machine")) == (0, True)


def test_show_says_the_engine_and_the_options_and_ps_the_devices(run: Run, client: Client) -> None:
    client.call("PUT", "/models/tiny/options", json={"options": {"context": 512}})
    _, shown, _ = run("show", "tiny")
    assert "llama.cpp runs it" in shown
    assert "context = 512" in shown
    client.post("/models/tiny/load")
    _, listed, _ = run("ps")
    assert "0/" in listed
    assert "512" in listed
