"""Activations of a folder as Hugging Face keeps models, one layer of weights in memory at a time.

The model's own classes compute, made without weights. Its `forward` runs once per batch with layers that only
note what they are called with (masks, positions); then each layer is filled, reads all batches, and is
emptied. So every weight is read once, and memory is a layer (two while experts are stacked), a batch's
intermediate values, and the residual stream, which lies on the disk beyond `IN_MEMORY`.

Batches are filled up at their right end: tokens look back only, so what is behind the end changes nothing,
and no mask is needed for it. The one place in this room where torch and transformers are touched.
`trust_remote_code` is never passed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import BadParameter, CannotStream, ExtraMissing, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.transformers_child.library import CannotLoad
from fabula.engine.transformers_child.library import tokenizer as load_tokenizer
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.ahead import Ahead, Layer
from fabula.lab.directions.saying import where
from fabula.lab.directions.space import disk_full, reserve
from fabula.lab.directions.tensors import Place, Tensors, require_numbers
from fabula.store.job_child import Report

BATCH = 512  # tokens that are computed with at a time
EVEN = 0.9  # of a batch's length: shorter prompts wait for the next one, where enough are there without them
IN_MEMORY = 512 << 20  # bytes of the residual stream; beyond, it lies in two files
LONGEST = 4096  # tokens of a prompt
NOTE_S = 20.0  # between two savings of the residual stream
READING = "lab.directions.streaming"
STREAM = "stream"
ONE_BY_ONE = "HF_DEACTIVATE_ASYNC_LOAD"

Ids = list[int]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of about one length. `start` is its first row in the residual stream, where it has
    `len(prompts) · length` of them."""

    prompts: tuple[int, ...]
    lengths: tuple[int, ...]
    length: int
    start: int

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + len(self.prompts) * self.length)


