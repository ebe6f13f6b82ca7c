"""A model of a folder without its weights, whose layers are filled one at a time. Knows no prompts and no
job.

The model's own classes compute, made by transformers without weights. Their `forward` runs once per batch
with layers that only note what they are called with (masks, positions); then each layer is filled, reads all
batches, and is emptied. So every weight is read once. `trust_remote_code` is never passed. This file, `heads`
and `replies` are where this room touches torch and transformers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.errors import CannotStream, ExtraMissing, WeightsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.directions.ahead import Ahead, Layer
from fabula.lab.directions.tensors import Bytes, Place, Tensors, require_numbers

ONE_BY_ONE = "HF_DEACTIVATE_ASYNC_LOAD"

Ids = list[int]
Rows = NDArray[np.float32]
Call = tuple[tuple[Any, ...], dict[str, Any]]
"""What a layer is called with beside the hidden states."""


class Skeleton:
    """A model without weights, whose layers are filled one at a time."""

    def __init__(self, model: LocalModel, threads: int) -> None:
        self.name, self._folder = model.name, model.path
        if model.packed:
            raise CannotStream(model.name, phrase("lab.convert.packed", method=model.quantization))
        self.tensors = Tensors(model.path, model.name)
        self.torch, self._transformers = _libraries(model.name)
        self.torch.set_num_threads(threads or max(1, (os.cpu_count() or 2) // 2))
        try:
            self.model = _without_weights(self._transformers, model.path)
        except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as why:
            raise CannotStream(model.name, f"{why}".splitlines()[0][:300]) from why
        self.decoder = self.model.get_decoder()
        self.layers = self.decoder.layers
        self.names = Names(self.model, self.decoder, self.tensors)
        self._ahead = Ahead(self.tensors, self.names.parts)
        self.device = "cuda" if self.torch.cuda.is_available() else "cpu"

    @property
    def width(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    def memory(self) -> Any:
        """An empty one for what the layers have read."""
        return self._transformers.DynamicCache(config=self.model.config)

    def ends(self) -> set[int]:
        """Tokens that end a reply, as far as the folder's own settings say."""
        try:
            told = self._transformers.GenerationConfig.from_pretrained(str(self._folder)).eos_token_id
        except (OSError, ValueError):
            told = None
        ids = told if isinstance(told, list) else [told]
        return {id for id in (*ids, self.model.config.eos_token_id) if isinstance(id, int)}

    def close(self) -> None:
        self._ahead.close()
        self.names.kept.clear()
        self.tensors.close()
        _give_back()

    # ── before the first layer ──────────────────────────────────────────────────────────────────────

    def begin(
        self, asked: Mapping[int, Sequence[Ids]], **more: Any
    ) -> tuple[list[dict[int, Call]], dict[int, Rows]]:
        """Batches of ids, each of one length, by their number: by layer and number what else the layer is
        called with, and the embeddings [prompts, length, width]. `more` goes to the decoder's `forward`."""
        torch = self.torch
        known = sorted({id for batch in asked.values() for row in batch for id in row})
        places = {id: place for place, id in enumerate(known)}
        self._embed(known)
        calls: list[dict[int, Call]] = [{} for _ in self.layers]
        firsts: dict[int, Rows] = {}
        with torch.inference_mode(), self._noting(calls) as current:
            for number, batch in asked.items():
                current[0] = number
                ids = torch.tensor([[places[id] for id in row] for row in batch], device=self.device)
                self.decoder(input_ids=ids, **({"use_cache": False} | more))
                firsts[number] = np.asarray(current[1].float().cpu().numpy())
        return calls, firsts

    def _embed(self, known: Sequence[int]) -> None:
        """Only the rows of the tokens that are read; they are numbered anew."""
        torch, module = self.torch, self.decoder.get_input_embeddings()
        source = self.names.embedding
        if source is None:
            raise WeightsUnusable(self.name, phrase("lab.convert.missing", tensor="embed_tokens.weight"))
        rows = np.concatenate([self.tensors.floats(source, id, 1) for id in known])
        module.weight = torch.nn.Parameter(torch.from_numpy(rows).to(self.device), requires_grad=False)
        module.num_embeddings, module.padding_idx = len(known), None
        outside = [name for name, value in self.decoder.named_parameters() if value.is_meta]
        strange = [name for name in outside if not name.startswith(("layers.", "norm."))]
        if strange:
            raise CannotStream(self.name, phrase("lab.directions.beside_layers", tensor=strange[0]))

    @contextlib.contextmanager
    def _noting(self, calls: list[dict[int, Call]]) -> Iterator[list[Any]]:
        """Layers that answer what they are given, and note the rest. [batch, first hidden states]"""
        current: list[Any] = [0, None]

        def noting(number: int) -> Callable[..., Any]:
            def forward(hidden: Any = None, *rest: Any, **more: Any) -> Any:
                hidden = more.pop("hidden_states", hidden)
                if number == 0:
                    current[1] = hidden
                calls[number][current[0]] = (rest, more)
                return hidden

            return forward

        norm = getattr(self.decoder, "norm", None)
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
        torch, layer = self.torch, self.layers[number]
        self.names.put(number, self._ahead.take(number), self.device)
        self._ahead.begin(number + 1)
        self.tensors.ahead(self.names.stacked(number + 1))
        self.names.stack(number)
        self._require_whole(number, layer)
        layer.to(self.device)

        def compute(hidden: Rows, call: Any) -> Rows:
            rest, more = call
            with torch.inference_mode():
                made = layer(torch.from_numpy(hidden).to(self.device), *rest, **more)
            made = made[0] if isinstance(made, tuple) else made
            return np.asarray(made.float().cpu().numpy(), np.float32)

        try:
            yield compute
        finally:
            _empty(torch, layer)
            _give_back()

    def _require_whole(self, number: int, layer: Any) -> None:
        for name, value in layer.named_parameters():
            if value.is_meta:
                missing = phrase("lab.convert.missing", tensor=f"layers.{number}.{name}")
                raise WeightsUnusable(self.name, missing)
            if not self.torch.isfinite(value.sum()):
                tensor = f"layers.{number}.{name}"
                raise WeightsUnusable(self.name, phrase("lab.quantize.not_finite", tensor=tensor))


