"""A model's memory of what it has read: tokens go in, logits come out. Runs in the child process only.

What a sequence holds is known here, so that the beginning of a text that was read before is not read again.
Changing adapters or vectors empties it: what was read holds only for those it was read with.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.weights import Refused, TooLong, Weights

Rows = NDArray[np.float32]

DECODE = 1
LOGITS_BYTES = 64 << 20  # for the rows that are asked for at once
FEWEST_ROWS = 32
SMALLEST_BATCH = 32
END = -1  # of a sequence


class Context:
    """`rows` is how many tokens can give logits at a time. `capture` is the address of a function that the
    engine calls for every tensor, None for none."""

    def __init__(self, weights: Weights, *, length: int = 0, capture: int | None = None) -> None:
        self.weights, self._library = weights, weights.library
        asked = weights.settings
        self.length = length or asked.context
        self.batch = max(min(asked.batch, self.length), SMALLEST_BATCH)
        self.rows = min(max(LOGITS_BYTES // (4 * weights.vocabulary), FEWEST_ROWS), self.batch)
        self.sequences = asked.sequences
        self._held: dict[int, list[int]] = {}
        self._library.lines.clear()
        handle = self._library.init_from_model(weights.handle, self._params(capture))
        if not handle:
            raise Refused(self._library.complaint() or "there is not enough memory for the context")
        self.handle: int = handle
        self._check()
        self._memory = self._library.get_memory(handle)
        self._batch = self._library.batch_ext_init(handle)
        self._place = ctypes.c_int32()

    def _params(self, capture: int | None) -> Any:
        params, asked = self._library.context_default_params(), self.weights.settings
        params.n_ctx, params.n_batch, params.n_ubatch = self.length, self.batch, self.batch
        params.n_seq_max, params.kv_unified = self.sequences, True
        params.swa_full = False  # as the plan has it: sliding windows keep a window
        params.n_outputs_max = params.n_outputs_max_per_seq = self.rows
        params.n_threads = params.n_threads_batch = asked.threads
        params.type_k, params.type_v = asked.kv_type, asked.kv_type_v
        params.flash_attn_type, params.offload_kqv = asked.flash_attention, asked.kv_offload
        params.rope_scaling_type, params.yarn_orig_ctx = asked.rope_scaling, asked.rope_original
        params.rope_freq_base = asked.rope_base
        params.rope_freq_scale = 1 / asked.rope_scale if asked.rope_scale else 0.0
        params.cb_eval = capture
        return params

    def _check(self) -> None:
        """What the library made of it, once more for the real model."""
        asked = self.weights.settings
        expected = (self.batch, self.batch, self.sequences, asked.threads, asked.threads)
        names = ("n_batch", "n_ubatch", "n_seq_max", "n_threads", "n_threads_batch")
        found = tuple(getattr(self._library, name)(self.handle) for name in names)
        if found != expected or self._library.n_ctx(self.handle) < self.length:
            raise Refused(f"asked for {expected}, got {found}")

    def close(self) -> None:
        self._library.batch_ext_free(self._batch)
        self._library.free(self.handle)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    def read(
        self, ids: Sequence[int], wanted: int, *, sequence: int = 0, pause: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[int, Rows]]:
        """(place, logits [n, V]) for the tokens from number `wanted` on, in pieces; what the sequence holds
        of the rest is not read again. A row holds until the next is asked for. Raises TooLong, Refused."""
        if len(ids) > self.length:
            raise TooLong(len(ids), self.length)
        start = self.reuse(ids, wanted, sequence)
        while start < len(ids):
            pause()
            first = max(start, wanted)
            # The last token before those that are wanted is read with them: with quantized weights, a token
            # that is read alone takes another path through the engine, and gets other numbers.
            end = min(start + self.batch, first + self.rows, len(ids))
            rows = self.decode([(ids[n], n, sequence) for n in range(start, end)], outputs=end - first)
            self._held.setdefault(sequence, []).extend(ids[start:end])
            if rows is not None:
                yield first, rows
            start = end

    def last(
        self, ids: Sequence[int], *, sequence: int = 0, pause: Callable[[], None] = lambda: None
    ) -> Rows:
        """A copy of the logits [V] after the last token."""
        for _, rows in self.read(ids, len(ids) - 1, sequence=sequence, pause=pause):
            row: Rows = rows[-1].copy()
        return row

    def advance(self, token: int, place: int, sequence: int) -> Rows | None:
        """The logits [V] after one more token at this place of the sequence, which is cut to there; None
        where the model cannot go back, or has not read so far."""
        held = self._held.get(sequence, [])
        if len(held) > place and self._cut(sequence, place):
            del held[place:]
        if len(held) != place:
            return None
        rows = self.decode([(token, place, sequence)])
        held.append(token)
        return None if rows is None else rows[0].copy()

    def reuse(self, ids: Sequence[int], most: int, sequence: int = 0) -> int:
        """Cuts the sequence to the tokens that it has in common with `ids`, at most so many; how many."""
        held = self._held.get(sequence, [])
        common = 0
        for mine, theirs in zip(held, ids[:most], strict=False):
            if mine != theirs:
                break
            common += 1
        if common < len(held) and not self._cut(sequence, common):
            self._library.memory_seq_rm(self._memory, sequence, 0, END)  # it cannot go back: all anew
            common = 0
        self._held[sequence] = list(held[:common])
        return common

    def _cut(self, sequence: int, place: int) -> bool:
        """Whether the memory could be taken back to there. That of a sliding window takes any cut, but may
        have lost what the next token looks at."""
        if not self._library.memory_seq_rm(self._memory, sequence, place, END):
            return False
        first = self._library.memory_seq_pos_min(self._memory, sequence)
        window = self.weights.window
        return not (window and place) or 0 <= first <= max(place - window, 0)

    def held(self, sequence: int = 0) -> int:
        return len(self._held.get(sequence, ()))

    def decode(self, tokens: Sequence[tuple[int, int, int]], *, outputs: int | None = None) -> Rows | None:
        """(token, place, sequence) → logits of all or of the last `outputs` tokens, [n, V], a view that holds
        until the next call; None for none."""
        library, batch, place = self._library, self._batch, self._place
        library.batch_ext_clear(batch)
        add, put, ask = (
            library.batch_ext_add_token,
            library.batch_ext_set_pos,
            library.batch_ext_set_output_logits,
        )
        reference = ctypes.byref(place)
        wanted = len(tokens) if outputs is None else max(outputs, 0)
        for number, (token, at, sequence) in enumerate(tokens, 1):
            index = add(batch, sequence, token)
            place.value = at
            if index < 0 or not put(batch, index, reference):
                raise Refused(f"token {token} was not taken ({index})")
            if number > len(tokens) - wanted:
                ask(batch, index, True)
        library.lines.clear()
        if failed := library.process(self.handle, DECODE, batch):
            self.clear()
            raise Refused(f"{len(tokens)} tokens could not be read ({failed}): {library.complaint()}")
        if not wanted:
            return None
        logits = ctypes.cast(library.get_logits(self.handle), ctypes.POINTER(ctypes.c_float))
        rows: Any = np.ctypeslib.as_array(logits, (wanted, self.weights.vocabulary))
        return np.asarray(rows, np.float32)

    # ── sequences ───────────────────────────────────────────────────────────────────────────────────

    def copy(self, source: int, target: int) -> None:
        self._library.memory_seq_cp(self._memory, source, target, END, END)

    def drop(self, sequence: int) -> None:
        self._library.memory_seq_rm(self._memory, sequence, END, END)
        self._held.pop(sequence, None)

    def only(self, sequence: int) -> None:
        """Drops all others, whose tokens would take room."""
        for other in [held for held in self._held if held != sequence]:
            self.drop(other)

    def clear(self) -> None:
        self._library.memory_clear(self._memory, True)
        self._held.clear()

    # ── what the model is changed by ────────────────────────────────────────────────────────────────

    def steer(self, matrix: NDArray[np.float32] | None) -> None:
        """Adds row k of [layers − 1, width] to what layer k + 1 gives; None = the model itself. The library
        does not notice an array that is too short, so its shape is checked here."""
        layers, width = self.weights.layers, self.weights.width
        if matrix is None:
            failed = self._library.set_adapter_cvec(self.handle, None, 0, width, 0, 0)
        else:
            if matrix.shape != (layers - 1, width):
                raise Refused(f"vectors of shape {matrix.shape}, the model needs {(layers - 1, width)}")
            rows = np.ascontiguousarray(matrix, np.float32)
            address = rows.ctypes.data_as(ctypes.c_void_p)
            failed = self._library.set_adapter_cvec(self.handle, address, rows.size, width, 1, layers)
        if failed:
            raise Refused(f"the vectors were not taken ({failed})")
        self.clear()

    def adapt(self, scales: Sequence[float], worn: int | None = None) -> None:
        """How strong each loaded adapter is; those at 0 are left out and cost nothing. `worn` is one more, as
        it is."""
        strong = [
            (handle, scale) for handle, scale in zip(self.weights.adapters, scales, strict=True) if scale
        ]
        strong += [] if worn is None else [(worn, 1.0)]
        handles = (ctypes.c_void_p * max(len(strong), 1))(*[handle for handle, _ in strong])
        values = (ctypes.c_float * max(len(strong), 1))(*[scale for _, scale in strong])
        if failed := self._library.set_adapters_lora(self.handle, handles, len(strong), values):
            raise Refused(f"the adapters were not taken ({failed})")
        self.clear()
