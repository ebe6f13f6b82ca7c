"""A model that the engine library has loaded: its vocabulary and its adapters. Knows no context and no text's
way into one. Runs in the child process only."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

from fabula.engine.direct.abi import BufferOverride
from fabula.engine.direct.library import Library

PIECE_BYTES = 1024


class Refused(Exception):
    """The library, or we, cannot do what was asked; the message says why, in the engine's words."""


class TooLong(Exception):
    def __init__(self, tokens: int, context: int) -> None:
        super().__init__(f"{tokens} tokens, {context} fit")
        self.tokens, self.context = tokens, context


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the model is loaded; numbers of enumerations are the library's. An unknown name fails."""

    model: str  # path of the GGUF
    context: int
    batch: int  # tokens that are read at a time
    sequences: int
    threads: int
    gpu_layers: int
    kv_type: int
    kv_type_v: int
    flash_attention: int
    split_mode: int
    tensor_split: tuple[float, ...]
    main_gpu: int
    kv_offload: bool
    overrides: tuple[str, ...]  # patterns of tensors that stay in the machine's memory
    rope_scaling: int
    rope_base: float  # 0 = the model's
    rope_scale: float  # how many times longer; 0 = the model's
    rope_original: int
    load_mode: int
    adapters: tuple[str, ...]  # paths


class Weights:
    """Raises Refused when the file cannot be loaded."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library, self.settings = library, settings
        self._kept: list[Any] = []  # memory that the library reads while it loads
        library.lines.clear()
        handle = library.model_load_from_file(settings.model.encode(), self._params())
        if not handle:
            raise Refused(library.complaint() or "the model could not be loaded")
        self.handle: int = handle
        self._vocabulary = library.model_get_vocab(handle)
        self.vocabulary = int(library.vocab_n_tokens(self._vocabulary))
        self.width, self.layers = int(library.model_n_embd(handle)), int(library.model_n_layer(handle))
        self.window = int(
            library.model_n_swa(handle)
        )  # tokens that sliding layers look back; 0 = there are none
        self._has_texts = bool(library.vocab_type(self._vocabulary))
        self.is_one_way = bool(library.model_is_recurrent(handle) or library.model_is_hybrid(handle))
        self.adapters = tuple(self.adapter(path) for path in settings.adapters)
        self._piece = ctypes.create_string_buffer(PIECE_BYTES)

    def _params(self) -> Any:
        params, asked = self.library.model_default_params(), self.settings
        params.n_gpu_layers, params.split_mode = asked.gpu_layers, asked.split_mode
        params.main_gpu, params.load_mode = asked.main_gpu, asked.load_mode
        if asked.tensor_split:
            shares = (ctypes.c_float * 128)(*asked.tensor_split)  # the library reads one for each device
            params.tensor_split = self._pointer(shares)
        if asked.overrides:
            params.tensor_buft_overrides = self._pointer(self._overrides())
        return params

    def _overrides(self) -> Any:
        memory = self.library.ggml_backend_cpu_buffer_type()
        rows = [BufferOverride(pattern.encode(), memory) for pattern in self.settings.overrides]
        return (BufferOverride * (len(rows) + 1))(*rows)

    def _pointer(self, array: Any) -> int | None:
        self._kept.append(array)
        return ctypes.cast(array, ctypes.c_void_p).value

    def adapter(self, path: str) -> int:
        """Loads one. Raises Refused."""
        self.library.lines.clear()
        handle: int | None = self.library.adapter_lora_init(self.handle, path.encode())
        if not handle:
            raise Refused(self.library.complaint() or "the adapter could not be loaded")
        return handle

    # ── vocabulary ──────────────────────────────────────────────────────────────────────────────────

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool = True) -> list[int]:
        if not self._has_texts:
            raise Refused("the model has no tokenizer")
        raw = text.encode()
        room = len(raw) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            count = int(
                self.library.tokenize(self._vocabulary, raw, len(raw), ids, room, add_special, parse_special)
            )
            if count >= 0:
                return list(ids[:count])
            room = -count

    @functools.lru_cache(maxsize=1 << 18)  # noqa: B019  # one model per process, until it ends
    def piece(self, token: int, special: bool = True) -> bytes:
        """A token's text; that of a special token only where asked."""
        if not 0 <= token < self.vocabulary:
            raise Refused(f"there is no token {token}: the vocabulary has {self.vocabulary}")
        if not self._has_texts:
            return b""
        length = self.library.token_to_piece(self._vocabulary, token, self._piece, PIECE_BYTES, 0, special)
        if length < 0:
            longer = ctypes.create_string_buffer(-length)
            self.library.token_to_piece(self._vocabulary, token, longer, -length, 0, special)
            return longer.raw
        return self._piece.raw[:length]

    @functools.cached_property
    def ends(self) -> frozenset[int]:
        """Tokens that end a reply."""
        test, known = self.library.vocab_is_eog, self._vocabulary
        return frozenset(token for token in range(self.vocabulary) if test(known, token))

    def is_special(self, token: int) -> bool:
        return bool(self.library.vocab_is_control(self._vocabulary, token))

    @property
    def vocabulary_handle(self) -> int:
        handle: int = self._vocabulary
        return handle
