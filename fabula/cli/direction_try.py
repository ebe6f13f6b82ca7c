"""`fabula direction try`: the same question at several scales, side by side. Knows no model and no maths."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.client import Client, error_of, segment
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.reply import printable
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import VectorNotFound

DirectionArgument = Annotated[
    str, typer.Argument(metavar="DIRECTION", help=say("cli.direction.direction"), show_default=False)
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help=say("cli.direction.model"), show_default=False)
]
PromptArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PROMPT]", help=say("cli.direction.try.prompt"), show_default=False),
]
ScalesOption = Annotated[str, typer.Option("--scales", metavar="A,B,…", help=say("cli.direction.try.scales"))]
AblateOption = Annotated[bool, typer.Option("--ablate", help=say("cli.direction.try.ablate"))]
TokensOption = Annotated[
    int, typer.Option("--max-tokens", "-n", metavar="TOKENS", help=say("cli.direction.try.tokens"), min=1)
]
TemperatureOption = Annotated[
    float, typer.Option("--temperature", "-t", metavar="T", help=say("cli.direction.try.temperature"), min=0)
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help=say("cli.direction.try.seed"))]


def try_(
    direction: DirectionArgument,
    model: ModelArgument,
    prompt: PromptArgument = None,
    scales: ScalesOption = "-1,0,1",
    ablate: AblateOption = False,
    tokens: TokensOption = 80,
    temperature: TemperatureOption = 0.0,
    seed: SeedOption = 1,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    wanted = numbers(scales)
    text = " ".join(prompt or []) or say("cli.direction.try.usual")
    sampling = {"max_tokens": tokens, "temperature": temperature, "seed": seed}
    with connect(home) as studio:
        if ablate:
            attach(studio, direction, model)
        else:
            require_vector(studio, direction)
        rows = [
            {
                "scale": scale,
                "text": reply(studio, model, text, sampling | asked(direction, scale, ablate=ablate)),
            }
            for scale in wanted
        ]
    if json:
        screen.json_lines(rows)
        return
    titles: list[tuple[str, screen.Side]] = [(f"{row['scale']:+g}", "left") for row in rows]
    screen.table(titles, [[printable(f"{row['text']}") for row in rows]])


def numbers(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise WrongUsage(say("cli.direction.try.no_scales", scales=text or "–"))
    return found


def require_vector(studio: Client, name: str) -> None:
    """Raises VectorNotFound: a reply leaves out what there is not, and only tells so."""
    known = [row["name"] for row in studio.get("/vectors")["vectors"]]
    if name not in known:
        raise VectorNotFound(name, ", ".join(known) or "–")


def asked(direction: str, scale: float, *, ablate: bool) -> dict[str, Any]:
    """Added as a control vector, or taken out by the adapter. Both are named at 0 too: nothing is then
    done."""
    return {"adapters" if ablate else "control_vectors": {direction: scale}}


def attach(studio: Client, direction: str, model: str) -> None:
    """At the usual scale 0, so that chats which do not name it stay as they were; one that is attached
    stays."""
    path = f"/models/{segment(model)}/adapters"
    rows = {row["name"]: row for row in studio.get(path)["adapters"]}
    if not rows.get(direction, {}).get("attached"):
        studio.post(f"{path}/attach", {"adapter": direction, "scale": 0.0})


def reply(studio: Client, model: str, text: str, sampling: dict[str, Any]) -> str:
    """The whole of it."""
    body = {"model": model, "messages": [{"role": "user", "text": text}], "sampling": sampling}
    parts = []
    for event in studio.stream("POST", "/generate", body):
        if event.kind == "text":
            parts.append(event.data["text"])
        elif event.kind == "error":
            raise error_of(event.data)
    return "".join(parts).strip()
