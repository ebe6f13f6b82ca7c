"""The floor's eye on one stream: shows text as it comes until it turns sexual, then sentence by sentence.

Who is young is read only then, from all that was said before. What is shown depends on the text alone, not on
how it was cut into pieces. Knows no word of any list.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fabula.core.errors import Blocked
from fabula.core.seams import Watch
from fabula.guard.births import Births
from fabula.guard.cast import CHAIN, introduces
from fabula.guard.categories import bits
from fabula.guard.glance import Glance, glance
from fabula.guard.purpose import Frame, is_clear
from fabula.guard.reading import (
    LONGEST,
    WAITS,
    Sentence,
    heat_in,
    is_heated,
    next_end,
    read_sentence,
    tells_young,
)
from fabula.guard.scene import WARM, Scene
from fabula.guard.sense import senses_heat, senses_young
from fabula.guard.stir import (
    ALERT_SPAN,
    ALERTS,
    ATOMS,
    BEFORE,
    END,
    ODD,
    QUIET,
    STIRS,
    YOUNG,
    completes,
    kind,
    may_go_on,
    quiet,
    tail_of,
)

POLICY = "floor"


class FloorWatch:
    """Implements `core.seams.Watch`. `further` sees only what the floor lets through.

    `hear` tells the scene before the reply and the frame that the request sets; called when needed.
    """

    _open: str  # the sentence that has not ended, as it came
    _shown: int  # characters of it that were let through
    _looked: int  # characters of it whose atoms were looked at
    _hold_from: int  # from where on it is held; before it is, what may have been shown before it was armed
    _held: bool
    _alert: float  # up to here every atom may complete a phrase; without end after signs of disguise
    _back: str  # its open word, while that is kept back
    _ripe: bool  # it holds a mark that may end it, which the next character decides
    _tail: str  # of it, what the next piece is seen with

    def __init__(self, hear: Callable[[], tuple[Scene, Frame]], further: Watch, *, warm: bool, armed: bool):
        """`warm`: the conversation before may be sexual already; `armed`: it may tell of someone young."""
        self._hear = hear
        self._further = further
        self._scene: Scene | None = None
        self._frame = Frame()
        if warm:
            self._scene, self._frame = hear()
        self._is_report = is_clear(self._frame)  # and nothing in the reply depicts or lures
        self._lured = False
        self._blocked = False
        self._past: list[str] = []  # sentences that ended, of which nobody has needed to know who is in them
        self._births = Births()
        self._sensed = 0  # of the past, the sentences of which it is known that they tell of nobody young
        self._young = False  # one of them does
        self._cool = WARM + 1 if self._scene is None else 0  # sentences since one that was not
        self._idle = 0  # sentences for which something sexual stays present that was left unread
        self._dry: list[tuple[str, bool]] = []  # unread sentences of a report, and whether each was judged
        self._news: list[int] = []  # which of them may tell of someone young
        self._young_at = -1000  # which of them surely does
        self._steady = True  # none of them may end anybody's youth
        self._calm: list[str] = []  # pieces that were shown without a look, and are not yet in `_open`
        self._easy = False
        # Armed (YOUNG), an open word is kept back until it is known: it could be the one that completes.
        self._armed = YOUNG if armed else QUIET
        self._begin("")

    def feed(self, text: str) -> str:
        if self._easy:
            armed = self._armed
            tail = quiet(self._tail, text, armed)
            if tail is not None:
                self._tail = tail
                self._calm.append(text)
                if armed:  # its open word waits, and the one before is shown
                    text = self._back + text
                    known = len(text) - len(tail)
                    text, self._back = (text[:known], text[known:]) if known > 0 else ("", text)
                return self._further.feed(text)
        elif self._held and not (self._blocked or self._ripe) and len(self._open) + len(text) <= LONGEST:
            calm = text.lstrip(" ").isalnum() or not END.search(text)
            if calm or WAITS.fullmatch(text):
                self._ripe = not calm
                self._open += text
                return self._further.feed("")
        owed = self._catch_up() if self._easy else ""
        if self._blocked:
            raise Blocked(POLICY)
        self._open += text
        out = owed + (self._take() if self._ripe or self._may_end(text) else self._so_far())
        if self._blocked and not out:
            raise Blocked(POLICY)
        return self._further.feed(text if out == text else out)  # the same object where nothing was changed

    def finish(self) -> str:
        """What was held back, when it may be shown. Raises Blocked."""
        out = self._catch_up() if self._easy else ""
        while not self._blocked and self._open:
            out += self._close(next_end(self._open, 0) or len(self._open))
        if self._blocked:
            raise Blocked(POLICY)
        return (self._further.feed(out) if out else "") + self._further.finish()

    def _catch_up(self) -> str:
        """Take in what was passed while it was easy: whole sentences of it are past. What of them was kept
        back as an open word is no longer open, and may be shown."""
        self._easy = False
        self._open += "".join(self._calm)
        self._calm.clear()
        while (end := next_end(self._open, 0)) is not None:
            self._leave(self._open[:end])
            self._open = self._open[end:]
            self._hold_from = 0
        self._ripe = END.search(self._open) is not None
        owed = self._back[: max(0, len(self._back) - len(self._open))]
        self._shown = max(0, len(self._open) - len(self._back))
        self._looked = max(0, len(self._open) - len(self._tail))
        self._alert = 0.0
        return owed

    # ── one sentence after the other ────────────────────────────────────────────────────────────────

    def _begin(self, rest: str) -> None:
        self._open, self._tail, self._back = rest, "", ""
        self._shown = self._looked = self._hold_from = 0
        self._held = self._idle > 0 or (self._scene is not None and not self._past and self._scene.warm)
        self._alert = 0.0
        self._ripe = END.search(rest) is not None

    def _may_end(self, text: str) -> bool:
        """Whether a sentence may have ended with this piece: else nobody needs to look for its end."""
        self._ripe = END.search(text) is not None
        return self._ripe or len(self._open) + len(text) > LONGEST

    def _take(self) -> str:
        out = ""
        while not self._blocked and (self._ripe or len(self._open) > LONGEST):
            end = next_end(self._open, 0)
            if end is None:
                break
            out += self._close(end)
        return out if self._blocked else out + self._so_far()

    def _so_far(self) -> str:
        """What may be shown of a sentence that has not ended."""
        if self._held:
            return ""
        self._look(len(self._open), closed=False)
        self._tail = tail_of(self._open)
        known = len(self._open) - (len(self._tail) if self._armed else 0)
        start, self._shown = self._shown, max(self._shown, self._hold_from if self._held else known)
        self._easy = not self._held and self._alert <= self._looked
        self._back = self._open[self._shown :]
        return self._open[start : self._shown]

    def _close(self, end: int) -> str:
        """Judge a whole sentence; what may be shown of it."""
        if not self._held:
            self._look(end, closed=True)
        raw, rest, start = self._open[:end], self._open[end:], self._shown
        if self._held and self._judge(raw):
            self._blocked = True
            return raw[start : max(start, self._hold_from)]
        if not self._held:
            self._leave(raw)
        self._begin(rest)
        return raw[start:]

    def _leave(self, raw: str) -> None:
        self._past.append(raw)
        self._cool += 1

    # ── what was said, and by whom it may be meant ──────────────────────────────────────────────────

    def _judge(self, raw: str) -> bool:
        if self._is_passing_hint(raw):
            return False
        if self._scene is None:
            self._scene, self._frame = self._hear()
            self._is_report = is_clear(self._frame)
        if self._is_report and not self._scene.warm and self._is_dry(self._scene, raw):
            return False
        if self._dry:
            self._make_up(self._scene)
        if self._is_idle(self._scene, raw):
            return False
        for past in self._past:
            self._step(self._scene, past)
        self._forget_past()
        return self._weigh(self._scene, raw)

    def _forget_past(self) -> None:
        self._past.clear()
        self._sensed = self._idle = 0
        self._young = False

    def _weigh(self, scene: Scene, raw: str) -> bool:
        guilty = self._step(scene, raw)
        born = self._births.known and self._births.minors()
        if born:
            reckoned = Sentence("", minors=born, words=bits("reckoned"))
            guilty |= scene.step(reckoned, "assistant", self._in_frame())
        return guilty

    def _is_dry(self, scene: Scene, raw: str) -> bool:
        """In a report, where someone young is near, a sentence that neither depicts nor lures completes
        nothing: it is left unread until one does."""
        told = [*self._past, raw]
        if not (self._is_young_near(scene) or self._is_young_in(told, scene)):
            return False
        seen: list[Glance] = []
        for sentence in told:
            at_once = glance(sentence)
            if not at_once.dry:
                return False
            seen.append(at_once)
        for sentence, at_once in zip(told, seen, strict=True):
            self._dry.append((sentence, sentence is raw))
            self._steady &= at_once.steady
            if not at_once.steady:
                self._young_at = -1000
                self._news.clear()
            elif at_once.news:
                self._news.append(len(self._dry))
        self._forget_past()
        return True

    def _is_young_near(self, scene: Scene) -> bool:
        """Whether it is sure, with what was left unread, that a pronoun may still mean someone young."""
        if self._births.known:
            return True
        unread = len(self._dry) + len(self._past)
        while self._news and unread - self._young_at > CHAIN and unread - self._news[-1] <= CHAIN:
            number = self._news.pop()
            if introduces(read_sentence(self._dry[number - 1][0])):
                self._young_at = number
                self._news.clear()
        return unread - self._young_at <= CHAIN or (self._steady and scene.has_someone_within(unread))

    def _is_young_in(self, told: list[str], scene: Scene) -> bool:
        """Whether it is sure that one of these sentences would be read for whom it may tell of."""
        known = self._young_at > 0 or (self._steady and scene.has_someone)
        return any(senses_young(sentence) and (known or tells_young(sentence)) for sentence in told)

    def _make_up(self, scene: Scene) -> None:
        """Read what was left unread of a report."""
        for sentence, judged in self._dry:
            if judged:
                self._weigh(scene, sentence)
            else:
                self._step(scene, sentence)
        self._dry.clear()
        self._news.clear()
        self._young_at, self._steady = -1000, True

    def _is_passing_hint(self, raw: str) -> bool:
        """A hint ("undressed") with nothing of the kind before it completes nothing: it is left for later."""
        warm = self._idle > 0 or (self._scene is not None and self._scene.warm)
        cool, self._cool = self._cool, 0
        if warm or cool <= WARM or heat_in(raw) > 1:
            return False
        self._past.append(raw)
        return True

    def _is_idle(self, scene: Scene, raw: str) -> bool:
        """Where nobody young is near, a sentence is left for later: it can complete nothing."""
        if scene.at - scene.asked_at <= WARM or self._births.known or scene.has_young_within(len(self._past)):
            return False
        if not self._young:
            for past in (*self._past[self._sensed :], raw):
                if self._tells_young(scene, past):
                    self._young = True
                    break
        if self._young:
            return False
        self._past.append(raw)
        self._sensed = len(self._past)
        self._idle = WARM if scene.warm or senses_heat(raw) else max(0, self._idle - 1)
        return True

    def _tells_young(self, scene: Scene, past: str) -> bool:
        if senses_young(past) and (scene.minors or tells_young(past)):
            return True
        return bool(scene.minors) and scene.named(past.lower())

    def _step(self, scene: Scene, raw: str) -> bool:
        """Read a sentence and take it in. True when it completes a violation."""
        sentence = read_sentence(raw)
        said = sentence.said
        folded = sentence.text if said is not None and said.pure else None
        if sentence.dated:
            self._births.add(raw, folded)
        else:
            self._births.go_past(raw, folded)
        scene.at += 1
        if sentence.lured or sentence.depicts:
            self._lured = True
        if sentence.frame or self._lured:
            self._frame |= sentence.frame
            self._is_report = not self._lured and is_clear(self._frame)
        return sentence.eventful and scene.step(sentence, "assistant", self._in_frame())

    def _in_frame(self) -> Frame:
        return Frame() if self._lured else self._frame

    # ── what makes a sentence warm ──────────────────────────────────────────────────────────────────

    def _look(self, end: int, *, closed: bool) -> None:
        """Go through the atoms up to `end` until one makes the sentence warm; text after it is held."""
        text = self._open
        for match in ATOMS.finditer(text, self._looked, end):
            atom, (start, stop) = match[0], match.span()
            if stop == end and not closed and may_go_on(atom):
                return
            self._looked = stop
            found = kind(atom, text[max(0, start - BEFORE) : start])
            armed = self._armed
            if found == YOUNG and not armed:
                self._armed, self._hold_from = YOUNG, stop
            if found in (ALERTS, ODD):
                self._alert = math.inf if found == ODD else max(self._alert, start + ALERT_SPAN)
            near = start < self._alert and (self._alert == math.inf or completes(text[:stop], atom))
            if (found >= STIRS or near) and is_heated(text[:stop]):
                kept = start if armed else stop
                if armed and "㐀" <= atom <= "鿿":  # a phrase may have begun in what is kept back before it
                    kept = max(self._hold_from, start - len(tail_of(text[:start])))
                self._held, self._hold_from = True, kept
                return
