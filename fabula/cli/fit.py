"""`fabula fit TARGET`: what a model would take, here or on another machine. Knows no formula."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.show import memory
from fabula.cli.words import language, say
from fabula.core.errors import BadParameter
from fabula.core.texts import as_bytes, phrase
from fabula.models.fit.asking import Answer, Answers, Question, bytes_of, kv_of, tokens_of

if TYPE_CHECKING:
    from fabula.engine.builds.builds import Build
    from fabula.engine.speed.shelf import Speeds
    from fabula.models.fit.speed import Speed

Target = Annotated[str, typer.Argument(metavar="[TARGET]", help=say("cli.fit.target"), show_default=False)]
ContextOption = Annotated[str, typer.Option("--ctx", metavar="TOKENS", help=say("cli.fit.ctx"))]
KvOption = Annotated[str, typer.Option("--kv", metavar="TYPE", help=say("cli.fit.kv"))]
SlotsOption = Annotated[int, typer.Option("--slots", metavar="COUNT", help=say("cli.fit.slots"))]
VramOption = Annotated[str, typer.Option("--vram", metavar="SIZE", help=say("cli.fit.vram"))]
RamOption = Annotated[str, typer.Option("--ram", metavar="SIZE", help=say("cli.fit.ram"))]
GpuOption = Annotated[str, typer.Option("--gpu", metavar="NAME", help=say("cli.fit.gpu"))]
AdapterOption = Annotated[
    list[str], typer.Option("--adapter", metavar="NAME|FILE", help=say("cli.fit.adapter"), show_default=False)
]
MmprojOption = Annotated[str, typer.Option("--mmproj", metavar="FILE", help=say("cli.fit.mmproj"))]
DraftOption = Annotated[str, typer.Option("--draft", metavar="NAME|FILE", help=say("cli.fit.draft"))]
LayersOption = Annotated[
    int | None,
    typer.Option("--gpu-layers", metavar="COUNT", help=say("cli.fit.gpu_layers"), show_default=False),
]
AsOption = Annotated[str, typer.Option("--as", metavar="TYPE", help=say("cli.fit.as_type"))]
ExactOption = Annotated[bool, typer.Option("--exact", help=say("cli.fit.exact"))]
SpeedOption = Annotated[bool, typer.Option("--speed", help=say("cli.fit.speed"))]
BatchOption = Annotated[
    Path | None,
    typer.Option("--batch", metavar="ROWS.jsonl", help=say("cli.fit.batch"), show_default=False),
]


def fit(
    target: Target = "",
    ctx: ContextOption = "",
    kv: KvOption = "",
    slots: SlotsOption = 0,
    vram: VramOption = "",
    ram: RamOption = "",
    gpu: GpuOption = "",
    adapter: AdapterOption = [],  # noqa: B006  # typer reads it, nobody changes it
    mmproj: MmprojOption = "",
    draft: DraftOption = "",
    gpu_layers: LayersOption = None,
    as_type: AsOption = "",
    exact: ExactOption = False,
    speed: SpeedOption = False,
    batch: BatchOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    if batch is not None:
        return rows(batch)
    if not target:
        raise BadParameter("target", "", phrase("expected.given"))
    question = Question(
        target=target,
        context=tokens_of("ctx", ctx) if ctx else 0,
        kv_type=kv_of(kv) if kv else "",
        slots=slots,
        ram=bytes_of("ram", ram) if ram else 0,
        vram=bytes_of("vram", vram) if vram else -1,
        gpu=gpu,
        adapters=tuple(adapter),
        projector=mmproj,
        draft=draft,
        gpu_layers=gpu_layers,
        quantization=as_type,
    )
    with screen.spinner(say("cli.fit.reading", target=target)):
        answer = asked(home).answer(question)
        answer = told_by_engine(answer, home) if exact else answer
        arguments = engine_arguments(answer)
    found = rated(answer, home, measured=speed)
    if json:
        from fabula.models.fit.telling import answer_data

        return screen.json_lines([answer_data(answer, arguments, language(), found)])
    show(answer, arguments)
    return show_speed(found, elsewhere=answer.elsewhere)


def rows(file: Path) -> None:
    """Many plans, one JSON object per line."""
    from fabula.models.fit.rows import plan_rows

    if not file.is_file():
        raise BadParameter("batch", str(file), phrase("expected.file"))
    screen.json_lines(plan_rows(file))


def asked(home: Path | None) -> Answers:
    """For this machine and this home's shelf; no studio is needed for it."""
    from fabula.app.retyping import retyped
    from fabula.core.load import NOTHING, LoadOptions
    from fabula.core.model import LocalModel
    from fabula.engine.builds import builds
    from fabula.models import hardware
    from fabula.models.adapters.shelf import Adapters
    from fabula.models.catalog import Catalog
    from fabula.models.fit.neighbours import Neighbours
    from fabula.store import settings
    from fabula.store.home import Home

    place = Home.locate(home)
    told = settings.load(place)

    def options(model: LocalModel) -> LoadOptions:
        return told.models.get(model.name, NOTHING)

    build, shelf = builds.in_use(place.engines, told.engine_build), Catalog(place.models).find
    return Answers(
        hardware.machine,
        place.headers,
        shelf,
        uses_gpus=build.uses_gpus,
        engine=build.version,
        settings=options,
        neighbours=Neighbours(
            shelf, Adapters(place.adapters).find, hardware.machine, lambda: build.uses_gpus
        ),
        retyped=retyped,
    )


