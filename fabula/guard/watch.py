"""The floor's eye on one stream: shows text as it comes until a scene is live, then sentence by sentence.

What is shown depends on the text alone, not on how it was cut into pieces. Knows no word of any list.
"""

from __future__ import annotations

import functools
import re

from fabula.core.errors import Blocked
from fabula.core.seams import Watch
from fabula.guard.lexicon import lexicon
from fabula.guard.normalise import spellings
from fabula.guard.numerals import CARDINALS, TENS
from fabula.guard.reading import LONGEST, Sentence, next_end, read_sentence
from fabula.guard.scene import Scene

POLICY = "floor"
_ATOMS = re.compile(r"[A-Za-z']+|\d+|[^\sA-Za-z\d']")
_WORDS_OF_AGE = "old olds age aged birthday yo later 岁 三 四 五 六 七 八 九 十 后".split()
_PLAIN = frozenset("aiAI'" + ",.!?:;()[]{}<>\"#%&+=/\\*_-~`^“”‘’「」『』《》〈〉【】—–…·,。!?、:;()")
_END = re.compile(r"[。!?;…!?;\n.]")


@functools.cache
def _quick() -> tuple[frozenset[str], frozenset[str]]:
    """Atoms after which a sentence may be live, and atoms for which it is worth reading at its end."""
    lists = lexicon()
    numbers = set(TENS) | {word for word, value in CARDINALS.items() if value > 2}
    live = lists.arming | numbers | set(_WORDS_OF_AGE)
    return _spelled(live), _spelled(live | lists.noted)


def _spelled(atoms: set[str] | frozenset[str]) -> frozenset[str]:
    return frozenset(form for atom in atoms for form in (spellings(atom) if len(atom) == 1 else {atom}))


class FloorWatch:
    """Implements `core.seams.Watch`. `further` sees only what the floor lets through.

    `frame` is what the request sets: a question about a law makes its answer a report.
    """

    def __init__(self, scene: Scene, frame: int, further: Watch):
        self._scene = scene
        self._frame = frame
        self._further = further
        self._lured = False
        self._blocked = False
        self._ripe = False  # the open sentence ends with a mark whose meaning the next character decides
        self._begin("")

    def feed(self, text: str) -> str:
        self._open += text
        out = "" if self._blocked else self._take(text)
        if self._blocked and not out:
            raise Blocked(POLICY)
        if out == text:
            out = text  # the same object: it tells the turn that nothing was changed
        return self._further.feed(out)

    def finish(self) -> str:
        """What was held back, when it may be shown. Raises Blocked."""
        out = "" if self._blocked or not self._open else self._close(len(self._open))
        if self._blocked:
            raise Blocked(POLICY)
        return (self._further.feed(out) if out else "") + self._further.finish()

    # ── one sentence after the other ────────────────────────────────────────────────────────────────

    def _begin(self, rest: str) -> None:
        self._open = rest  # the sentence that has not ended, as it came
        self._shown = 0  # characters of it that were let through
        self._looked = 0  # characters of it whose atoms were looked at
        self._held = self._scene.live
        self._worth = self._held or bool(self._scene.minors)  # reading at its end
        self._hold_from = 0  # of it, when it is held
        self._odd = False  # signs of disguise: every atom may complete a word

    def _take(self, text: str) -> str:
        out = ""
        if len(self._open) > LONGEST or self._ripe or _END.search(text):
            while not self._blocked and (end := next_end(self._open, 0)) is not None:
                out += self._close(end)
            self._ripe = bool(_END.search(self._open[-8:]))
        return out if self._blocked else out + self._so_far()

    def _so_far(self) -> str:
        """What may be shown of a sentence that has not ended."""
        if self._held:
            return ""
        self._look(len(self._open), closed=False)
        start, self._shown = self._shown, self._hold_from if self._held else len(self._open)
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
        frame = 0 if self._lured else self._frame
        guilty = sentence.eventful and self._scene.step(sentence, "assistant", frame)
        self._frame += sentence.frame
        return guilty

    # ── what makes a sentence live ──────────────────────────────────────────────────────────────────

    def _look(self, end: int, *, closed: bool) -> None:
        """Go through the atoms up to `end` until one makes the sentence live; text after it is held."""
        live, noted = _quick()
        for match in _ATOMS.finditer(self._open, self._looked, end):
            atom = match[0]
            if match.end() == end and not closed and (atom[0].isalnum()) and atom.isascii():
                return  # it may go on
            self._looked = match.end()
            atom = atom.lower()
            if atom in live or self._odd or not self._is_plain(atom):
                self._worth = True
                if self._is_live(self._open[: match.end()]):
                    self._held, self._hold_from = True, match.end()
                    return
            elif atom in noted:
                self._worth = True

    def _is_plain(self, atom: str) -> bool:
        """Whether an atom is ordinary writing; single letters, digits and foreign signs may be a disguise."""
        if len(atom) > 1 and not atom.isdigit():
            return True
        if atom in _PLAIN or "㐀" <= atom <= "鿿" or "\u3000" <= atom <= "\u30ff":
            return True
        self._odd |= not atom.isdigit()
        return False

    def _is_live(self, text: str) -> bool:
        sentence = read_sentence(text, 0)
        return bool(sentence.strong or sentence.heat) or self._scene.named(sentence.text)
