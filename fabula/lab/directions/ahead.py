"""The next layer's weights, read by a thread while this layer computes, as they are stored: mostly with half
the bits that they are computed with. Knows no model.

Arrays are used again: fresh memory costs more time than what is written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from fabula.lab.directions.tensors import Bytes, Tensors

Layer = Mapping[str, Bytes]
"""By the tensor's name."""


class Ahead:
    """`wanted` names a layer's tensors, and what tells the same one of another layer; beyond the last layer
    there are none."""

    def __init__(self, tensors: Tensors, wanted: Callable[[int], Mapping[str, str]]) -> None:
        self._tensors, self._wanted = tensors, wanted
        self._kept: dict[str, Bytes] = {}
        self._begun: tuple[int, Future[Layer]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def take(self, number: int) -> Layer:
        """The weights of a layer, valid until another is begun. Raises WeightsUnusable."""
        if self._begun is None or self._begun[0] != number:
            self.begin(number)
        assert self._begun is not None
        return self._begun[1].result()

    def begin(self, number: int) -> None:
        """Reads a layer meanwhile; what was taken before is no longer valid."""
        self._begun = number, self._thread.submit(self._read, number)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._begun, self._kept = None, {}

    def _read(self, number: int) -> Layer:
        wanted = self._wanted(number)
        for part in self._kept.keys() - set(wanted.values()):  # of a layer of another kind
            del self._kept[part]
        found = {}
        for name, part in wanted.items():
            size = self._tensors[name].size
            if part not in self._kept or len(self._kept[part]) != size:
                self._kept[part] = np.empty(size, np.uint8)
            self._tensors.raw_into(name, self._kept[part])
            found[name] = self._kept[part]
        return found
