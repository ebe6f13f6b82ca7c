"""What each quantization of a GGUF takes, of kinds of models that people know. Calculated, not measured."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.models.known import skeletons

SHOWN = ("llama-3.1-8b", "llama-2-13b", "qwen2.5-32b", "gemma-3-27b", "llama-3.1-70b")
TYPES = (
    *("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS"),
    *("Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "IQ3_XXS", "Q2_K", "IQ2_M", "IQ2_XXS"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Of one type: bits per weight of whole files, and bytes of the first kind's."""

    type: str
    bits: tuple[float, ...]
    size: int


def rows() -> list[Row]:
    return [Row(type_, tuple(bits(kind, type_) for kind in SHOWN), _size(SHOWN[0], type_)) for type_ in TYPES]


def bits(kind: str, type_: str) -> float:
    """Per weight."""
    return _size(kind, type_) * 8 / skeletons.kind(kind).parameters


def _size(kind: str, type_: str) -> int:
    found = skeletons.body(kind, type_)
    assert found is not None
    return found.weights


def page() -> str:
    """In Markdown."""
    lines = [
        "| type | 8B | " + " | ".join(SHOWN) + " |",
        "|---" * (len(SHOWN) + 2) + "|",
    ]
    for row in rows():
        shown = " | ".join(f"{each:.2f}" for each in row.bits)
        lines.append(f"| {row.type} | {row.size / 1e9:.1f} GB | {shown} |")
    return "\n".join(lines)
