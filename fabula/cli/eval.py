"""`fabula eval …`. Knows how the work is asked for and shown, not how a model is asked."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fabula.cli import screen, verbs
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.probes import show_compared, show_scores
from fabula.cli.studio import connect
from fabula.cli.words import say

AgainstOption = Annotated[
    str,
    typer.Option("--against", metavar="MODEL", help=say("cli.eval.probes.against"), show_default=False),
]
LanguageOption = Annotated[
    str, typer.Option("--language", metavar="LANGUAGE", help=say("cli.eval.probes.language"))
]
RepliesOption = Annotated[bool, typer.Option("--replies", help=say("cli.eval.probes.replies"))]


def probes(
    model: ModelArgument,
    against: AgainstOption = "",
    language: LanguageOption = "all",
    replies: RepliesOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    asked = {"model": model, "against": against, "language": language}
    with connect(home) as studio:
        found = follow(studio, studio.post("/evals/probes", asked), json=json)["result"]
        texts = studio.get("/evals/probes")["probes"] if found and not json else []
    if not found or json:
        return
    if found["against"]:
        show_compared(found, texts)
    else:
        show_scores(found, texts, replies=replies)
    screen.note(say("evals.probes.about"))


def group() -> Any:
    return verbs.group("eval", [("probes", probes)])
