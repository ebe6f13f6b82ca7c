"""The wheel, installed into an empty environment outside the checkout, is a whole Fabula."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import need

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE")
BIN = "Scripts" if os.name == "nt" else "bin"
PATIENCE_S = 600  # for pip on a slow connection

pytestmark = pytest.mark.timeout(PATIENCE_S)


def pip(*words: str, python: Path | str = sys.executable) -> None:
    """Runs pip; a machine without a package index lacks what these tests need."""
    done = subprocess.run([str(python), "-m", "pip", "-q", *words], capture_output=True, text=True, cwd="/")
    if done.returncode and re.search(r"No matching distribution|Could not find a version", done.stderr):
        need("package", f"pip found no package index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a `build` folder in the checkout would keep files that are long gone."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "fabula", source / "fabula", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--wheel-dir", str(out), str(source))
    return next(out.glob("fabula-*.whl"))


@pytest.fixture(scope="session")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of an environment lie that holds the wheel and what it depends on, nothing else."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True)
    python = place / BIN / "python"
    pip("install", "--constraint", str(ROOT / "constraints.txt"), str(wheel), python=python)
    return python.parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FABULA_"))}
    return {**kept, "FABULA_HOME": str(tmp_path / "home"), "FABULA_LANGUAGE": "en"}


def run(bin_folder: Path, environment: dict[str, str], *words: str) -> str:
    command = [str(bin_folder / "fabula"), *words]
    return subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def address(bin_folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """A studio of the installed program, on a free port."""
    command = [str(bin_folder / "fabula"), "serve", "--port", "0", "--no-open"]
    studio = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, text=True)
    try:
        assert studio.stdout
        found = re.search(r"http://\S+", studio.stdout.readline())
        assert found
        yield found[0]
    finally:
        studio.terminate()
        studio.communicate()


def fetch(url: str) -> str:
    asked = urllib.request.Request(url, headers={"accept": "text/html"})
    with urllib.request.urlopen(asked) as answer:
        return str(answer.read().decode())


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fabula").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_command_knows_its_version(bin_folder: Path, environment: dict[str, str]) -> None:
    from fabula import __version__

    assert run(bin_folder, environment, "--version") == f"fabula {__version__}\n"


def test_the_doctor_finds_nothing_bad(bin_folder: Path, environment: dict[str, str]) -> None:
    found = [json.loads(line) for line in run(bin_folder, environment, "doctor", "--json").splitlines()]
    levels = {finding["check"]: finding["level"] for finding in found}
    assert levels["engine"] == "ok"
    assert "bad" not in levels.values()
    assert str(ROOT) not in json.dumps(found)


def test_the_installed_studio_serves_its_page_its_modules_and_its_texts(address: str) -> None:
    page = fetch(f"{address}/")
    module = re.search(r'<script type="module" src="([^"]+)"', page)
    assert module
    assert "import" in fetch(f"{address}/{module[1].lstrip('/')}")
    assert json.loads(fetch(f"{address}/api/fabula/v1/texts/zh-Hant"))["cli"]["about"]
