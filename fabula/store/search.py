"""Full text search over everything that people write. Knows kinds of things, not the things.

The stock tokenizers of SQLite and PostgreSQL take a run of Chinese for one word and miss what stands inside
it. So texts are stored as words that any of them finds: `words` cuts runs without spaces into bigrams, and a
query is cut in the same way. One character alone finds the bigrams that begin with it, and the last one of a
run.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Double, Integer, Select, TextClause, delete, insert, select, text, update

from fabula.store.schema.search import search_entries

INDEX = "search_index"
TEXT_LIMIT = 1_000_000  # characters of one thing that are searched
SCORED = 500  # hits that are put in order by how well they match
ENOUGH = 200  # hits of whole words beside which words that only begin so are not looked for

# Han, kana, bopomofo and Hangul, in the ranges of the Unicode standard's blocks.
_UNSPACED = "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u31bf\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])\w)+)")


def words(written: str) -> str:
    """What is stored of a text: words as they are, runs of Chinese as bigrams and their last character."""
    return " ".join(
        word for run, plain in _pieces(written) for word in (*_bigrams(run), run[-1:], plain) if word
    )


def query(asked: str, whole: bool = False) -> str:
    """The same for a search: all pieces have to be there, the last word may go on unless all are `whole`. ""
    finds nothing."""
    terms = [_term(run, plain) for run, plain in _pieces(asked)]
    if terms and not whole and not terms[-1].endswith("*") and " " not in terms[-1]:
        terms[-1] += "*"
    return " AND ".join(terms)


def _pieces(written: str) -> Iterator[tuple[str, str]]:
    folded = unicodedata.normalize("NFKC", written[:TEXT_LIMIT]).casefold()
    return ((found[1] or "", found[2] or "") for found in _PIECE.finditer(folded))


def _bigrams(run: str) -> Sequence[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def _term(run: str, plain: str) -> str:
    """In quotes, so that no word of the query language is read in it."""
    if len(run) == 1:
        return f'"{run}"*'
    return f'"{" ".join(_bigrams(run)) or plain}"'


def put(connection: Connection, kind: str, id: str, owner: str, written: str, title: str = "") -> None:
    """What is found under this id from now on; where both are "", nothing is."""
    remove(connection, kind, [id])
    put_new(connection, kind, owner, [(id, written, title)])


def put_new(connection: Connection, kind: str, owner: str, things: Iterable[tuple[str, str, str]]) -> None:
    """Many (id, text, title) at once, of which nothing was found before."""
    word = scope(kind, owner)
    rows = [
        {
            "kind": kind,
            "item_id": id,
            "owner_id": owner,
            "scope": word,
            "title": called,
            "search_text": stored,
        }
        for id, written, title in things
        if (stored := words(written)) + (called := words(title))
    ]
    if rows:
        connection.execute(insert(search_entries), rows)


def remove(connection: Connection, kind: str, ids: Sequence[str] | Select[Any]) -> None:
    condition = (search_entries.c.kind == kind) & search_entries.c.item_id.in_(ids)
    connection.execute(delete(search_entries).where(condition))


def set_aside(connection: Connection, kind: str, ids: Sequence[str], owner: str, aside: bool) -> None:
    """Finds things only among those that are set aside (in a trash), or again among the others."""
    mine = (search_entries.c.kind == kind) & search_entries.c.item_id.in_(ids)
    word = scope(kind, owner, aside)
    change = update(search_entries).where(mine, search_entries.c.owner_id == owner)
    connection.execute(change.where(search_entries.c.scope != word).values(scope=word))


def scope(kind: str, owner: str, aside: bool = False) -> str:
    """Kind and owner as one word of the index: no tokenizer cuts it, and nobody can write it."""
    return f"{kind}{'trash' if aside else ''}{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Search:
    """One question to the index, with as much work as its answer needs.

    To score a hit takes 1.5 µs, to find one 0.1 µs (measured with 100,000 entries): where there are more
    than `SCORED` of them, those that are called by the words come first and then the newest, and no other is
    looked at. Words that begin with the last one are found too, unless the words themselves are found often
    enough: of the beginning of a word there may be thousands of words, whose hits have to be merged.
    """

    kind: str
    owner: str
    asked: str
    aside: bool = False

    @property
    def finds_nothing(self) -> bool:
        return not query(self.asked)

    def total(self, connection: Connection) -> int:
        return 0 if self.finds_nothing else self._whole_or_begun(connection)[1]

    def best(self, connection: Connection, limit: int, offset: int = 0) -> list[str]:
        """Ids of what matches, the best first."""
        if self.finds_nothing:
            return []
        whole, total = self._whole_or_begun(connection)
        everywhere, title = self._in(EVERYWHERE, whole), self._in("title", whole)
        if total <= SCORED:
            return self._ids(connection, _SCORED, everywhere, limit, offset) if total else []
        called = self._count(connection, title)
        way = _SCORED if called <= SCORED else _NEWEST
        first = self._ids(connection, way, title, limit, offset) if offset < called else []
        rest = f"({everywhere}) NOT ({title})"
        more = limit - len(first)
        return first + (self._ids(connection, _NEWEST, rest, more, max(offset - called, 0)) if more else [])

    def newest(self, connection: Connection, limit: int, before: int | None = None) -> list[tuple[int, str]]:
        """(number, id) of what matches, the newest first, below a number."""
        if self.finds_nothing:
            return []
        everywhere = self._in(EVERYWHERE, self._whole_or_begun(connection)[0])
        names = {"asked": everywhere, "before": before or _NO_END, "most": limit}
        return [(row.number, row.item_id) for row in connection.execute(_BEFORE, names)]

    def found(self, connection: Connection) -> Select[Any]:
        """A query for `item_id` and `rank` (lower is better) of all that matches, to be joined."""
        whole, total = self._whole_or_begun(connection)
        ranked = "bm25(search_index, 0, 8, 1)" if total <= SCORED else "-rowid"
        hits = text(f"SELECT rowid AS number, {ranked} AS rank FROM {INDEX} WHERE {INDEX} MATCH :asked")
        # As one step of its own: joined freely, the planner asks the index once for each row of the other.
        hit = (
            hits.bindparams(asked=self._in(EVERYWHERE, whole))
            .columns(number=Integer, rank=Double)
            .cte("hits")
        )
        hit = hit.prefix_with("MATERIALIZED")
        entries = search_entries.c
        return select(entries.item_id, hit.c.rank).join_from(
            hit, search_entries, hit.c.number == entries.number
        )

    def _whole_or_begun(self, connection: Connection) -> tuple[bool, int]:
        """Whether only whole words are looked for, and the number of hits."""
        found = self._count(connection, self._in(EVERYWHERE, True))
        if found >= ENOUGH:
            return True, found
        return False, self._count(connection, self._in(EVERYWHERE, False))

    def _in(self, columns: str, whole: bool) -> str:
        word = scope(self.kind, self.owner, self.aside)
        return f'scope : "{word}" AND {columns} : ({query(self.asked, whole)})'

    def _count(self, connection: Connection, asked: str) -> int:
        return int(connection.scalar(_COUNT, {"asked": asked}) or 0)

    def _ids(self, connection: Connection, way: TextClause, asked: str, limit: int, offset: int) -> list[str]:
        names = {"asked": asked, "most": limit, "past": offset}
        return [str(id) for id in connection.scalars(way, names)]


EVERYWHERE = "{title search_text}"
_NO_END = 1 << 62
_HITS = f"FROM {INDEX} CROSS JOIN search_entries e ON e.number = {INDEX}.rowid WHERE {INDEX} MATCH :asked"
_COUNT = text(f"SELECT count(*) FROM {INDEX} WHERE {INDEX} MATCH :asked")
_SCORED = text(
    f"SELECT e.item_id {_HITS} ORDER BY bm25({INDEX}, 0, 8, 1), {INDEX}.rowid DESC LIMIT :most OFFSET :past"
)
_NEWEST = text(f"SELECT e.item_id {_HITS} ORDER BY {INDEX}.rowid DESC LIMIT :most OFFSET :past")
_BEFORE = text(
    f"SELECT e.number, e.item_id {_HITS} AND {INDEX}.rowid < :before ORDER BY {INDEX}.rowid DESC LIMIT :most"
)