class _Lazy:
    """A tensor of the folder that is read when transformers asks for it."""

    def __init__(self, torch: Any, tensors: Tensors, name: str) -> None:
        self._torch, self._tensors, self._name = torch, tensors, name
        self.shape = tensors[name].stored.shape

    def __getitem__(self, _: Any) -> Any:
        place: Place = self._tensors[self._name]
        require_numbers(place.stored, self._tensors.name)
        return _as_stored(self._torch, place, self._tensors.raw(self._name))


def _as_stored(torch: Any, place: Place, data: Bytes) -> Any:
    kind = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[place.stored.type]
    return torch.from_numpy(data).view(getattr(torch, kind)).reshape(place.stored.shape)


class Names:
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
        inside = next(name for name, module in model.named_modules() if module is decoder)
        self.prefix = prefix = f"{inside}." if inside else ""
        self._plain: dict[int, dict[str, str]] = {}
        self._stacked: dict[int, list[str]] = {}
        self.kept: dict[str, Any] = {}
        self.outside: dict[str, str] = {}
        """What fills the parameters that are in no layer: parameter → source."""
        for name in tensors:
            target, rule = rename_source_key(name, renames, stacks, model.base_model_prefix, known)
            target = target if target in known else name
            if target.startswith(f"{prefix}layers."):
                number = int(target.removeprefix(f"{prefix}layers.").split(".", 1)[0])
                if rule is None and self._is_parameter(target, tensors[name].stored.shape):
                    self._plain.setdefault(number, {})[name] = target
                else:
                    self._stacked.setdefault(number, []).append(name)
            elif target in known:
                self.outside[target] = name
        self.embedding = self._of(decoder.get_input_embeddings())
        self.head = self._of(model.get_output_embeddings())

    def _of(self, module: Any) -> str | None:
        """What fills the weight of an embedding, or of the output; one may be the other too."""
        tied: dict[str, str] = getattr(self._model, "all_tied_weights_keys", None) or {}
        name = next((name for name, one in self._model.named_modules() if one is module), "") + ".weight"
        same = [tied.get(name, ""), *(target for target, source in tied.items() if source == name)]
        return next((self.outside[one] for one in (name, *same) if one in self.outside), None)

    def _is_parameter(self, target: str, shape: tuple[int, ...]) -> bool:
        """Whether it is filled as it is stored."""
        try:
            return tuple(self._model.get_parameter(target).shape) == shape
        except AttributeError:
            return False

    def parts(self, number: int) -> Mapping[str, str]:
        """What is filled as it is stored: source → what any layer calls it."""
        found = self._plain.get(number, {})
        return {source: target.replace(f".{number}.", ".", 1) for source, target in found.items()}

    def stacked(self, number: int) -> list[str]:
        """What is joined or split first."""
        return self._stacked.get(number, [])

    def put(self, number: int, weights: Layer, device: str) -> None:
        """Fills what is filled as it is stored, in 32 bits, always the same memory."""
        parts = self.parts(number)
        for part in self.kept.keys() - set(parts.values()):  # of a layer of another kind
            del self.kept[part]
        for source, data in weights.items():
            values = _as_stored(self._torch, self._tensors[source], data)
            part, target = parts[source], self._plain[number][source]
            if part not in self.kept or self.kept[part].shape != values.shape:
                self.kept[part] = self._torch.empty(values.shape, dtype=self._torch.float32, device=device)
            place, _, name = target.rpartition(".")
            made = self._torch.nn.Parameter(self.kept[part].copy_(values), requires_grad=False)
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
    inner = config.get_text_config()
    if getattr(inner, "output_router_logits", False):
        inner.output_router_logits = False  # they are for training
    with init_empty_weights(include_buffers=False):
        made = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return made.eval()


def _empty(torch: Any, layer: Any) -> None:
    for module in layer.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            empty = torch.empty_like(value, device="meta")
            setattr(module, name, torch.nn.Parameter(empty, requires_grad=False))
