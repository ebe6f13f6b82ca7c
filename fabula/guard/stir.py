"""Which pieces of a stream may turn it sexual, and so need a look. Knows atoms, not sentences; is fast.

Most text holds no atom that such a phrase ends with; pieces of it are told apart by one cached look-up each.
"""

from __future__ import annotations

import functools
import itertools
import re
import string

from fabula.guard.forms import endings_of_forms
from fabula.guard.kept import Known, kept
from fabula.guard.lexicon import HAN_ENDING, NUMBER_WORDS, lexicon
from fabula.guard.normalise import fold, slowed, spellings
from fabula.guard.spelled import syllables_of

QUIET, YOUNG, ALERTS, STIRS, ODD = range(5)
END = re.compile("[。!?;…\uff01\uff1f\uff1b\n.]")  # nothing else ends a sentence
LONGEST_PHRASE = 6  # atoms
ALERT_SPAN = 40  # characters that the rest of a phrase may take
BEFORE = 6  # characters before an atom that it is seen with
LONGEST_TAIL = 40  # characters
LONGEST_PIECE = 16  # characters: more is no token, and not worth keeping
ATOMS = re.compile(r"[A-Za-zÀ-ɏ']+|\d+|[^\sA-Za-zÀ-ɏ\d']")
_PLAIN = frozenset(
    ',.!?:;()[]{}<>"#%&+=/\\*_-~`^|“”‘’「」『』《》〈〉【】—–…·、。'
    "\uff0c\uff01\uff1f\uff1a\uff1b\uff08\uff09\uff0e\uff5e"  # the full-width , ! ? : ; ( ) . ~
)
_EAST = "㐀-䶿一-鿿ぁ-ヿ가-힣"
_GAPS = " *._~|/-+·•‧・∙⋅"
_CALM_HAN = re.compile(f"[一-鿿{re.escape(''.join(sorted(_PLAIN.difference(_GAPS))))}]*")
_APART = re.compile(rf"[{_EAST}][{re.escape(_GAPS)}]{{1,4}}$")
_BEFORE_APART = frozenset([*_GAPS, *string.ascii_letters, *string.digits])
_TAIL = re.compile(  # an open word, with what it may be the rest of; or characters that may be set apart
    rf"[{_EAST}]{{1,2}}[ *._~|/\-+·•‧・∙⋅]{{0,4}}$|[A-Za-zÀ-ɏ'\d]+(?:[.*_~|·][A-Za-zÀ-ɏ'\d]*)*$"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]$"
)
_USUAL = re.compile(r"([A-Za-z]{0,39})(?:\.? ([A-Za-z]{1,39})|([,.;:!?]))?")  # shorter than LONGEST_TAIL
_NO_TAIL = frozenset(["", *',;:!?"()\uff0c。\uff01\uff1f\uff1b\uff1a、“”「」…'])
_INSIDE = re.compile(r"[A-Za-z][.*_~|·]$|\d$")  # right before a Latin word: it may be the rest of one
_NO_NEIGHBOURS = frozenset(["", *' ,;:!?()"'])  # before a Latin word they change nothing
_AFTER_NUMBERS = frozenset(["st", "nd", "rd", "th", "s", "am", "pm", "km", "cm", "kg", "m", "h", "yo", "yrs"])
_SIGNS = frozenset("🚗🔞♀♂")


@functools.cache
def _kinds() -> dict[str, int]:
    """The kind of Latin words, and of Han characters together with those before them."""
    lists = lexicon()
    young = {form: YOUNG for ending in lists.young | {"岁"} for form in _spelled(ending)}
    kinds = young | dict.fromkeys(NUMBER_WORDS, YOUNG) | dict.fromkeys(lists.alerting, ALERTS)
    endings = lists.arming | {
        ending for ending in endings_of_forms() if not ending.isalpha() or not ending.isascii()
    }
    return kinds | {form: STIRS for ending in endings for form in _spelled(ending)}


