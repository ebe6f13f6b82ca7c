"""Install what tests/clients drives: scripts/clients.py [llm] [litellm] [npm], by default all three.
With `--check` it only says, by its exit status, whether they are there.

`sillytavern` and `open_webui` are for bench/clients. Each gets a folder of its own under .cache/clients, with
the versions that clients/ pins, because they clash with each other's and with ours. Knows no test.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "clients"
PLACE = ROOT / ".cache" / "clients"
PIPS = {
    "llm": "llm.txt",
    "litellm": "litellm.txt",
    "npm": "npm.txt",
    "sillytavern": "npm.txt",
    "open_webui": "open_webui.txt",
}
PACKAGES = {"npm": PINS, "sillytavern": PINS / "sillytavern"}  # where package.json and its lock are
NAMES = ("llm", "litellm", "npm")
STAMP = "installed"  # holds what was installed, and where: a venv that is moved does not work


def folder(name: str) -> Path:
    return PLACE / name


def is_there(name: str) -> bool:
    """Whether a client is installed here, in the versions that are pinned now."""
    stamp = folder(name) / STAMP
    return stamp.exists() and stamp.read_text() == wanted(name)


def wanted(name: str) -> str:
    files = [PINS / PIPS[name], *_packages_of(name)]
    pins = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{folder(name)} {sys.version_info[:2]} {pins}"


def install(name: str) -> None:
    """Raises CalledProcessError when a registry does not give what is pinned."""
    place = folder(name)
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--requirement", PINS / PIPS[name]], check=True)
    if packages := _packages_of(name):
        _packages(place, packages)
    (place / STAMP).write_text(wanted(name))


def _packages_of(name: str) -> list[Path]:
    folder_ = PACKAGES.get(name)
    return [folder_ / "package.json", folder_ / "package-lock.json"] if folder_ else []


def _packages(place: Path, packages: list[Path]) -> None:
    for file in packages:
        shutil.copy(file, place)
    environment = os.environ | {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([place / "bin" / "npm", "ci", *quietly], cwd=place, env=environment, check=True)


def main(names: list[str]) -> None:
    if names[:1] == ["--check"]:
        sys.exit(not all(map(is_there, names[1:] or NAMES)))
    if unknown := set(names) - set(PIPS):
        sys.exit(f"no client is called {', '.join(sorted(unknown))}; there are {', '.join(PIPS)}")
    for name in names or NAMES:
        if is_there(name):
            continue
        print(f"Installing {name} into {folder(name).relative_to(ROOT)}", flush=True)
        install(name)


if __name__ == "__main__":
    main(sys.argv[1:])
