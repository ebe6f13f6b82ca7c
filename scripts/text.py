"""Set a sentence in all three languages at once: python scripts/text.py KEY ENGLISH 繁體 简体

Keeps the message files sorted and in step, and takes a lock, so that several people may add texts at a time.
With --remove KEY the sentence goes from all three.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

FOLDER = Path(__file__).parent.parent / "fabula" / "core" / "texts"
LANGUAGES = ("en", "zh-Hant", "zh-Hans")


def put(tree: dict[str, Any], key: str, sentence: str | None) -> None:
    *rooms, name = key.split(".")
    for room in rooms:
        tree = tree.setdefault(room, {})
    if sentence is None:
        tree.pop(name)
    else:
        tree[name] = sentence


def set_text(key: str, sentences: tuple[str | None, ...]) -> None:
    with FileLock(FOLDER.parent.parent.parent / ".texts.lock"):
        for language, sentence in zip(LANGUAGES, sentences, strict=True):
            file = FOLDER / f"{language}.json"
            tree = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            put(tree, key, sentence)
            write_whole(file, json.dumps(tree, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Whoever reads it meanwhile (a running studio) sees the old file or the new one, never half of it."""
    beside = file.with_name(f".{file.name}.new")  # one writer at a time: the lock is held
    with beside.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, file)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--remove", key]:
            set_text(key, (None, None, None))
        case [key, english, traditional, simplified]:
            set_text(key, (english, traditional, simplified))
        case ["--batch"]:  # lines of JSON on stdin: [key, english, 繁體, 简体]
            for line in sys.stdin:
                if line.strip():
                    row = json.loads(line)
                    set_text(row[0], tuple(row[1:]))
        case _:
            sys.exit(__doc__)
