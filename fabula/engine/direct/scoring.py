"""How likely a model finds texts: exact, from its logits. Runs in the child process only; knows no text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabula.engine.direct.context import Context
from fabula.engine.direct.weights import TooLong

Pause = Callable[[], None]
"""Called between pieces; raises where the work is to end."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def log_softmax(logits: ArrayLike) -> Floats:
    """Rows [n, V] of logits as log-probabilities; summed in float64, which is exact enough for 1e-6 nats."""
    rows = np.asarray(logits, np.float32)
    highest = rows.max(axis=1, keepdims=True)
    sums = np.exp(rows - highest).sum(axis=1, dtype=np.float64, keepdims=True)
    return np.asarray(rows.astype(np.float64) - highest - np.log(sums), np.float64)


def logprobs_at(logits: ArrayLike, tokens: Sequence[int]) -> Floats:
    """The log-probability of one token for each row: without making those of all others."""
    rows = np.asarray(logits, np.float32)
    highest = rows.max(axis=1)
    sums = np.exp(rows - highest[:, None]).sum(axis=1, dtype=np.float64)
    chosen = rows[np.arange(len(rows)), np.asarray(tokens, np.int64)].astype(np.float64)
    return np.asarray(chosen - highest - np.log(sums), np.float64)


def score(context: Context, ids: Sequence[int], likeliest: int, pause: Pause) -> tuple[Floats, Ints, Floats]:
    """Log-probabilities [n − 1] of all ids but the first; with each the `likeliest` ids and log-probabilities
    there, [n − 1, likeliest], best first."""
    chosen, top_ids, top_values = [], [], []
    for place, rows in context.read(ids, 0, pause=pause):
        following = ids[place + 1 : place + 1 + len(rows)]
        rows = rows[: len(following)]
        chosen.append(logprobs_at(rows, following))
        if likeliest:
            best, values = _top(rows, likeliest)
            top_ids.append(best)
            top_values.append(values)
    none = np.empty((len(ids) - 1, 0))
    if not likeliest:
        return np.concatenate(chosen), none.astype(np.int64), none
    return np.concatenate(chosen), np.concatenate(top_ids), np.concatenate(top_values)


def _top(rows: NDArray[np.float32], count: int) -> tuple[Ints, Floats]:
    count = min(count, rows.shape[1])
    ids = np.argpartition(rows, rows.shape[1] - count, axis=1)[:, rows.shape[1] - count :]
    values = np.take_along_axis(log_softmax(rows), ids, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)


def choices(
    context: Context, prefix: Sequence[int], continuations: Sequence[Sequence[int]], pause: Pause
) -> list[list[float]]:
    """The log-probability of each token of each continuation. The prefix is read once; continuations are read
    together, each in a sequence of its own that begins as a copy of the prefix."""
    longest = max((len(continuation) for continuation in continuations), default=0)
    if len(prefix) + longest > context.length:
        raise TooLong(len(prefix) + longest, context.length)
    row = log_softmax(context.last(prefix, pause=pause)[None])[0]
    found = [[float(row[continuation[0]])] if continuation else [] for continuation in continuations]
    for group in _groups(context, len(prefix), continuations):
        pause()
        _read_group(context, len(prefix), continuations, group, found)
    return found


def _groups(context: Context, start: int, continuations: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Numbers of continuations that fit into the context at the same time."""
    group: list[int] = []
    room = context.length - start
    for number, continuation in enumerate(continuations):
        if len(continuation) < 2:
            continue
        if len(group) == context.sequences - 1 or (group and len(continuation) > room):
            yield group
            group, room = [], context.length - start
        group.append(number)
        room -= len(continuation)
    if group:
        yield group


def _read_group(
    context: Context,
    start: int,
    continuations: Sequence[Sequence[int]],
    group: Sequence[int],
    found: list[list[float]],
) -> None:
    tokens, wanted = [], []
    for sequence, number in enumerate(group, 1):
        context.drop(sequence)
        context.copy(0, sequence)
        continuation = continuations[number]
        tokens += [(token, start + n, sequence) for n, token in enumerate(continuation[:-1])]
        wanted += [(number, token) for token in continuation[1:]]
    for first in range(0, len(tokens), context.rows):
        rows = context.decode(tokens[first : first + context.rows])
        part = wanted[first : first + context.rows]
        assert rows is not None
        for (number, _), value in zip(part, logprobs_at(rows, [token for _, token in part]), strict=True):
            found[number].append(float(value))
    for sequence in range(1, len(group) + 1):
        context.drop(sequence)


# ── two models ──────────────────────────────────────────────────────────────────────────────────────


def keep_rows(context: Context, ids: Sequence[int], start: int, end: int, file: Path, pause: Pause) -> None:
    """Writes log-probabilities after each of ids[start:end]: float32 [end − start, V]."""
    with file.open("wb") as written:
        for _, rows in context.read(ids[:end], start, pause=pause):
            written.write(log_softmax(rows).astype(np.float32).tobytes())


def compare_rows(
    context: Context, ids: Sequence[int], start: int, end: int, file: Path, pause: Pause
) -> list[tuple[float, float | None, float | None, bool]]:
    """For each place: KL(kept ‖ ours), the following token's log-probability by each, whether the likeliest
    token is the same. Raises ValueError for a file of another shape."""
    shape = (end - start, context.weights.vocabulary)
    if file.stat().st_size != 4 * shape[0] * shape[1]:
        raise ValueError(f"{file.name} has {file.stat().st_size} bytes, {shape} float32 are expected")
    kept = np.memmap(file, np.float32, "r", shape=shape)
    found = []
    for place, rows in context.read(ids[:end], start, pause=pause):
        first = kept[place - start : place - start + len(rows)].astype(np.float64)
        found += _compared(first, log_softmax(rows), ids[place + 1 : place + 1 + len(rows)])
    return found


def _compared(
    first: Floats, second: Floats, following: Sequence[int]
) -> list[tuple[float, float | None, float | None, bool]]:
    chances = np.exp(first)
    finite = np.where(chances > 0, first - second, 0.0)
    kl = np.maximum((chances * finite).sum(axis=1), 0.0)
    same = first.argmax(axis=1) == second.argmax(axis=1)
    found: list[tuple[float, float | None, float | None, bool]] = []
    for n in range(len(first)):
        token = following[n] if n < len(following) else None
        mine = None if token is None else float(first[n, token])
        theirs = None if token is None else float(second[n, token])
        found.append((float(kl[n]), mine, theirs, bool(same[n])))
    return found
