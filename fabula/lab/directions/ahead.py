"""The next layer's weights, read and unpacked by a thread while this layer computes. Knows no model.

Two sets of arrays take turns and are used again: fresh memory costs more time than what is written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fabula.lab.directions.tensors import Tensors

Floats = NDArray[np.float32]
Layer = Mapping[str, Floats]
"""By the name of the parameter that each fills."""


class Ahead:
    """`wanted` names a layer's tensors, and what each fills; beyond the last layer there are none."""

    def __init__(self, tensors: Tensors, wanted: Callable[[int], Mapping[str, str]]) -> None:
        self._tensors, self._wanted = tensors, wanted
        self._sets: list[dict[str, Floats]] = [{}, {}]
        self._begun: tuple[int, Future[Layer]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def take(self, number: int) -> Layer:
        """The weights of a layer, valid until the one after the next is asked for; the next one is begun.
        Raises WeightsUnusable."""
        begun = self._begun if self._begun and self._begun[0] == number else None
        found = (begun[1] if begun else self._thread.submit(self._read, number)).result()
        self._begun = number + 1, self._thread.submit(self._read, number + 1)
        return found

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._sets = [{}, {}]

    def _read(self, number: int) -> Layer:
        wanted = self._wanted(number)
        kept = self._sets[number % 2]
        place = {self._key(number, target): target for target in wanted.values()}
        for key in kept.keys() - place.keys():  # of a layer of another shape
            del kept[key]
        found = {}
        for source, target in wanted.items():
            key, size = self._key(number, target), self._tensors[source].stored.shape
            if key not in kept or kept[key].shape != size:
                kept[key] = np.empty(size, np.float32)
            self._tensors.read_into(source, kept[key])
            found[target] = kept[key]
        return found

    @staticmethod
    def _key(number: int, target: str) -> str:
        """The same for the same part of any layer."""
        return target.replace(f".{number}.", ".", 1)
