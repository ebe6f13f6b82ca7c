"""Whether weights make numbers at all, a model's and each adapter's: asked once of each. Knows no process.

Damaged weights load like any others, and every reply is then one token again and again (measured: 100 KB of
0xff in the starter). The engine could look through all of them, in half a second per gigabyte or more; a
sentence that it reads (0.1 s with the starter) tells as much of all weights that take part in it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from fabula.core.errors import AdapterUnusable, ModelLoadFailed
from fabula.core.texts import phrase

FILE = "sound.txt"  # in the folder of logs: what identifies the weights of each file that was found sound
KEPT = 1000  # lines
TEXT = "The ship left the harbour at noon, and by evening nobody on the shore could see it any more."


def is_known(folder: Path, weights: str) -> bool:
    return weights in _known(folder)


def remember(folder: Path, weights: str) -> None:
    """A full disk does not keep a model from running."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        lines = [*_known(folder)[-KEPT + 1 :], weights]
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def require(name: str, answer: dict[str, Any], adapter: str = "") -> None:
    """Raises ModelLoadFailed where not even the likeliest token has a probability, AdapterUnusable where it
    has none with an adapter. An older llama-server of the user's own, which tells it in another form, is let
    be."""
    told = answer.get("completion_probabilities") or ()
    likeliest = told[0].get("top_logprobs") if told else ()
    if likeliest and likeliest[0].get("logprob", 0.0) is None:
        if adapter:
            raise AdapterUnusable(adapter, phrase("models.adapter.no_numbers"))
        raise ModelLoadFailed(name, phrase("reasons.no_numbers"), advice="models.advice.crashed")


def _known(folder: Path) -> list[str]:
    with suppress(OSError):
        return (folder / FILE).read_text(encoding="utf-8").splitlines()
    return []
