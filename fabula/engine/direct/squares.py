"""What a weight is multiplied with, squared and summed, for each matrix that the weight stacks. Runs in the
child process only.

A stack is of experts (`MUL_MAT_ID`, whose third operand says which token goes to which), or of heads. That is
what importance matrices are made of: `counts` is how many rows each matrix was multiplied with.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct import abi
from fabula.engine.direct.library import Library
from fabula.engine.direct.weights import Refused

F32, I32 = 0, 26
BY_EXPERT = b"MUL_MAT_ID"

Sums = NDArray[np.float64]
Counts = NDArray[np.int64]


def squares(library: Library, product: int, name: str) -> tuple[Sums, Counts]:
    """([matrices, width], [matrices]) of the product at this address."""
    node = abi.Tensor.from_address(product)
    weight = abi.Tensor.from_address(node.src[0])
    matrices = int(weight.ne[2] * weight.ne[3])
    values = _array(library, node.src[1], F32, name)
    if library.ggml_op_desc(product) == BY_EXPERT:
        return _by_expert(values[0], _array(library, node.src[2], I32, name)[0, 0], matrices)
    return _by_matrix(values, matrices)


def _by_matrix(values: NDArray[Any], matrices: int) -> tuple[Sums, Counts]:
    """`values` [ne3, ne2, rows, width]: each matrix is multiplied with its share."""
    rows = values.reshape(matrices, -1, values.shape[-1])
    sums = np.einsum("mrw,mrw->mw", rows, rows, dtype=np.float64)
    return sums, np.full(matrices, rows.shape[1], np.int64)


def _by_expert(values: NDArray[Any], chosen: NDArray[Any], experts: int) -> tuple[Sums, Counts]:
    """`values` [tokens, chosen or 1, width], `chosen` [tokens, chosen]."""
    sums = np.zeros((experts, values.shape[-1]))
    counts = np.zeros(experts, np.int64)
    for place in range(chosen.shape[1]):
        rows = values[:, place % values.shape[1]].astype(np.float64)
        goes = chosen[:, place][None] == np.arange(experts)[:, None]
        sums += goes.astype(np.float64) @ rows**2
        counts += goes.sum(axis=1)
    return sums, counts


def _array(library: Library, tensor: int, type_: int, name: str) -> NDArray[Any]:
    """A copy of a tensor's numbers, slowest dimension first, wherever its steps lead. Raises Refused."""
    shown = abi.Tensor.from_address(tensor)
    if shown.type != type_:
        raise Refused(f"{name} is not kept as plain 32-bit numbers")
    data = np.empty(int(library.ggml_nbytes(tensor)), np.uint8)
    library.ggml_backend_tensor_get(tensor, data.ctypes.data_as(ctypes.c_void_p), 0, data.nbytes)
    kind = np.dtype("<f4" if type_ == F32 else "<i4")
    return np.ndarray(tuple(shown.ne)[::-1], kind, data.data, 0, tuple(shown.nb)[::-1])
