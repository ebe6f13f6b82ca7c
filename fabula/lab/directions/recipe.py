"""What a run is to do, as a file that can be run again. Knows how it is written down, not what it makes.

YAML or JSON; unknown words are an error. The hash is of what was decided, so two files that mean the same
have the same one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

Project = Literal["no", "once", "twice"]
"""`once`: what lies along the negative mean is taken out where the direction is learned; `twice`: and again
at each layer where it is put to use (biprojected)."""
MOST_THREADS = 1024
MOST_BACK = 256  # tokens from the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a direction is learned. `positive` alone names a set that ships; `layers` None = by what is
    found."""

    model: str
    positive: str
    negative: str = ""
    column: str = ""
    name: str = ""
    position: str = "last"  # "last", "mean", or -k: the k-th token from the end
    template: bool = True
    limit: int = 0  # prompts of each side; 0 = all
    project: Project = "no"
    winsor: float = 1.0
    force: bool = False
    threads: int = 0  # 0 = as Fabula chooses

    def __post_init__(self) -> None:
        if self.project not in get_args(Project):
            raise BadParameter(
                "project", f"{self.project}", phrase("expected.one_of", names="no, once, twice")
            )
        if not 0.5 <= self.winsor <= 1:
            raise BadParameter("winsor", f"{self.winsor}", phrase("expected.range", low="0.5", high="1"))
        if self.limit < 0:
            raise BadParameter("limit", f"{self.limit}", phrase("expected.whole_range", low=0, high=4096))
        require_threads(self.threads)
        if self.position not in ("last", "mean") and not _is_place(self.position):
            raise BadParameter("position", self.position[:40], phrase("expected.position"))

    @property
    def called(self) -> str:
        """Its own name, or that of the shipped set."""
        return self.name or self.positive.rsplit("/", 1)[-1].split(".")[0]

    def arguments(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def decided(self) -> dict[str, Any]:
        """What the result depends on."""
        return {name: value for name, value in self.arguments().items() if name != "threads"}

    @property
    def hash(self) -> str:
        return digest(self.decided)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Raises BadParameter for an unknown word, or a value of another kind."""
        return cls(**typed(cls, told))


def require_threads(threads: int) -> None:
    """Raises BadParameter for so many that starting them would end the process."""
    if not 0 <= threads <= MOST_THREADS:
        raise BadParameter("threads", f"{threads}", phrase("expected.whole_range", low=0, high=MOST_THREADS))


def _is_place(text: str) -> bool:
    return text.startswith("-") and text[1:].isdecimal() and 1 <= int(text[1:]) <= MOST_BACK


def digest(told: Mapping[str, Any]) -> str:
    """SHA-256 of what was decided."""
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def typed(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass from a file. Raises BadParameter."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in told.items():
        if name not in fields:
            raise BadParameter(name, f"{value}"[:80], phrase("expected.one_of", names=", ".join(fields)))
        usual = fields[name].default
        wanted = type(usual) if usual is not dataclasses.MISSING and usual is not None else None
        wrong = wanted is not None and not isinstance(value, (int, float) if wanted is float else wanted)
        if wrong or (wanted is not bool and isinstance(value, bool)):
            raise BadParameter(
                name, f"{value}"[:80], phrase("expected.kind", kind=f"{getattr(wanted, '__name__', 'str')}")
            )
    missing = [name for name, one in fields.items() if name not in told and _is_needed(one)]
    if missing:
        raise BadParameter(missing[0], "–", phrase("expected.value"))
    return dict(told)


def _is_needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def load(file: Path) -> dict[str, Any]:
    """What a recipe file says. Raises BadParameter."""
    import yaml

    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadParameter("recipe", str(file), phrase("expected.recipe", detail=f"{error}"[:200])) from error
    if not isinstance(told, dict):
        raise BadParameter("recipe", str(file), phrase("expected.recipe", detail="–"))
    return {f"{name}": value for name, value in told.items() if name not in ("kind", "hash", "made_by")}


def load_use(file: Path) -> tuple[str, dict[str, Any]]:
    """The direction that a recipe puts to use, and the rest of it. Raises BadParameter."""
    told = load(file)
    direction = told.pop("direction", "")
    if not (isinstance(direction, str) and direction):
        raise BadParameter("direction", f"{direction or '–'}"[:80], phrase("expected.value"))
    return direction, told


def dump(file: Path, kind: str, told: Mapping[str, Any]) -> None:
    """With its hash. Raises StoreUnwritable."""
    import yaml

    from fabula import __version__
    from fabula.store.files import write_atomic

    whole = {"kind": kind, "hash": digest(told), "made_by": f"Fabula {__version__}", **told}
    write_atomic(file, yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).encode(), 0o644)
