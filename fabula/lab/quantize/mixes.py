"""The types that a model can be quantized to, as data. Knows no tensor.

A mix is what people name ("Q4_K_M"): most tensors get its base type, and `rules` says which get another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.models.formats.types import FILE_TYPES, TENSOR_TYPES

TYPE_IDS = {row.name: number for number, row in TENSOR_TYPES.items()}

_BASES = {
    **dict.fromkeys(("Q2_K_S",), "Q2_K"),
    **dict.fromkeys(("Q3_K_S", "Q3_K_M", "Q3_K_L"), "Q3_K"),
    **dict.fromkeys(("Q4_K_S", "Q4_K_M"), "Q4_K"),
    **dict.fromkeys(("Q5_K_S", "Q5_K_M"), "Q5_K"),
    **dict.fromkeys(("IQ3_XS", "IQ3_M"), "IQ3_S"),
    "IQ2_S": "IQ2_XS",
    "IQ2_M": "IQ2_S",
    "MXFP4_MOE": "MXFP4",
}
_NOT_MADE = ("NVFP4",)  # the engine reads it; only NVIDIA's own tools make it

ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
PLAIN = ("F32", "F16", "BF16")
SOURCES = (*PLAIN, "Q8_0")
"""What may be quantized without a word: the others have lost too much already."""


@dataclass(frozen=True, slots=True)
class Mix:
    """`file_type` is the number that GGUF knows it by, `base` the type of what no rule names."""

    name: str
    file_type: int
    base: str

    @property
    def is_plain(self) -> bool:
        return self.base in PLAIN


MIXES = {
    name: Mix(name, number, _BASES.get(name, name))
    for number, name in FILE_TYPES.items()
    if name not in _NOT_MADE
}
_SUFFIX = re.compile(r"[-._](?:" + "|".join([*MIXES, *ALIASES, "FP16", "FP32"]) + r")$", re.IGNORECASE)


def mix_named(name: str) -> Mix:
    """In any case, or by another name. Raises BadParameter."""
    wanted = name.strip().upper().replace("-", "_")
    mix = MIXES.get(ALIASES.get(wanted, wanted))
    if mix is None:
        raise BadParameter("type", name, phrase("expected.one_of", names=", ".join(MIXES)))
    return mix


def name_for(model: str, mix: Mix) -> str:
    """What a model is called in that type: "Tiny-F16" becomes "Tiny-Q4_K_M"."""
    stem = model.rsplit("/", 1)[-1]
    return f"{_SUFFIX.sub('', stem) or stem}-{mix.name}"
