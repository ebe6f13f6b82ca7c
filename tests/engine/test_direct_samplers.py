"""Our samplers against the engine's own, on the same logits, for every one that both have."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from ctypes import c_char_p, c_float, c_int32, c_size_t, c_uint32, c_void_p
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct_asking import PLAIN

from fabula.core.sampling import Sampling
from fabula.engine.direct.abi import TokenData, TokenDataArray
from fabula.engine.direct.library import Library
from fabula.engine.sampling.chain import Chain
from fabula.engine.sampling.history import Vocabulary

SIZE = 400
SAMPLERS: dict[str, list[Any]] = {
    "top_k": [c_int32],
    "top_p": [c_float, c_size_t],
    "min_p": [c_float, c_size_t],
    "typical": [c_float, c_size_t],
    "temp": [c_float],
    "temp_ext": [c_float, c_float, c_float],
    "xtc": [c_float, c_float, c_size_t, c_uint32],
    "top_n_sigma": [c_float],
    "mirostat": [c_int32, c_uint32, c_float, c_float, c_int32],
    "mirostat_v2": [c_uint32, c_float, c_float],
    "penalties": [c_int32, c_int32, c_float, c_float, c_float],
    "adaptive_p": [c_float, c_float, c_uint32],
    "dry": [c_void_p, c_float, c_float, c_int32, c_int32, ctypes.POINTER(c_char_p), c_size_t],
}


class Native:
    """One of the engine's samplers."""

    def __init__(self, library: Library, name: str, *values: Any) -> None:
        self._library = library
        init = library._dll[f"llama_sampler_init_{name}"]
        init.restype, init.argtypes = c_void_p, SAMPLERS[name]
        self._handle = init(*values)
        self.drawn = -1

    def probabilities(self, row: np.ndarray) -> np.ndarray:
        """Of the whole vocabulary, after the sampler."""
        rows = (TokenData * len(row))(*[(id, logit, 0.0) for id, logit in enumerate(row)])
        array = TokenDataArray(rows, len(row), -1, False)
        self._library.sampler_apply(self._handle, ctypes.byref(array))
        left = [array.data[n] for n in range(array.size) if np.isfinite(array.data[n].logit)]
        logits = np.array([token.logit for token in left])
        weights = np.exp(logits - logits.max())
        found = np.zeros(len(row))
        found[[token.id for token in left]] = weights / weights.sum()
        self.drawn = array.data[array.selected].id if array.selected >= 0 else -1
        return found

    def accept(self, token: int) -> None:
        self._library.sampler_accept(self._handle, token)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture(scope="module")
