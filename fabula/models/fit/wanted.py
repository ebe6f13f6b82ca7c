"""What a person wishes of a plan, and what lies beside a model in memory. Knows no formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from fabula.core.load import NOTHING, LoadOptions

MICRO_BATCH = 512  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person set. 0 leaves context, slots and threads to the plan, −1 the GPU layers (0 = none)."""

    context: int = 0
    slots: int = 0
    threads: int = 0
    kv_type: str = "f16"
    gpu_layers: int = -1
    options: LoadOptions = NOTHING  # of these, `slots` to `gpu_layers` are overruled by the fields above

    @classmethod
    def of(cls, options: LoadOptions) -> Self:
        """What load options say; what they leave open is left to the plan."""
        return cls(
            context=options.context or 0,
            slots=options.slots or 0,
            threads=options.threads or 0,
            kv_type=options.kv_type or "f16",
            gpu_layers=-1 if options.gpu_layers is None else options.gpu_layers,
            options=options,
        )

    @property
    def batch(self) -> int:
        return self.options.batch or MICRO_BATCH

    @property
    def value_type(self) -> str:
        return self.options.kv_type_v or self.kv_type

    @property
    def kv_offload(self) -> bool:
        return self.options.kv_offload is not False

    @property
    def flash(self) -> bool:
        return self.options.flash_attention != "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Bytes of files that are loaded with a model. A projector takes more than its file: see `PROJECTOR`."""

    adapters: int = 0
    projector: int = 0
    draft: int = 0  # all that a small model takes which guesses ahead

    @property
    def total(self) -> int:
        return self.adapters + int(self.projector * PROJECTOR) + self.draft


PROJECTOR = 1.35
"""Of a projector's file: with the pictures' own buffers; 884 MiB became 1,158 (unsloth#6718)."""

NOTHING_BESIDE = Beside()
