"""The working memory of one batch. Knows layers and widths, no machine and no verdict.

    memory = masks + inputs + 4 bytes × batch × (k × embedding + the widest place of a layer)

The engine's allocator reuses what is no longer needed, so the widest place decides: the feed-forward of a
layer, its experts, attention without flash attention, a state-space layer, or the probabilities at the end.
How many embeddings (k) live beside it is a constant of the engine's build.
"""

from __future__ import annotations

from fabula.models.fit.anatomy import F32, Anatomy
from fabula.models.fit.cache import Load, cells, window_cells
from fabula.models.fit.constants import Constants

I64 = 8  # bytes


def on_device(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes on a device that holds all layers."""
    return _whole(model, load, known, known.on_device)


def on_processor(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes where no device takes part."""
    return _whole(model, load, known, known.on_processor)


def beside_device(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes in the machine's memory while devices do the work."""
    width = F32 * load.batch * known.beside_device * model.widths.embedding
    return sum(masks(model, load)) + inputs(model, load, known) + width


def streaming(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes on a device beside the cache of a layer that lies in the machine's memory."""
    width = F32 * load.batch * known.streaming * model.widths.embedding
    return sum(masks(model, load)) + inputs(model, load, known) + width


def fed(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes on a device that gets the weights of some layers batch by batch, beside those weights."""
    ungated = 0 if model.widths.gated else 2 * model.widths.feed_forward
    return _whole(model, load, known, known.on_device, least=ungated)


def _whole(model: Anatomy, load: Load, known: Constants, embeddings: int, least: int = 0) -> int:
    given = sum(masks(model, load)) + inputs(model, load, known) + states(model, load)
    width = embeddings * model.widths.embedding + max(widest(model, load), least)
    return given + F32 * load.batch * width


def masks(model: Anatomy, load: Load) -> list[int]:
    """Bytes of who may see whom, one for each kind of layer."""
    size = 2 if load.flash else F32
    kinds = [window_cells(window, load) for window in model.windows]
    if model.attends:
        kinds.append(cells(load))
    return [size * load.batch * count for count in kinds]


def inputs(model: Anatomy, load: Load, known: Constants) -> int:
    """Bytes of what describes a batch: tokens, positions, where their keys and values go, and rotations."""
    caches = len(masks(model, load))
    places = 0 if load.flash else I64 * load.batch * max(model.value_width - 1, 0)
    each = known.cache_input_bytes * load.batch + places + _rotations(model, load, known)
    return known.input_bytes * load.batch + caches * each


def _rotations(model: Anatomy, load: Load, known: Constants) -> int:
    """Quantized keys and values are rotated first, so that no number stands out."""
    widths, least = model.widths, known.rotation
    if widths.latent:
        return 0
    keys = values = 0
    if load.keys.startswith(("q", "iq")) and widths.key_length % least == 0:
        keys = widths.key_length & -widths.key_length  # the largest power of two that divides it
    if load.values.startswith(("q", "iq")) and widths.value_length % least == 0:
        values = least
    return F32 * (keys * keys + values * values)


def states(model: Anatomy, load: Load) -> int:
    """A recurrent layer's state is copied while it is changed."""
    return model.state * max(load.sequences, 1)


def widest(model: Anatomy, load: Load) -> int:
    """Numbers per token at the widest place."""
    places = (_dense(model), _mixed(model), _attention(model, load), _state(model), _outputs(model, load))
    return max(places)


def _dense(model: Anatomy) -> int:
    """Gate, up and their product; without a gate only what goes up."""
    widths = model.widths
    return (3 if widths.gated else 1) * widths.feed_forward


def _mixed(model: Anatomy) -> int:
    """Of a mixture of experts, where each token goes through some of them."""
    widths = model.widths
    if not widths.expert:
        return 0
    used, inner = widths.experts_used, widths.expert
    return max(3 * used * inner, (2 * used + 1) * widths.embedding, 3 * widths.shared_expert)


def _attention(model: Anatomy, load: Load) -> int:
    """Without flash attention every head has a number for every cell."""
    if load.flash or not model.attends:
        return 0
    widths = model.widths
    length = widths.latent or widths.key_length
    heads = widths.heads + 2 * model.key_heads
    return heads * length + widths.heads * (load.context // load.streams)


def _state(model: Anatomy) -> int:
    widths = model.widths
    return max(widths.projected + 2 * widths.conv + widths.inner, widths.mixed)


def _outputs(model: Anatomy, load: Load) -> int:
    """The probabilities take the place of a mask where they fit into it."""
    outputs = min(load.outputs or load.batch, load.batch)
    numbers = model.widths.vocabulary * outputs
    return 0 if F32 * numbers <= max(masks(model, load), default=0) else numbers // load.batch