def batches(lengths: Sequence[int], most: int = BATCH) -> list[Batch]:
    """The longest first, so that what does not fit into memory fails at once."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    found: list[Batch] = []
    start = 0
    while order:
        length = lengths[order[0]]
        count = max(1, most // length)
        even = [number for number in order[:count] if lengths[number] >= EVEN * length]
        count = len(even) if 2 * len(even) * length > most else count
        taken, order = order[:count], order[count:]
        found.append(Batch(tuple(taken), tuple(lengths[number] for number in taken), length, start))
        start += len(taken) * length
    return found


def tokens(model: LocalModel, texts: Sequence[str], position: str) -> list[Ids]:
    """Raises CannotStream, or BadParameter for a prompt that is too short or too long."""
    try:
        read = load_tokenizer(model.path)
    except CannotLoad as why:
        raise CannotStream(model.name, f"{why}") from why
    found = [[int(id) for id in read(text, add_special_tokens=True)["input_ids"]] for text in texts]
    _, back = where(position)
    shortest, longest = min(map(len, found)), max(map(len, found))
    if shortest < max(back, 1):
        raise BadParameter("position", position, phrase("lab.directions.short", tokens=shortest))
    if longest > LONGEST:
        raise BadParameter(
            "prompts", f"{longest}", phrase("lab.directions.long", tokens=longest, most=LONGEST)
        )
    return found


def gather(
    model: LocalModel, texts: Sequence[str], position: str, into: Activations, threads: int, report: Report
) -> None:
    """Raises CannotStream, WeightsUnusable, ExtraMissing, BadParameter, NoDiskSpace."""
    report.progress(0, 0, "tokens", "lab.quantize.loading")
    with contextlib.closing(Skeleton(model, threads)) as skeleton:
        ids = tokens(model, texts, position)
        work = batches([len(each) for each in ids])
        calls, start = skeleton.begin(ids, work)
        stream = _Stream.begin(into, start)
        _through(skeleton, calls, work, stream, position, report)
    stream.remove()


def _through(
    skeleton: Skeleton, calls: Any, work: Sequence[Batch], stream: _Stream, position: str, report: Report
) -> None:
    into, whole = stream.into, sum(len(batch.prompts) * batch.length for batch in work)
    noted = time.monotonic()
    for layer in range(into.done, into.shape[0]):
        kept = np.empty(into.shape[1:], np.float32)
        with skeleton.filled(layer) as compute:
            for batch in work:
                report.check()
                report.progress(layer * whole + batch.start, into.shape[0] * whole, "tokens", READING)
                hidden = stream.read(batch, into.shape[2])
                made = compute(hidden, calls[layer][batch.start])
                stream.write(batch, made)
                kept[list(batch.prompts)] = picked(made, batch, position)
        into.put(slice(layer, layer + 1), slice(None), kept[None], skeleton.name)
        stream.turn()
        if stream.is_on_disk or time.monotonic() - noted > NOTE_S or layer + 1 == into.shape[0]:
            stream.save(layer + 1)
            noted = time.monotonic()


def picked(rows: Rows, batch: Batch, position: str) -> Rows:
    """Of [prompts, length, width] the wanted place of each prompt: [prompts, width]."""
    kind, back = where(position)
    lengths = np.asarray(batch.lengths)
    if kind == "mean":
        inside = np.arange(batch.length)[None, :, None] < lengths[:, None, None]
        summed = np.where(inside, rows, 0).sum(axis=1, dtype=np.float64)
        return np.asarray(summed / lengths[:, None], np.float32)
    return np.asarray(rows[np.arange(len(lengths)), lengths - back])


# ── the residual stream ─────────────────────────────────────────────────────────────────────────────


class _Stream:
    """[rows, width] of all batches, in memory or in two files of which each layer reads one and writes the
    other. What was saved behind a layer can be gone on with."""

    def __init__(self, into: Activations, shape: tuple[int, int]) -> None:
        self.into, self.shape = into, shape
        self.is_on_disk = 4 * shape[0] * shape[1] > IN_MEMORY
        self._now: Rows
        self._next: Rows

    @classmethod
    def begin(cls, into: Activations, start: Callable[[], Rows]) -> _Stream:
        """What was saved, or the embeddings that `start` makes."""
        first = start()
        made = cls(into, (first.shape[0], first.shape[1]))
        if into.done and not made._file(into.done).is_file():
            into.note(0)
        if made.is_on_disk:
            made._now, made._next = made._mapped(into.done), made._mapped(into.done + 1)
            if not into.done:
                made._now[:] = first
        elif into.done:
            made._now = np.fromfile(made._file(into.done), np.float32).reshape(made.shape)
        else:
            made._now = first
        return made

    def read(self, batch: Batch, width: int) -> Rows:
        return np.array(self._now[batch.rows]).reshape(len(batch.prompts), batch.length, width)

    def write(self, batch: Batch, made: Rows) -> None:
        target = self._next if self.is_on_disk else self._now
        target[batch.rows] = made.reshape(-1, self.shape[1])

    def turn(self) -> None:
        if self.is_on_disk:
            self._now, self._next = self._next, self._now

    def save(self, done: int) -> None:
        """Everything up to layer `done` can be gone on with."""
        file = self._file(done)
        with disk_full(file.parent, 4 * self.shape[0] * self.shape[1]):
            if self.is_on_disk:
                self._now.flush()  # type: ignore[attr-defined]
            else:
                draft = file.with_name(f"{file.name}.new")
                self._now.tofile(draft)
                draft.replace(file)
        self.into.note(done)

    def remove(self) -> None:
        for turn in (0, 1):
            self._file(turn).unlink(missing_ok=True)

    def _file(self, done: int) -> Path:
        return self.into.folder / f"{STREAM}-{done % 2}.f32"

    def _mapped(self, done: int) -> Rows:
        file, size = self._file(done), 4 * self.shape[0] * self.shape[1]
        if not file.is_file() or file.stat().st_size != size:
            reserve(file, size)
        return np.memmap(file, np.float32, "r+", shape=self.shape)


# ── the model ───────────────────────────────────────────────────────────────────────────────────────


class Skeleton:
    """A model without weights, whose layers are filled one at a time."""

    def __init__(self, model: LocalModel, threads: int) -> None:
        self.name, self._folder = model.name, model.path
        if model.packed:
            raise CannotStream(model.name, phrase("lab.convert.packed", method=model.quantization))
        self.tensors = Tensors(model.path, model.name)
        self._torch, transformers = _libraries(model.name)
        self._torch.set_num_threads(threads or max(1, (os.cpu_count() or 2) // 2))
        try:
            self._model = _without_weights(transformers, model.path)
        except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as why:
            raise CannotStream(model.name, f"{why}".splitlines()[0][:300]) from why
        self._decoder = self._model.get_decoder()
        self.layers = self._decoder.layers
        self._plan = _Names(self._model, self._decoder, self.tensors)
        self._ahead = Ahead(self.tensors, self._plan.plain)
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"

    @property
    def width(self) -> int:
        return int(self._model.config.get_text_config().hidden_size)

    def close(self) -> None:
        self._ahead.close()
        self.tensors.close()

    # ── before the first layer ──────────────────────────────────────────────────────────────────────

    def begin(
        self, ids: Sequence[Ids], work: Sequence[Batch]
    ) -> tuple[list[dict[int, Any]], Callable[[], Rows]]:
        """By layer and batch start what else the layer is called with, and what makes the embeddings."""
        torch = self._torch
        known = sorted({id for each in ids for id in each})
        places = {id: place for place, id in enumerate(known)}
        self._embed(known)
        calls: list[dict[int, Any]] = [{} for _ in self.layers]
        firsts: list[Rows] = []
        with torch.inference_mode(), self._noting(calls) as current:
            for batch in work:
                current[0] = batch.start
                filled = [
                    ids[number] + [ids[number][-1]] * (batch.length - len(ids[number]))
                    for number in batch.prompts
                ]
                asked = torch.tensor([[places[id] for id in row] for row in filled], device=self._device)
                self._decoder(input_ids=asked, use_cache=False)
                firsts.append(np.asarray(current[1].float().cpu().numpy()).reshape(-1, self.width))
        return calls, lambda: np.concatenate(firsts)

    def _embed(self, known: Sequence[int]) -> None:
        """Only the rows of the tokens that are read; they are numbered anew."""
        torch, module = self._torch, self._decoder.get_input_embeddings()
        source = self._plan.embedding
        if source is None:
            raise WeightsUnusable(self.name, phrase("lab.convert.missing", tensor="embed_tokens.weight"))
        rows = np.concatenate([self.tensors.floats(source, id, 1) for id in known])
        module.weight = torch.nn.Parameter(torch.from_numpy(rows).to(self._device), requires_grad=False)
        module.num_embeddings, module.padding_idx = len(known), None
        outside = [name for name, value in self._decoder.named_parameters() if value.is_meta]
        strange = [
            name for name in outside if not name.startswith("layers.") and name not in ("norm.weight",)
        ]
        if strange:
            raise CannotStream(self.name, phrase("lab.directions.beside_layers", tensor=strange[0]))

    @contextlib.contextmanager
    def _noting(self, calls: list[dict[int, Any]]) -> Iterator[list[Any]]:
        """Layers that answer what they are given, and note the rest. [batch start, first hidden states]"""
        current: list[Any] = [0, None]

        def noting(number: int) -> Callable[..., Any]:
            def forward(hidden: Any = None, *rest: Any, **more: Any) -> Any:
                hidden = more.pop("hidden_states", hidden)
                if number == 0:
                    current[1] = hidden
                calls[number][current[0]] = (rest, more)
                return hidden

            return forward

        norm = getattr(self._decoder, "norm", None)
        for number, layer in enumerate(self.layers):
            layer.forward = noting(number)
        if norm is not None:
            norm.forward = lambda hidden, *rest, **more: hidden
        try:
            yield current
        finally:
            for module in (*self.layers, *([norm] if norm is not None else [])):
                del module.forward

    # ── a layer ─────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def filled(self, number: int) -> Iterator[Callable[[Rows, Any], Rows]]:
        """The layer with its weights: (hidden, what it is called with) → what it gives."""
        torch, layer = self._torch, self.layers[number]
        weights = self._ahead.take(number)
        self.tensors.ahead(self._plan.stacked(number + 1))
        self._plan.put(weights)
        self._plan.stack(number)
        self._require_whole(number, layer)
        layer.to(self._device)

        def compute(hidden: Rows, call: Any) -> Rows:
            rest, more = call
            with torch.inference_mode():
                made = layer(torch.from_numpy(hidden).to(self._device), *rest, **more)
            made = made[0] if isinstance(made, tuple) else made
            return np.asarray(made.float().cpu().numpy(), np.float32)

        try:
            yield compute
        finally:
            _empty(torch, layer)
            if self._plan.stacked(number):
                _give_back()

    def _require_whole(self, number: int, layer: Any) -> None:
        for name, value in layer.named_parameters():
            if value.is_meta:
                missing = phrase("lab.convert.missing", tensor=f"layers.{number}.{name}")
                raise WeightsUnusable(self.name, missing)
            if not self._torch.isfinite(value.sum()):
                tensor = f"layers.{number}.{name}"
                raise WeightsUnusable(self.name, phrase("lab.quantize.not_finite", tensor=tensor))


def _filled(row: Ids, length: int) -> Ids:
    return row + row[-1:] * (length - len(row))


class _Lazy:
    """A tensor of the folder that is read when transformers asks for it."""

    def __init__(self, torch: Any, tensors: Tensors, name: str) -> None:
        self._torch, self._tensors, self._name = torch, tensors, name
        self.shape = tensors[name].stored.shape

    def __getitem__(self, _: Any) -> Any:
        place: Place = self._tensors[self._name]
        require_numbers(place.stored, self._tensors.name)
        kind = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[place.stored.type]
        data = self._torch.from_numpy(self._tensors.raw(self._name))
        return data.view(getattr(self._torch, kind)).reshape(place.stored.shape)


class _Names:
    """Which tensors of the folder fill which layer, by transformers' own rules for renaming and stacking."""

    def __init__(self, model: Any, decoder: Any, tensors: Tensors) -> None:
        import torch
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

        self._torch, self._model, self._tensors = torch, model, tensors
        self._rules = get_model_conversion_mapping(model)
        renames = [rule for rule in self._rules if isinstance(rule, WeightRenaming)]
        stacks = [rule for rule in self._rules if isinstance(rule, WeightConverter)]
        known = model.state_dict()
        embedding = decoder.get_input_embeddings().weight
        inside = next(name for name, module in model.named_modules() if module is decoder)
        prefix = f"{inside}." if inside else ""
        self._plain: dict[int, dict[str, str]] = {}
        self._stacked: dict[int, list[str]] = {}
        self.embedding: str | None = None
        for name in tensors:
            target, rule = rename_source_key(name, renames, stacks, model.base_model_prefix, known)
            target = target if target in known else name
            if target.startswith(f"{prefix}layers."):
                number = int(target.removeprefix(f"{prefix}layers.").split(".", 1)[0])
                if rule is None and self._is_parameter(target, tensors[name].stored.shape):
                    self._plain.setdefault(number, {})[name] = target
                else:
                    self._stacked.setdefault(number, []).append(name)
            elif known.get(target) is not None and model.get_parameter(target) is embedding:
                self.embedding = name

    def _is_parameter(self, target: str, shape: tuple[int, ...]) -> bool:
        """Whether it is filled as it is stored."""
        try:
            return tuple(self._model.get_parameter(target).shape) == shape
        except AttributeError:
            return False

    def plain(self, number: int) -> Mapping[str, str]:
        """What is filled as it is stored: source → parameter."""
        return self._plain.get(number, {})

    def stacked(self, number: int) -> list[str]:
        """What is joined or split first."""
        return self._stacked.get(number, [])

    def put(self, weights: Layer) -> None:
        for target, values in weights.items():
            place, _, name = target.rpartition(".")
            made = self._torch.nn.Parameter(self._torch.from_numpy(values), requires_grad=False)
            setattr(self._model.get_submodule(place), name, made)

    def stack(self, number: int) -> None:
        from transformers.core_model_loading import convert_and_load_state_dict_in_model
        from transformers.modeling_utils import LoadStateDictConfig

        lazily = {name: _Lazy(self._torch, self._tensors, name) for name in self.stacked(number)}
        if lazily:
            told = LoadStateDictConfig(dtype=self._torch.float32, weight_mapping=self._rules)
            with _in_this_thread():
                convert_and_load_state_dict_in_model(self._model, lazily, told)


@contextlib.contextmanager
def _in_this_thread() -> Iterator[None]:
    """Threads of transformers' own would keep what they have freed, each for itself: layer by layer more."""
    before = os.environ.get(ONE_BY_ONE)
    os.environ[ONE_BY_ONE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[ONE_BY_ONE]
        else:
            os.environ[ONE_BY_ONE] = before


def _give_back() -> None:
    """What was freed goes to the system, where its library can be told so (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def _libraries(name: str) -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as missing:
        raise ExtraMissing(name, "lab", f"{missing.name}") from missing
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers


def _without_weights(transformers: Any, folder: Path) -> Any:
    """Buffers are computed, parameters have a shape only."""
    import torch
    from accelerate import init_empty_weights

    config = transformers.AutoConfig.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    with init_empty_weights(include_buffers=False):
        made = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return made.eval()


def _empty(torch: Any, layer: Any) -> None:
    for module in layer.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            empty = torch.empty_like(value, device="meta")
            setattr(module, name, torch.nn.Parameter(empty, requires_grad=False))
