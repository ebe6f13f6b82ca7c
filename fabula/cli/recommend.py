"""`fabula recommend`: which well-known model suits a task, here or on another machine. Knows no rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fabula.cli import screen
from fabula.cli.fit import ContextOption, GpuOption, RamOption, VramOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.words import language, say
from fabula.core.texts import as_bytes
from fabula.models.fit.asking import Question, bytes_of, tokens_of

if TYPE_CHECKING:
    from fabula.app.advising import Advised
    from fabula.models.recommend import Choice, Wish

TaskOption = Annotated[
    Literal["chat", "roleplay", "story", "code"] | None,
    typer.Option("--task", help=say("cli.recommend.task"), show_default=False),
]
LanguageOption = Annotated[
    str, typer.Option("--lang", metavar="CODE", help=say("cli.recommend.lang"), show_default=False)
]
LowOption = Annotated[bool, typer.Option("--low", help=say("cli.recommend.low"))]
AnywhereOption = Annotated[bool, typer.Option("--anywhere", help=say("cli.recommend.anywhere"))]
SlowestOption = Annotated[
    float, typer.Option("--min-tps", metavar="N", help=say("cli.recommend.min_tps"), min=0)
]
CountOption = Annotated[
    int, typer.Option("--count", "-n", metavar="N", help=say("cli.recommend.count"), min=1)
]
OutOption = Annotated[bool, typer.Option("--out", help=say("cli.recommend.out"))]

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.columns.name", "left"),
    ("cli.columns.quantization", "left"),
    ("cli.columns.size", "right"),
    ("cli.recommend.columns.context", "right"),
    ("cli.recommend.columns.rate", "right"),
)
CONTEXT = 8192


def recommend(
    task: TaskOption = None,
    lang: LanguageOption = "",
    ctx: ContextOption = "8k",
    vram: VramOption = "",
    ram: RamOption = "",
    gpu: GpuOption = "",
    min_tps: SlowestOption = 5.0,
    low: LowOption = False,
    anywhere: AnywhereOption = False,
    count: CountOption = 5,
    out: OutOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.models.recommend import Wish

    wish = Wish(
        task=task or "",
        language=lang.lower(),
        context=tokens_of("ctx", ctx) if ctx else CONTEXT,
        two_bits=low,
        slowest=min_tps,
        anywhere=anywhere,
    )
    question = Question(
        target="",
        ram=bytes_of("ram", ram) if ram else 0,
        vram=bytes_of("vram", vram) if vram else -1,
        gpu=gpu,
    )
    with screen.spinner(say("cli.recommend.planning")):
        found = advised(question, wish, home)
    if json:
        from fabula.models.known.telling import advice_data

        screen.json_lines(
            [advice_data(found.advice, wish, language()) | {"basis": found.basis.say(language())}]
        )
    else:
        show(found, wish, count, every=out)


def advised(question: Question, wish: Wish, home: Path | None) -> Advised:
    """No studio is needed for it."""
    from fabula.app.advising import advise
    from fabula.engine.builds import builds
    from fabula.engine.speed.shelf import Speeds
    from fabula.models import hardware
    from fabula.models.known.own import known
    from fabula.store import settings
    from fabula.store.home import Home

    place = Home.locate(home)
    build = builds.in_use(place.engines, settings.load(place).engine_build)
    return advise(known(place.catalog), question, wish, hardware.machine(), build, Speeds(place.speeds))


def show(found: Advised, wish: Wish, count: int, *, every: bool) -> None:
    from fabula.models.recommend import why

    best = found.advice.best[:count]
    if best:
        screen.table([(say(title), side) for title, side in COLUMNS], [row(choice) for choice in best])
        for number, choice in enumerate(best, 1):
            told = sentences(note.say(language()) for note in why(choice, wish))
            screen.line()
            screen.pairs([(f"{number}.", f"{choice.entry.name}: {told}")])
            screen.line(f"    {get(choice)}")
    else:
        screen.line(say("cli.recommend.none"))
    screen.line()
    ruled_out(found, wish, every=every)
    screen.note(say("recommend.rule", slowest=wish.slowest))
    screen.note(found.basis.say(language()))
    screen.note(say("cli.recommend.guide"))


def sentences(told: Iterable[str]) -> str:
    """One after the other, with a blank where the language has one."""
    return (" " if language() == "en" else "").join(told)


def row(choice: Choice) -> tuple[str, ...]:
    size = as_bytes(choice.size)
    return (
        choice.entry.name,
        choice.quantization,
        f"~{size}" if choice.approximate else size,
        f"{choice.plan.context:,}",
        rate(choice),
    )


def rate(choice: Choice) -> str:
    """ "6–11": the lowest and the highest."""
    if choice.speed is None:
        return "?"
    low, high = choice.speed.written
    return f"{low:.0f}–{high:.0f}" if high >= 10 else f"{low:.1f}–{high:.1f}"


def get(choice: Choice) -> str:
    if choice.source:
        return f"fabula pull {choice.source}"
    return f'fabula search "{choice.entry.name} GGUF"'


def ruled_out(found: Advised, wish: Wish, *, every: bool) -> None:
    """How many for which reason; with `every` each by its name, below what is said of it."""
    from fabula.models.recommend import why_not

    if every:
        said: dict[str, list[str]] = {}
        for choice in found.advice.out:
            said.setdefault(why_not(choice, wish).say(language()), []).append(choice.entry.name)
        screen.line(say("cli.recommend.ruled_out"))
        for sentence, names in said.items():
            screen.pairs([("-", f"{sentence}\n{', '.join(names)}")])
        return
    counts = Counter(choice.out for choice in found.advice.out)
    parts = [say(f"cli.recommend.reasons.{reason}", count=count) for reason, count in counts.most_common()]
    if parts:
        screen.line(say("cli.recommend.left_out", reasons=" · ".join(parts)))
