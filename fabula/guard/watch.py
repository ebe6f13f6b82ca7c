"""The floor's eye on one stream: shows text as it comes until a scene is live, then sentence by sentence.

What is shown depends on the text alone, not on how it was cut into pieces. Knows no word of any list.
"""

from __future__ import annotations

import math

from fabula.core.errors import Blocked
from fabula.core.seams import Watch
from fabula.guard.purpose import Frame
from fabula.guard.reading import LONGEST, Sentence, next_end, read_sentence
from fabula.guard.scene import Scene
from fabula.guard.stir import (
    ALERT_SPAN,
    ALERTS,
    ATOMS,
    END,
    NOTED,
    ODD,
    STIRS,
    kind,
    may_go_on,
    quiet,
    tail_of,
)

POLICY = "floor"


class FloorWatch:
    """Implements `core.seams.Watch`. `further` sees only what the floor lets through.

    `frame` is what the request sets: a question about a law makes its answer a report.
    """

    _open: str  # the sentence that has not ended, as it came
    _shown: int  # characters of it that were let through
    _looked: int  # characters of it whose atoms were looked at
    _hold_from: int  # from where on it is held
    _held: bool
    _worth: bool  # reading at its end
    _alert: float  # up to here every atom may complete a phrase; without end after signs of disguise
    _easy: bool  # nothing in it calls for a closer look so far
    _tail: str  # of it, what the next piece is seen with

    def __init__(self, scene: Scene, frame: Frame, further: Watch):
        self._scene = scene
        self._frame = frame
        self._further = further
        self._lured = False
        self._blocked = False
        self._ripe = False  # the open sentence ends with a mark whose meaning the next character decides
        self._begin("")

    def feed(self, text: str) -> str:
        if self._easy:
            tail = quiet(self._tail + text)
            if tail is not None and len(self._open) + len(text) <= LONGEST:
                self._tail = tail
                self._open += text
                return self._further.feed(text)
            self._catch_up()
        if self._blocked:
            raise Blocked(POLICY)
        self._open += text
        if self._held and not self._ripe and len(self._open) <= LONGEST and not END.search(text):
            return self._further.feed("")
        out = self._take(text)
        if self._blocked and not out:
            raise Blocked(POLICY)
        return self._further.feed(text if out == text else out)  # the same object where nothing was changed

    def finish(self) -> str:
        """What was held back, when it may be shown. Raises Blocked."""
        self._catch_up()
        out = "" if self._blocked or not self._open else self._close(len(self._open))
        if self._blocked:
            raise Blocked(POLICY)
        return (self._further.feed(out) if out else "") + self._further.finish()

    def _catch_up(self) -> None:
        """Note what was shown while it was easy."""
        if self._easy:
            self._shown, self._easy = len(self._open), False
            self._looked = max(self._looked, self._shown - len(self._tail))

    # ── one sentence after the other ────────────────────────────────────────────────────────────────

    def _begin(self, rest: str) -> None:
        self._open, self._tail = rest, ""
        self._shown = self._looked = self._hold_from = 0
        self._held = self._scene.live
        self._worth = self._held or bool(self._scene.minors)
        self._alert, self._easy = 0.0, False

    def _take(self, text: str) -> str:
        out = ""
        if self._ripe or len(self._open) > LONGEST or END.search(text):
            while not self._blocked and (end := next_end(self._open, 0)) is not None:
                out += self._close(end)
            self._ripe = END.search(self._open) is not None
        return out if self._blocked else out + self._so_far()

    def _so_far(self) -> str:
        """What may be shown of a sentence that has not ended."""
        if self._held:
            return ""
        self._look(len(self._open), closed=False)
        start, self._shown = self._shown, self._hold_from if self._held else len(self._open)
        self._easy = not (self._held or self._ripe or self._scene.minors or self._alert > self._looked)
        self._tail = tail_of(self._open)
        return self._open[start : self._shown]

    def _close(self, end: int) -> str:
        """Judge a whole sentence; what may be shown of it."""
        if not self._held:
            self._look(end, closed=True)
        raw, rest, start = self._open[:end], self._open[end:], self._shown
        self._scene.at += 1
        if self._worth and self._judge(read_sentence(raw, 0)):
            self._blocked = True
            return raw[start : max(start, self._hold_from)] if self._held else ""
        self._begin(rest)
        return raw[start:]

    def _judge(self, sentence: Sentence) -> bool:
        self._lured |= sentence.lured or sentence.depicts
        self._frame |= sentence.frame
        frame = Frame() if self._lured else self._frame
        return sentence.eventful and self._scene.step(sentence, "assistant", frame)

    # ── what makes a sentence live ──────────────────────────────────────────────────────────────────

    def _look(self, end: int, *, closed: bool) -> None:
        """Go through the atoms up to `end` until one makes the sentence live; text after it is held."""
        for match in ATOMS.finditer(self._open, self._looked, end):
            atom, start = match[0], match.start()
            if match.end() == end and not closed and may_go_on(atom):
                return
            self._looked = match.end()
            found = STIRS if start < self._alert else kind(atom, self._open[max(0, start - 6) : start])
            if found in (ALERTS, ODD):
                self._alert = math.inf if found == ODD else start + ALERT_SPAN
            self._worth |= found >= NOTED
            if (found >= STIRS or self._scene.minors) and self._is_live(self._open[: self._looked]):
                self._held, self._hold_from = True, self._looked
                return

    def _is_live(self, text: str) -> bool:
        sentence = read_sentence(text, 0)
        return bool(sentence.strong or sentence.heat) or self._scene.named(sentence.text)
