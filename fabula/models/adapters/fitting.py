"""Whether an adapter fits a model: its architecture, the names and the shapes of the tensors it changes.

Compares headers only. Knows no engine; the engine would refuse the same, with less to say about it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.adapters.adapter import OUTPUTS, Adapter, Pairs, Shape, paired
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.gguf import BadHeader, read_header
from fabula.models.formats.identify import parts_of

EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
BLOCKS = ("attention", "mlp")  # of a layer
OF_THE_VOCABULARY = (EMBEDDING, OUTPUT)


def shapes_of(model: LocalModel) -> dict[str, Shape]:
    """Every tensor of a model, of all its parts; of a folder, what an adapter of outputs can change. Raises
    BadHeader."""
    if model.format == FOLDER:
        shape = (model.embedding, model.embedding)
        blocks = (f"blk.{layer}.{part}" for layer in range(model.layers) for part in BLOCKS)
        return dict.fromkeys(("embeddings", *blocks), shape)
    headers = (read_header(part) for part in parts_of(model.path))
    return {tensor.name: tensor.shape for header in headers for tensor in header.tensors}


def misfit(adapter: Adapter, model: LocalModel, shapes: Mapping[str, Shape] | None = None) -> Phrase | None:
    """Why the adapter cannot be used with the model; None when it fits.

    `shapes` are `shapes_of(model)`, for callers that ask about many adapters.
    """
    if adapter.problem:
        return adapter.problem
    if model.problem:
        problem = phrase(model.problem, name=model.name, size=model.size, file=model.path.name)
        return phrase("models.adapter.unusable_model", problem=problem)
    if (adapter.kind == OUTPUTS) != (model.format == FOLDER):
        return phrase(f"models.adapter.{'outputs_only' if adapter.kind == OUTPUTS else 'matrices_only'}")
    if adapter.architecture != model.architecture:
        return phrase(
            "models.adapter.architecture", adapter=adapter.architecture or "?", model=model.architecture
        )
    try:
        pairs, _ = paired({tensor.name: tensor.shape for tensor in read_header(adapter.path).tensors})
        return pairs_misfit(pairs, shapes_of(model) if shapes is None else shapes)
    except BadHeader as bad:
        return phrase(f"models.problem.{bad.reason}", name=model.name, file=model.path.name)


def pairs_misfit(pairs: Pairs, shapes: Mapping[str, Shape]) -> Phrase | None:
    """Of the first change that does not fit."""
    for name, (first, second) in pairs.items():
        if name not in shapes:
            key = "tied_output" if name == OUTPUT else "missing_tensor"
            return phrase(f"models.adapter.{key}", tensor=name[:80])
        if problem := _shape_misfit(name, first, second, shapes[name]):
            return problem
    return None


def _shape_misfit(name: str, first: Shape, second: Shape, base: Shape) -> Phrase | None:
    wanted = _changed_shape(name, first, second)
    if wanted == base:
        return None
    if wanted is None:
        return phrase("models.adapter.ranks", tensor=name[:80])
    if name in OF_THE_VOCABULARY and len(wanted) == len(base) == 2 and wanted[0] == base[0]:
        return phrase("models.adapter.vocabulary", adapter=wanted[1], model=base[1])
    return phrase("models.adapter.shape", tensor=name[:80], adapter=_shown(wanted), model=_shown(base))


def _changed_shape(name: str, first: Shape, second: Shape) -> Shape | None:
    """The shape of the tensor that this pair changes; None where the halves do not belong together."""
    if len(first) != len(second) or len(first) < 2 or first[2:] != second[2:]:
        return None
    if name == EMBEDDING:  # rows of the first half are looked up, so it lies the other way round
        return (second[1], first[1]) if first[0] == second[0] else None
    return (first[0], second[1], *first[2:]) if first[1] == second[0] else None


def _shown(shape: Shape) -> str:
    return " × ".join(f"{size}" for size in shape)