def completes(text: str, last: str) -> bool:
    """Whether the last atom of a text, soon after one that ALERTS, may end a phrase."""
    last = last.lower()
    if last not in _completing():
        return False
    if last in endings_of_forms():
        return True
    atoms = [atom.lower() for atom in ATOMS.findall(text[-ALERT_SPAN:])]
    phrases = lexicon().open_ended
    return any(" ".join(atoms[-count:]) in phrases for count in range(2, min(len(atoms), LONGEST_PHRASE) + 1))


@functools.cache
def _completing() -> frozenset[str]:
    return endings_of_forms() | lexicon().completing


def _spelled(ending: str) -> list[str]:
    if ending.isascii():
        return [ending]
    return ["".join(forms) for forms in itertools.product(*(sorted(spellings(char)) for char in ending))]


def kind(atom: str, before: str) -> int:
    """QUIET, YOUNG (someone young may be told of), ALERTS (it may begin a phrase: look at the next atoms),
    STIRS (it may end one: look now) or ODD (it may be a disguise: look after every atom from here on)."""
    if atom.isascii() or "À" <= atom[0] <= "ɏ":
        return _latin(atom, before)
    if "㐀" <= atom <= "鿿" or "ぁ" <= atom <= "ヿ" or "가" <= atom <= "힣":
        return _eastern(atom, before)
    if atom in _SIGNS:
        return ODD
    if atom in _PLAIN or "\u3000" <= atom <= "\u303f" or "\u2600" <= atom <= "\u27bf" or atom >= "\U0001f000":
        return QUIET
    return QUIET if atom in "\ufe0f\u200d" and before[-1:] >= "\u2600" else ODD


def _latin(atom: str, before: str) -> int:
    return ALONE[atom] if before[-1:] in _NO_NEIGHBOURS else _beside(atom, before)


def _beside(atom: str, before: str) -> int:
    if atom in _PLAIN:
        return QUIET
    if atom.isdigit():
        if before[-1:].isalpha() and before[-1:].isascii():
            return ODD
        return YOUNG if len(atom) < 3 or (len(atom) == 4 and atom[:2] in ("19", "20")) else QUIET
    found, word = _word(atom)
    if found or len(word) == 1:
        return found
    if before[-1:] != " " and _INSIDE.search(before) and word not in _AFTER_NUMBERS:
        return ODD
    beside = before[-1:] > "\u2e80"
    return ODD if (beside or len(word) > 3) and syllables_of(word) else QUIET


def _word(atom: str) -> tuple[int, str]:
    """The kind of a Latin word wherever it stands, and the word."""
    word = atom.lower() if atom.isascii() else fold(atom)
    kinds = _kinds()
    if found := kinds.get(word) or kinds.get(slowed(word)) or kinds.get(word.rpartition("'")[2]):
        return found, word
    return (QUIET if len(word) != 1 or word in "ai'" else ODD), word


def _eastern(atom: str, before: str) -> int:
    kind_of, last = _kinds().get, before[-1:]
    if last in _BEFORE_APART and (last.isalnum() or _APART.search(before)):
        return STIRS
    alone, after_one = kind_of(atom, QUIET), kind_of(last + atom, QUIET)
    return max(alone, after_one, kind_of(before[1 - HAN_ENDING :] + atom, QUIET))


def quiet(tail: str, text: str, loudest: int = QUIET) -> str | None:
    """None for a piece that must be looked at, coming after `tail`; else what of both the next piece has to
    be seen with. `loudest`: YOUNG where someone young was told of before, so that another one is no news.

    Most pieces are the next word, go on with one, or end it: then only a word that is whole is looked up.
    Chinese ones are looked up alone, with what may not stand before them: most are new only beside others.
    """
    if not (text.isascii() and tail.isascii()) and len(text) <= LONGEST_PIECE:
        return _quiet_chinese(tail, text, loudest)
    piece = tail + text
    usual = _USUAL.fullmatch(piece)
    if not usual:
        return quiet_piece(piece, loudest)
    word, following, mark = usual.groups()
    if following is None and mark is None:
        return piece  # a word that may go on
    if word and ALONE[word] > loudest:
        return None
    return following or (piece if word and mark == "." else "")


