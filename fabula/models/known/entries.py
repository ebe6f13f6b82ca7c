"""Read the list of well-known models (`models.json`), and a person's own. Knows no machine.

A statement without its source is refused: each entry names, field by field, the page that says so, or
"fabula" for what this project's makers say of their own knowledge, or "you" in a person's own list.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from fabula.models.known import skeletons

VERSION = 2
Stage = Literal["base", "instruct", "fine-tune", "merge", "distil", "ablated", "adapter"]
Alignment = Literal["external filter", "internal", "removed by data", "removed by ablation", "never had"]
Task = Literal["chat", "roleplay", "story", "code"]
CLAIMED = (
    *("family", "stage", "alignment", "creator", "licence", "base", "template", "samplers", "tasks"),
    *("languages", "context", "effective_context", "character", "weaknesses", "obstacle"),
)
"""Statements that need a source."""
CHARACTER = (
    *("assistant", "follows", "prose", "roleplay", "adventure", "blend", "compliant", "thinks"),
    *("thinks_switch", "chinese", "languages", "code", "continues", "recurrent", "sees"),
)
WEAKNESSES = (
    *("ablated", "base_only", "cool", "english", "forgets", "heavy_cache", "large", "licence_nc"),
    *("long_thoughts", "needs_system", "needs_terms", "no_file", "no_system", "old", "purple", "refuses"),
    *("repeats", "short_context", "small", "very_short_context"),
)
OBSTACLES = ("lora_only", "lora_pickle", "not_seen", "old_ggml", "old_rwkv", "own_code")
"""Why no engine here loads it; the sentence also says the way out."""
FABULA, YOU = "fabula", "you"
"""Who says so where no page does."""
_WORDS: dict[str, tuple[str, ...]] = {
    "stage": get_args(Stage),
    "alignment": get_args(Alignment),
    "tasks": get_args(Task),
    "character": CHARACTER,
    "weaknesses": WEAKNESSES,
    "obstacle": OBSTACLES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`size_gb` is 10^9 bytes, as the hub rounds it, `size` bytes; 0 and "" = not seen.

    `page` is where hash and size were seen, "" = where the repository was.
    """

    file: str
    size_gb: float = 0.0
    size: int = 0
    quantization: str = ""
    sha256: str = ""
    page: str = ""

    @property
    def bytes(self) -> int:
        """0 = not seen."""
        return self.size or round(self.size_gb * 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A repository and those of its files that were seen. `hub` is "hf", or "ms" for ModelScope."""

    repository: str
    page: str = ""
    files: tuple[File, ...] = ()
    format: str = ""  # "gguf", "safetensors", "ggml"; "" = no file was seen
    hub: str = "hf"

    @property
    def address(self) -> str:
        """As `fabula pull` takes it."""
        return f"{self.hub}:{self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A well-known model. "", 0 and () are what nobody was seen to tell.

    `kind` names a skeleton: what its layers take is then known by type. `context` is what its makers
    advertise, `effective_context` what a measurement found that it really uses, in tokens.
    """

    name: str
    parameters: int
    aliases: tuple[str, ...] = ()  # what people call it where several have the word in their name
    sources: tuple[Origin, ...] = ()
    kind: str = ""
    family: str = ""
    context: int = 0
    effective_context: int = 0
    stage: str = ""
    alignment: str = ""
    creator: str = ""
    licence: str = ""
    base: str = ""
    template: str = ""
    samplers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    character: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    obstacle: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)  # field → the page that says so
    own: bool = False  # of the person's own list

    @property
    def quantized(self) -> tuple[Origin, ...]:
        """Where it can be fetched for the engine here."""
        return tuple(origin for origin in self.sources if origin.format == "gguf")


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All that is shipped."""
    return read(json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8")))


def read(data: Mapping[str, Any], *, own: bool = False) -> tuple[Entry, ...]:
    """Raises ValueError for another version, an unknown word or kind, or a statement without a source."""
    if data.get("version") != VERSION:
        raise ValueError(f"version {data.get('version')!r}, expected {VERSION}")
    pages = data.get("pages", {})
    if not isinstance(data.get("models"), list) or not isinstance(pages, Mapping):
        raise ValueError("models: a list is missing")
    return tuple(_entry(row, pages, own) for row in data["models"])


def find(known: Iterable[Entry], name: str) -> Entry | None:
    """By its name or an alias in any spelling, or by what one name alone contains."""
    wanted = plain(name)
    rows = list(known)
    same = [entry for entry in rows if wanted in map(plain, (entry.name, *entry.aliases))]
    inside = [entry for entry in rows if wanted and wanted in plain(entry.name)]
    return same[0] if same else inside[0] if len(inside) == 1 else None


def plain(name: str) -> str:
    """Its letters, digits and points alone: Qwen2.5 7B and Qwen2 57B are two."""
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == ".")


# ── one entry ───────────────────────────────────────────────────────────────────────────────────────


def _entry(row: Mapping[str, Any], pages: Mapping[str, str], own: bool) -> Entry:
    name = str(row.get("name", "")).strip() if isinstance(row, Mapping) else ""
    if not name:
        raise ValueError("an entry without a name")
    try:
        return _checked(_made(row, pages, own))
    except (TypeError, AttributeError, KeyError) as wrong:
        raise ValueError(f"{name}: {wrong}") from wrong


def _made(row: Mapping[str, Any], pages: Mapping[str, str], own: bool) -> Entry:
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
    said = dict(values.get("claims", {}))
    if own:
        said = dict.fromkeys((key for key in CLAIMED if values.get(key)), YOU) | said
    kind = values.get("kind", "")
    if kind and kind not in skeletons.kinds():
        raise ValueError(f"{row['name']}: no kind is called {kind!r}")
    values["parameters"] = int(values.get("parameters") or (skeletons.kind(kind).parameters if kind else 0))
    values["sources"] = tuple(_origin(source, pages) for source in row.get("sources", ()))
    values["claims"] = {key: pages.get(page, page) for key, page in said.items()}
    return Entry(**values | {"own": own})


def _checked(entry: Entry) -> Entry:
    if entry.parameters <= 0:
        raise ValueError(f"{entry.name}: no parameters")
    unsaid = [name for name in CLAIMED if getattr(entry, name) and name not in entry.claims]
    if unsaid:
        raise ValueError(f"{entry.name}: no source for {', '.join(unsaid)}")
    for name, known in _WORDS.items():
        value = getattr(entry, name)
        for word in value if isinstance(value, tuple) else (value,):
            if word and word not in known:
                raise ValueError(f"{entry.name}: {word!r} is none of {', '.join(known)}")
    return entry


def _origin(row: Mapping[str, Any], pages: Mapping[str, str]) -> Origin:
    files = tuple(
        File(**{**file, "page": pages.get(file.get("page", ""), file.get("page", ""))})
        for file in row.get("files", ())
    )
    page = str(row.get("page", ""))
    return Origin(
        repository=row["repository"],
        page=pages.get(page, page),
        files=files,
        format=row.get("format", ""),
        hub=row.get("hub", "hf"),
    )
