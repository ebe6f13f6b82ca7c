"""How a repository's offers look: its models with sizes and verdicts, one recommended. Knows no hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fabula.cli import screen
from fabula.cli.words import say
from fabula.core.texts import as_bytes

if TYPE_CHECKING:
    from rich.text import Text

NAMED = 3  # of the files that are not needed, by name
VERDICTS = {"fits": "ok", "tight": "warn", "partial": "warn", "no": "bad"}


def show(told: dict[str, Any]) -> None:
    """A table, largest first; what is recommended has an arrow."""
    screen.line(told["source"])
    if told["offers"]:
        screen.line()
        titles: list[tuple[str, screen.Side]] = [
            ("", "left"),
            (say("cli.columns.quantization"), "left"),
            (say("cli.columns.size"), "right"),
            (say("cli.columns.memory"), "right"),
            (say("cli.columns.verdict"), "left"),
        ]
        screen.table(titles, [row(offer) for offer in told["offers"]])
    screen.line()
    for sentence in notes(told):
        screen.note(sentence)


def row(offer: dict[str, Any]) -> tuple[str | Text, ...]:
    return (
        "→" if offer["recommended"] else "",
        label(offer),
        as_bytes(offer["size"]),
        about(offer["plan"]["total"], offer["basis"]),
        verdict(offer),
    )


def label(offer: dict[str, Any]) -> str:
    """The quantization; where others have the same one, or none is told, the name."""
    by_name = offer["source"].endswith(f":{offer['quantization']}") or offer["format"] == "safetensors"
    named = offer["quantization"] if by_name else offer["name"]
    return str(named or offer["name"])


def about(size: int, basis: str) -> str:
    return as_bytes(size) if basis == "header" else f"≈ {as_bytes(size)}"


def verdict(offer: dict[str, Any]) -> Text:
    from rich.text import Text

    said = say(f"cli.offers.verdict.{offer['verdict']}")
    if offer["out"] and offer["verdict"] != "no":
        return Text(f"{said} · {offer['out']}", style=screen.STYLES["soft"])
    return Text(said, style=screen.STYLES[VERDICTS[offer["verdict"]]])


def notes(told: dict[str, Any]) -> list[str]:
    best = best_of(told)
    name = label(best) if best else ""
    said = [say("cli.offers.best", name=name, why=told["why"]) if best else told["why"]]
    if told["projector"]:
        projector = told["projector"]
        said.append(say("cli.offers.projector", file=projector["path"], size=projector["size"]))
    if told["unneeded"]:
        names = [each["path"] for each in told["unneeded"]]
        more = f" +{len(names) - NAMED}" if len(names) > NAMED else ""
        said.append(say("cli.offers.unneeded", names=", ".join(names[:NAMED]) + more))
    if best:
        said.append(say("cli.offers.how", source=told["recommended"]))
    return said


def best_of(told: dict[str, Any]) -> dict[str, Any] | None:
    return next((offer for offer in told["offers"] if offer["recommended"]), None)