@functools.lru_cache(maxsize=1 << 14)
def quiet_piece(piece: str, loudest: int) -> str | None:
    for match in ATOMS.finditer(piece):
        atom, start = match[0], match.start()
        if match.end() == len(piece) and may_go_on(atom):
            break
        if kind(atom, piece[max(0, start - BEFORE) : start]) > loudest:
            return None
    return tail_of(piece)


@functools.cache
def _endings(loudest: int) -> dict[str, list[str]]:
    """Of the last character of whatever is louder what stands before it."""
    endings: dict[str, list[str]] = {}
    for form, kind in _kinds().items():
        if kind > loudest and len(form) <= HAN_ENDING:
            endings.setdefault(form[-1], []).append(form[:-1])
    return endings


Piece = tuple[frozenset[str] | None, str]


def _of_chinese(loudest: int) -> Known[str, Piece]:
    """Of Chinese characters alone those after which something louder ends among them, and their tail. None
    where it does without any, and where other characters are."""

    def piece(text: str) -> Piece:
        if not _CALM_HAN.fullmatch(text):
            return None, ""
        after: set[str] = set()
        for place, char in enumerate(text):
            for begun in _endings(loudest).get(char, ()):
                if text.endswith(begun, 0, place):
                    return None, ""
                if begun.endswith(text[:place]):
                    after.add(begun[: len(begun) - place])
        return frozenset(after), tail_of(text)

    return Known(piece, MOST_WORDS)


def _quiet_chinese(tail: str, text: str, loudest: int) -> str | None:
    pieces = _CHINESE[loudest]
    after, rest = pieces[text]
    if after is None or pieces[tail][0] is None or tail[-1:] in after or tail[-2:] in after:
        return quiet_piece(tail + text, loudest)
    return rest if len(text) > 1 else tail_of(tail + text)


def _alone(atom: str) -> int:
    return _beside(atom, "")


MOST_WORDS = 1 << 14
_CHINESE = [_of_chinese(loudest) for loudest in (QUIET, YOUNG)]
ALONE = Known(_alone, MOST_WORDS)  # the kind of a Latin word before which nothing is that could change it


@kept(most=1 << 17)
def _kinds_in(text: str) -> frozenset[int]:
    return frozenset(
        kind(match[0], text[max(0, match.start() - BEFORE) : match.start()]) for match in ATOMS.finditer(text)
    )


def stirs(text: str) -> bool:
    """Whether anything in a whole text calls for a look."""
    return bool(_kinds_in(text) - {QUIET, YOUNG})


def arms(text: str) -> bool:
    """Whether a whole text may tell of someone young."""
    return YOUNG in _kinds_in(text)


def tail_of(text: str) -> str:
    """An open word, or a Han character with what may stand between it and the next one."""
    last = text[-1:]
    if last in _NO_TAIL or (last == " " and text[-2:-1].isascii() and text[-2:-1].isalnum()):
        return ""
    if "一" <= last <= "鿿" and "一" <= text[-2:-1] <= "鿿":
        return text[-2:]
    if last.isalnum() and last.isascii():  # most often: a Latin word after a space
        word = text[text.rfind(" ", max(0, len(text) - LONGEST_TAIL)) + 1 :]
        if word.isalnum() and word.isascii() and len(word) < LONGEST_TAIL:
            return word
    tail = _TAIL.search(text, max(0, len(text) - LONGEST_TAIL))
    return tail[0] if tail else ""


def may_go_on(atom: str) -> bool:
    """Whether the next piece could lengthen this atom."""
    return atom[0] == "'" or (atom[0].isalpha() and atom[0] <= "ɏ") or (atom.isascii() and atom.isdigit())