def told_by_engine(answer: Answer, home: Path | None) -> Answer:
    import asyncio

    from fabula.engine.builds import builds
    from fabula.engine.oracle import EngineOracle
    from fabula.store import settings
    from fabula.store.home import Home

    place = Home.locate(home)
    build = builds.in_use(place.engines, settings.load(place).engine_build)
    return asyncio.run(answer.asked(EngineOracle(build)))


def rated(answer: Answer, home: Path | None, *, measured: bool) -> Speed | None:
    """How fast it would be, by what was measured before, or is now."""
    from fabula.engine.builds import builds
    from fabula.engine.speed.estimate import estimate
    from fabula.engine.speed.shelf import Speeds
    from fabula.store import settings
    from fabula.store.home import Home

    place = Home.locate(home)
    build = builds.in_use(place.engines, settings.load(place).engine_build)
    speeds = Speeds(place.speeds)
    if measured and not answer.elsewhere:
        place.create()
        measure(answer, speeds, build)
    return estimate(answer, speeds, build)


def measure(answer: Answer, speeds: Speeds, build: Build) -> None:
    """The model's own types, a second or two each, on the processor and on the card where it has layers."""
    import asyncio

    from fabula.engine.speed import measure as measuring
    from fabula.engine.speed.estimate import body_of
    from fabula.engine.speed.shelf import key
    from fabula.models.fit.speed import kinds_of

    body, plan = body_of(answer), answer.plan
    if body is None:
        return
    kinds = [kind for kind in kinds_of(body) if kind not in ("F32", "?")]
    whole = plan.gpu_layers > len(body.layers) and not plan.options.moe_cpu
    places = [*([] if whole else [("", plan.threads)]), *([("card", 0)] if plan.gpu_layers else [])]
    for place, threads in places:
        name = answer.machine.gpus[0].name if place else ""
        setting = measuring.Setting(
            machine=answer.machine, build=build, threads=plan.threads, on_card=bool(place)
        )
        with screen.spinner(say("cli.fit.measuring", kinds=", ".join(kinds))):
            rates = asyncio.run(measuring.measure(kinds, setting))
        speeds.add(key(answer.machine, build, threads, name), rates)


def show_speed(speed: Speed | None, *, elsewhere: bool = False) -> None:
    if speed is None:
        return screen.note(say("cli.fit.no_speed_elsewhere" if elsewhere else "cli.fit.no_speed"))
    low, high = speed.written
    at_the_end = speed.written_full
    screen.note(say("cli.fit.written", low=low, high=high, low_full=at_the_end[0], high_full=at_the_end[1]))
    if any(speed.read):
        screen.note(say("cli.fit.read", low=speed.read[0], high=speed.read[1]))
    basis = speed.basis.replace(", ", "_").replace(" ", "_")
    return screen.note(say(f"cli.fit.basis.{basis}"))


def engine_arguments(answer: Answer) -> list[str]:
    from fabula.engine.llamacpp.loading import answered_arguments

    return answered_arguments(answer)


def show(answer: Answer, arguments: list[str]) -> None:
    from fabula.models.fit.telling import plan_data

    model, plan = answer.model, answer.plan
    named: list[tuple[str, str]] = [
        (say("cli.columns.name"), model.title or model.name),
        (say("cli.columns.quantization"), model.quantization),
        (say("cli.columns.size"), as_bytes(model.size)),
    ]
    screen.pairs(
        [
            *(row for row in named if row[1]),
            ("", ""),
            *memory(plan_data(plan, language()), elsewhere=answer.elsewhere),
        ]
    )
    screen.pairs(details(answer))
    for note in (*answer.hints, *plan.reasons, *plan.warnings):
        screen.note(note.say(language()))
    if arguments:
        screen.note(say("cli.fit.arguments", arguments=" ".join(arguments)))


def details(answer: Answer) -> list[tuple[str, str]]:
    """What the table of devices has no place for."""
    plan = answer.plan
    rows: list[tuple[str, Any]] = [
        ("layers", f"{plan.gpu_layers}" if plan.gpu_layers else ""),
        ("largest", f"{plan.largest_context:,}" if plan.largest_context else ""),
        ("repacked", as_bytes(plan.devices[0].repacked) if plan.devices[0].repacked else ""),
        ("prompt_cache", as_bytes(plan.prompt_cache) if plan.prompt_cache else ""),
    ]
    return [(say(f"cli.fit.rows.{name}"), value) for name, value in rows if value]
