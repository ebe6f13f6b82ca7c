"""Files inside a ZIP archive from anywhere, within limits. Knows nothing of cards.

Sizes that the archive states are checked before anything is unpacked, and again while it is: it may lie.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

FILES_LIMIT = 2_000
TOTAL_LIMIT = 256 << 20  # bytes, unpacked
RATIO_LIMIT = 200  # unpacked to packed, of a file of more than RATIO_FROM bytes
RATIO_FROM = 1 << 20


class BadArchive(Exception):
    """`reason` is the end of a text key: why an archive is not unpacked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_archive(content: bytes) -> bool:
    """Also where something else stands before the archive, such as a picture or a program."""
    return zipfile.is_zipfile(io.BytesIO(content))


def unpacked(content: bytes) -> dict[str, bytes]:
    """Every file by its path. Raises BadArchive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = [info for info in archive.infolist() if not info.is_dir()]
            _check(listed)
            return {info.filename: _read(archive, info) for info in listed}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as broken:
        raise BadArchive("damaged") from broken
    except RuntimeError as locked:  # zipfile's word for a password
        raise BadArchive("locked") from locked


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive whose bytes depend on nothing but the files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(path)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return made.getvalue()


def _check(listed: list[zipfile.ZipInfo]) -> None:
    if len(listed) > FILES_LIMIT or sum(info.file_size for info in listed) > TOTAL_LIMIT:
        raise BadArchive("too_large")
    for info in listed:
        if not safe_path(info.filename):
            raise BadArchive("path")
        if info.file_size > RATIO_FROM and info.file_size > RATIO_LIMIT * max(info.compress_size, 1):
            raise BadArchive("too_large")


def safe_path(path: str) -> bool:
    """A relative path that stays where it is put, on any system."""
    parts = PurePosixPath(path).parts
    odd = not parts or path.startswith("/") or "\\" in path or ":" in path or "\0" in path
    return not odd and ".." not in parts


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise BadArchive("damaged")
    return content
