"""Well-known sayings about hardware, each confirmed or corrected by the planner. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabula.core import texts
from fabula.models.community.cells import GIB
from fabula.models.fit import Wanted, plan
from fabula.models.fit.breakdown import breakdown
from fabula.models.fit.cache import Load
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine
from fabula.models.known import skeletons

NEAR = 0.05  # of a saying's figure: it was rounded
RESERVE = 512 << 20  # bytes that a card gives to its driver and the engine's programs
GB = 10**9


@dataclass(frozen=True, slots=True)
class Found:
    """What the planner finds: the figure in bytes that the saying is about, and whether it holds."""

    holds: bool
    figure: int
    available: int = 0


@dataclass(frozen=True, slots=True)
class Saying:
    """`claimed` is bytes. The sentence is the text `community.saying.NAME`."""

    name: str
    claimed: int
    check: Callable[[int], Found]

    def found(self) -> Found:
        return self.check(self.claimed)


def weighs(kind: str, type_: str) -> Callable[[int], Found]:
    """The weights alone are as much as is said."""

    def check(claimed: int) -> Found:
        size = _body(kind, type_).weights
        return Found(abs(size / claimed - 1) <= NEAR, size)

    return check


def fits(kind: str, type_: str, context: int) -> Callable[[int], Found]:
    """All of it is on a card of that size, with the context."""

    def check(claimed: int) -> Found:
        card = Gpu("card", claimed, claimed, "cuda")
        machine = Machine(
            system="",
            processor="",
            cores=8,
            physical_cores=8,
            memory=256 * GIB,
            memory_available=256 * GIB,
            gpus=(card,),
        )
        model, body = skeletons.model(kind, type_), _body(kind, type_)
        planned = plan(model, machine, Wanted(context=context, slots=1), gpu=True, anatomy=body)
        needed = breakdown(body, Load(context=context, gpu_layers=len(body.layers) + 1)).device + RESERVE
        return Found(planned.verdict in ("fits", "tight"), needed, claimed)

    return check


def layers(kind: str, type_: str, count: int, context: int) -> Callable[[int], Found]:
    """So many layers, with their part of the context, take no more than is said."""

    def check(claimed: int) -> Found:
        needed = breakdown(_body(kind, type_), Load(context=context, gpu_layers=count)).device + RESERVE
        return Found(needed <= claimed, needed, claimed)

    return check


def grows(kind: str, type_: str, context: int) -> Callable[[int], Found]:
    """Twice the context takes so much more; `claimed` is the whole before, as if it doubled, too."""

    def check(claimed: int) -> Found:
        body = _body(kind, type_)
        once, twice = (
            breakdown(body, Load(context=each, gpu_layers=len(body.layers) + 1)).device
            for each in (context, 2 * context)
        )
        return Found(twice >= 2 * once * (1 - NEAR), twice - once, once)

    return check


def _body(kind: str, type_: str) -> Any:
    found = skeletons.body(kind, type_)
    assert found is not None
    return found


SAYINGS = (
    Saying("7b_fp16", 14 * GB, weighs("llama-2-7b", "F16")),
    Saying("7b_4bit", int(3.5 * GB), weighs("llama-2-7b", "Q4_K_M")),
    Saying("13b_fp16", 26 * GB, weighs("llama-2-13b", "F16")),
    Saying("13b_4bit", int(6.5 * GB), weighs("llama-2-13b", "Q4_K_M")),
    Saying("13b_30_layers", 6 * GIB, layers("llama-2-13b", "Q4_K_M", 30, 2048)),
    Saying("14b_on_12", 12 * GIB, fits("qwen2.5-14b", "Q4_K_M", 8192)),
    Saying("8b_on_8", 8 * GIB, fits("llama-3.1-8b", "Q4_K_M", 8192)),
    Saying("13b_on_12", 12 * GIB, fits("llama-2-13b", "Q5_K_M", 4096)),
    Saying("20b_on_16", 16 * GIB, fits("llama-2-20b-merge", "Q4_K_M", 4096)),
    Saying("32b_on_24", 24 * GIB, fits("qwen2.5-32b", "Q4_K_M", 8192)),
    Saying("70b_on_48", 48 * GIB, fits("llama-3.1-70b", "Q4_K_M", 8192)),
    Saying("70b_on_24", 24 * GIB, fits("llama-3.1-70b", "IQ2_XXS", 8192)),
    Saying("mixtral_56b", int(56 * 4.85 / 8 * GB), weighs("mixtral-8x7b", "Q4_K_M")),
    Saying("twice_context", 0, grows("llama-3.1-8b", "Q4_K_M", 8192)),
)


def data(language: str = "en") -> list[dict[str, Any]]:
    return [row(saying, language) for saying in SAYINGS]


def row(saying: Saying, language: str = "en") -> dict[str, Any]:
    found = saying.found()
    return {
        "saying": texts.say(f"community.saying.{saying.name}", language),
        "holds": found.holds,
        "figure": found.figure,
        "available": found.available,
        "told": texts.say(
            f"community.found.{saying.name}",
            language,
            gb=found.figure / GB,
            gib=found.figure / GIB,
            percent=found.figure / found.available if found.available else 0.0,
        ),
    }


def page() -> str:
    """In Markdown."""
    lines = ["| what is said | holds | what the planner finds |", "|---|---|---|"]
    rows = data()
    lines += [f"| {each['saying']} | {'yes' if each['holds'] else 'no'} | {each['told']} |" for each in rows]
    return "\n".join(lines)
