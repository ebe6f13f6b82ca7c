"""What the scripted model says in the browser tests, chosen by the person's words. Knows no browser."""

from __future__ import annotations

import itertools

from fabula.core.errors import EngineDied
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import PIECE, Reply, ScriptedWorker
from fabula.prompt.novel.words import ENGLISH

STORY = """The keeper counted the ships by their lamps, *never* by their names.

On the **third night** there was one lamp too many:

1. the ferry, low and yellow,
2. the pilot boat,
3. a small green light that did not move with the waves.

| lamp | bearing | colour |
|---|---:|---|
| ferry | 214° | yellow |
| pilot | 190° | white |

```python
def lamps(night):
    return [lamp for lamp in night if lamp.moves]
```

"You are late," she said to the dark, and the dark, after a while, agreed."""

ATTACK = """<script>window.stolen = 1</script>
<img src=x onerror="window.stolen = 2"><svg onload="window.stolen = 3"></svg>
<iframe srcdoc="<script>parent.stolen = 4</script>"></iframe>
<p style="position:fixed;inset:0" onclick="window.stolen = 5">Harmless words</p>

[a link](javascript:window.stolen=6) [another](https://example.org/page)
![a picture](https://tracker.example.org/pixel.png)

<form action="https://example.org"><input name="q"><button>Go</button></form>
"""

SLOWLY = Reply(" ".join(f"word{number}" for number in range(400)), delay_s=0.02)
STEADILY = Reply(" ".join(f"step{number}" for number in range(90)), delay_s=0.02)
FAILS = Reply("It began well and then", error=EngineDied("tiny", "it was killed"), fail_at=8)
CIRCLES = "Round and round. " * 60
SCENES = {
    "story": STORY,
    "attack": ATTACK,
    "slowly": SLOWLY,
    "steadily": STEADILY,
    "fail": FAILS,
    "circles": CIRCLES,
    "curtly": "Yes",
}

THINKING_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
THOUGHT = "The ferry is counted twice, so one lamp has to go."
PONDERS = Reply(f"<think>\n{THOUGHT}\n</think>\n\nThere are **twelve** lamps.", delay_s=0.005)
DWELLS = Reply("<think>\nFirst. " + "And then again. " * 200, delay_s=0.02)
THOUGHTS = {"ponder": PONDERS, "dwell": DWELLS}

_numbers = itertools.count(1)


class Actor(ScriptedWorker):
    """Plays the scene named in the last message of the person, else a numbered reply."""

    def __init__(self) -> None:
        super().__init__(self.play)
        self.pieces: dict[int, str] = {}

    def ids(self, text: str) -> list[int]:
        found = super().ids(text)
        self.pieces.update(zip(found, PIECE.findall(text), strict=True))
        return found

    def play(self, prompt: Prompt, sampling: Sampling) -> Reply | str:
        told = "".join(self._text(piece) for piece in prompt.pieces)
        asked = told.rpartition("<user>")[2].partition("</>")[0].replace(ENGLISH.go_on, "")
        if thought := next((THOUGHTS[word] for word in THOUGHTS if word in asked), None):
            is_closed = "</think>" in told.rpartition("<assistant>")[2]
            return Reply("Then it is twelve.", delay_s=0.01) if is_closed else thought
        scene = next((SCENES[word] for word in SCENES if word in asked), None)
        return scene or Reply(f"Reply number {next(_numbers)}.", delay_s=0.01)

    def _text(self, piece: str | tuple[int, ...]) -> str:
        return piece if isinstance(piece, str) else "".join(self.pieces.get(id, "") for id in piece)
