"""The bytes of KV caches and recurrent states, layer by layer: exact. Knows no device and no machine."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.models.fit.anatomy import Anatomy, Layer
from fabula.models.formats.types import KV_BLOCKS

CELL_PADDING = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How the engine is told to load a model. Lengths are tokens."""

    context: int  # of all sequences together
    batch: int = 512  # that go through the layers at a time
    sequences: int = 1
    outputs: int = 1  # tokens of a batch that get probabilities; 0 = all of them
    keys: str = "f16"
    values: str = "f16"
    flash: bool = True
    whole_windows: bool = False  # windows are kept like full attention
    unified: bool = False  # all sequences share one cache
    kv_offload: bool = True
    gpu_layers: int = 0  # the output layer is the first of them
    experts_on_host: int = 0  # the first layers whose experts stay in the machine's memory; −1 = all

    @property
    def streams(self) -> int:
        return 1 if self.unified else max(self.sequences, 1)


def padded(count: int, step: int = CELL_PADDING) -> int:
    return -(-count // step) * step


def cells(load: Load) -> int:
    """Of one stream that sees everything."""
    return padded(load.context // load.streams)


def window_cells(window: int, load: Load) -> int:
    """Of one stream that sees a window: what a batch may still need of it."""
    if load.whole_windows:
        return cells(load)
    reach = window * (load.sequences if load.unified else 1) + load.batch
    return min(cells(load), padded(reach))


def layer_bytes(layer: Layer, load: Load) -> int:
    """Cache and state of one layer."""
    one = window_cells(layer.window, load) if layer.window else cells(load)
    count = one * load.streams
    cache = _bytes(load.keys, layer.keys * count) + _bytes(load.values, layer.values * count)
    return cache + layer.state * max(load.sequences, 1)


def caches(model: Anatomy, load: Load) -> list[int]:
    """Cache and state of every layer."""
    kinds = model.kinds
    each = {kind: layer_bytes(model.layers[kind], load) for kind in set(kinds)}
    return [each[kind] for kind in kinds]


def cache_bytes(model: Anatomy, load: Load) -> int:
    return sum(caches(model, load))


def refusal(model: Anatomy, load: Load) -> str:
    """The text key of why the engine would not make such a cache; "" when it would."""
    if load.values.startswith(("q", "iq")) and not load.flash:
        return "models.fit.refused_values"
    if model.latent and load.keys != load.values:
        return "models.fit.refused_types"
    lengths = ((load.keys, model.widths.key_length), (load.values, model.widths.value_length))
    if model.attends and any(length % KV_BLOCKS[kind][0] for kind, length in lengths):
        return "models.fit.refused_width"
    return ""


def _bytes(kind: str, numbers: int) -> int:
    block, size = KV_BLOCKS[kind]
    return -(-numbers * size // block)
