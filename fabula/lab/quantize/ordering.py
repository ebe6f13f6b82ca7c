"""What is asked of the quantizer, and whether it can be done: from headers only. Knows no weights.

An order is a wish about which everything is known but the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, ModelExists, NeedsImportance, QuantizedAlready
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.product import short
from fabula.lab.quantize.importance import Importance, read_importance
from fabula.lab.quantize.mixes import MIXES, Mix, mix_named, name_for
from fabula.lab.quantize.rules import Choice
from fabula.lab.quantize.source import Source, lossy_type, read_source, require_possible
from fabula.lab.quantize.target import Target, sizes, target
from fabula.lab.quantize.texts import FEWEST, FEWEST_MEASURED, read_text
from fabula.models.sources.landing import plain_name

SMALLEST_PART = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The arguments of the job. "" or 0 = as Fabula chooses; files are those of this machine.

    `importance_from` is a text from which the importance matrix is computed first, `text` the one over which
    the new model is measured (otherwise Fabula's own), `probes` asks both models Fabula's probes as well, and
    `part_size` in bytes makes several files of it.
    """

    model: str
    type: str
    name: str = ""
    threads: int = 0
    force: bool = False
    importance: str = ""
    importance_from: str = ""
    measure: bool = True
    text: str = ""
    part_size: int = 0
    probes: bool = True

    def arguments(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Order:
    """A wish that can be fulfilled: everything about it is known but the weights."""

    model: LocalModel
    mix: Mix
    source: Source
    choices: tuple[Choice, ...]
    importance: Importance | None
    file: Path
    was: str  # the type of a source that had lost much already, "" when it had not
    part_size: int = 0

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def folder(self) -> Path:
        """Where a model in several files goes."""
        return self.file.with_suffix("")

    @property
    def taken(self) -> bool:
        """Whether there is a model of that name."""
        return self.file.exists() or self.folder.exists()

    def target(self) -> Target:
        return target(self.source, self.choices, self.mix, self.importance, self.name, self.part_size)

    def place(self, made: Target) -> Path:
        return self.folder if len(made.parts) > 1 else self.file


def order(model: LocalModel, wishes: Wishes, models: Path, *, anew: bool = True) -> Order:
    """Reads headers only. Raises BadParameter, CannotQuantize, QuantizedAlready, NeedsImportance,
    ImportanceUnusable, ModelExists (not with `anew` off: then this job has made it), DirectUnavailable."""
    require_possible(model)
    mix, source = mix_named(wishes.type), read_source(model)
    importance = read_importance(Path(wishes.importance)) if wishes.importance else None
    choices = source.choose(mix, informed=importance is not None or bool(wishes.importance_from))
    if importance:
        for choice in choices:
            importance.require_fit(choice.tensor)
    if not wishes.importance_from:
        require_importance(mix, choices, importance)
    require_texts(wishes)
    was = lossy_type(choices)
    if was and not wishes.force:
        raise QuantizedAlready(model.name, was)
    asked = Order(
        model, mix, source, tuple(choices), importance, place(model, wishes, models), was, wishes.part_size
    )
    if anew and asked.taken:
        raise ModelExists(asked.name)
    return asked


def place(model: LocalModel, wishes: Wishes, models: Path) -> Path:
    name = plain_name((wishes.name or name_for(model.name, mix_named(wishes.type))).removesuffix(".gguf"))
    return models / f"{short(name)}.gguf"


def require_texts(wishes: Wishes) -> None:
    """Raises BadParameter for what contradicts itself, cannot be read or is too small to be meant."""
    if wishes.importance and wishes.importance_from:
        raise BadParameter("imatrix_from", wishes.importance_from, phrase("expected.one_imatrix"))
    if wishes.text and not wishes.measure:
        raise BadParameter("text", wishes.text[:80], phrase("expected.unheard", beside="measure=False"))
    for text, fewest in ((wishes.importance_from, FEWEST), (wishes.text, FEWEST_MEASURED)):
        if text:
            read_text(text, fewest)
    if wishes.part_size and wishes.part_size < SMALLEST_PART:
        raise BadParameter("split", f"{wishes.part_size}", phrase("expected.part_size", least=SMALLEST_PART))


def require_importance(mix: Mix, choices: Sequence[Choice], importance: Importance | None) -> None:
    """Raises NeedsImportance where a tensor of few bits has nothing that says what counts."""
    known = importance.entries if importance else ()
    for choice in choices:
        if choice.changes and choice.needs_importance and choice.tensor.name not in known:
            raise NeedsImportance(mix.name, choice.tensor.name)


def offers(model: LocalModel) -> list[dict[str, Any]]:
    """Every type with the size that the model would have, largest first. Raises as `order`."""
    require_possible(model)
    source = read_source(model)
    rows = [_offer(source, mix) for mix in MIXES.values()]
    return sorted(rows, key=lambda row: (-row["size"], row["type"]))


def _offer(source: Source, mix: Mix) -> dict[str, Any]:
    needs = any(choice.needs_importance for choice in source.choose(mix, informed=False))
    choices = source.choose(mix, informed=needs)
    size, bits = sizes(source, choices)
    return {
        "type": mix.name,
        "size": size,
        "bits": round(bits, 3),
        "needs_importance": needs,
        "narrow": sum(choice.narrow for choice in choices),
        "from_quantized": lossy_type(choices),
    }