def vocabulary(library: Library, starter_model: Path) -> Iterator[tuple[int, Vocabulary]]:
    """The starter's, and its handle in the engine; no weights."""
    params = library.model_default_params()
    params.vocab_only = True
    model = library.model_load_from_file(str(starter_model).encode(), params)
    handle = library.model_get_vocab(model)

    def spell(token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        length = library.token_to_piece(handle, token, buffer, 256, 0, True)
        return buffer.raw[:length]

    yield handle, Vocabulary(SIZE, frozenset(), spell)
    library.model_free(model)


def logits(seed: int, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, SIZE).astype(np.float32)


LETTERS = Vocabulary(SIZE, frozenset(), lambda token: b"a")
PAIRS: dict[str, tuple[Sampling, Callable[[Library], Native]]] = {
    "top_k": (replace(PLAIN, top_k=17), lambda lib: Native(lib, "top_k", 17)),
    "top_p": (replace(PLAIN, top_p=0.8), lambda lib: Native(lib, "top_p", 0.8, 1)),
    "min_p": (replace(PLAIN, min_p=0.07), lambda lib: Native(lib, "min_p", 0.07, 1)),
    "typical_p": (replace(PLAIN, typical_p=0.6), lambda lib: Native(lib, "typical", 0.6, 1)),
    "top_n_sigma": (replace(PLAIN, top_n_sigma=1.3), lambda lib: Native(lib, "top_n_sigma", 1.3)),
    "temperature": (replace(PLAIN, temperature=1.7), lambda lib: Native(lib, "temp", 1.7)),
    "greedy": (replace(PLAIN, temperature=0.0), lambda lib: Native(lib, "temp", 0.0)),
    "dynatemp": (
        replace(PLAIN, temperature=1.2, dynatemp_range=0.7, dynatemp_exponent=1.4),
        lambda lib: Native(lib, "temp_ext", 1.2, 0.7, 1.4),
    ),
    "xtc": (
        replace(PLAIN, xtc_probability=1.0, xtc_threshold=0.05),
        lambda lib: Native(lib, "xtc", 1.0, 0.05, 1, 7),
    ),
    "mirostat 2": (
        replace(PLAIN, mirostat=2, mirostat_tau=2.0),
        lambda lib: Native(lib, "mirostat_v2", 7, 2.0, 0.1),
    ),
    "mirostat 1": (
        replace(PLAIN, mirostat=1, mirostat_tau=2.0),
        lambda lib: Native(lib, "mirostat", SIZE, 7, 2.0, 0.1, 100),
    ),
    "adaptive_p": (
        replace(PLAIN, adaptive_target=0.3, adaptive_decay=0.9),
        lambda lib: Native(lib, "adaptive_p", 0.3, 0.9, 7),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("seed", range(4))
def test_both_make_the_same_probabilities(library: Library, name: str, seed: int) -> None:
    sampling, native = PAIRS[name]
    row = logits(seed)
    assert Chain(sampling, LETTERS).candidates(row).full(SIZE) == pytest.approx(
        native(library).probabilities(row), abs=2e-5
    )


@pytest.mark.parametrize("name", ["mirostat 1", "mirostat 2", "adaptive_p"])
def test_both_remember_the_same_of_what_was_drawn(library: Library, name: str) -> None:
    sampling, made = PAIRS[name]
    ours, native = Chain(sampling, LETTERS), made(library)
    for step in range(12):
        row = logits(100 + step)
        theirs = native.probabilities(row)
        assert ours.candidates(row).full(SIZE) == pytest.approx(theirs, abs=1e-4), step
        native.accept(native.drawn)
        ours.accept(native.drawn)


@pytest.mark.parametrize("window", [5, 64, -1])
def test_both_penalise_the_same_tokens(library: Library, window: int) -> None:
    said = np.random.default_rng(3).integers(0, 30, 40).tolist()
    sampling = replace(
        PLAIN, repetition_penalty=1.3, presence_penalty=0.4, frequency_penalty=0.2, repetition_window=window
    )
    native = Native(library, "penalties", SIZE, 40 if window < 0 else window, 1.3, 0.2, 0.4)
    for token in said:
        native.accept(token)
    ours = Chain(sampling, LETTERS, said).candidates(logits(1)).full(SIZE)
    assert ours == pytest.approx(native.probabilities(logits(1)), abs=1e-5)


@pytest.mark.parametrize("breakers", [(), ("\n", ":", '"', "*")])
@pytest.mark.parametrize("seed", range(3))
def test_both_see_the_same_repetitions(
    library: Library, vocabulary: tuple[int, Vocabulary], breakers: tuple[str, ...], seed: int
) -> None:
    handle, words = vocabulary
    said = np.random.default_rng(seed).integers(20, 60, 10).tolist()
    said = [*said, 28, *said[2:9], 42, *said[:9]]  # with breakers among them: ids below 60 are signs
    raw = [breaker.encode() for breaker in breakers]
    array = (c_char_p * max(len(raw), 1))(*raw)
    native = Native(library, "dry", handle, 0.9, 1.6, 2, 512, array, len(raw))
    for token in said:
        native.accept(token)
    asked = replace(
        PLAIN,
        dry_multiplier=0.9,
        dry_base=1.6,
        dry_allowed_length=2,
        dry_window=512,
        dry_sequence_breakers=breakers,
    )
    row = logits(seed)
    ours = Chain(asked, words, said).candidates(row).full(SIZE)
    assert ours == pytest.approx(native.probabilities(row), abs=1e-5)
