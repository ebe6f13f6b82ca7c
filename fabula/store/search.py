"""Full text search over everything that people write. Knows kinds of things, not the things.

The stock tokenizers of SQLite and PostgreSQL take a run of Chinese for one word and miss what stands inside
it. So texts are stored as words that any of them finds: `words` cuts runs without spaces into bigrams, and a
query is cut in the same way. One character alone finds the bigrams that begin with it, and the last one of a
run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Double, Integer, Select, delete, insert, select, text

from fabula.store.schema.search import search_entries

INDEX = "search_index"
TEXT_LIMIT = 1_000_000  # characters of one thing that are searched

# Han, kana, bopomofo and Hangul, in the ranges of the Unicode standard's blocks.
_UNSPACED = "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u31bf\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])\w)+)")


def words(written: str) -> str:
    """What is stored of a text: words as they are, runs of Chinese as bigrams and their last character."""
    return " ".join(
        word for run, plain in _pieces(written) for word in (*_bigrams(run), run[-1:], plain) if word
    )


def query(asked: str) -> str:
    """The same for a search: all pieces have to be there, the last word may go on. "" finds nothing."""
    terms = [_term(run, plain) for run, plain in _pieces(asked)]
    if terms and not terms[-1].endswith("*") and " " not in terms[-1]:
        terms[-1] += "*"
    return " ".join(terms)


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


def put(connection: Connection, kind: str, id: str, owner: str, written: str) -> None:
    """What is found under this id from now on; "" = nothing."""
    remove(connection, kind, [id])
    if stored := words(written):
        row = {"kind": kind, "item_id": id, "owner_id": owner, "search_text": stored}
        connection.execute(insert(search_entries).values(**row))


def remove(connection: Connection, kind: str, ids: Sequence[str]) -> None:
    condition = (search_entries.c.kind == kind) & search_entries.c.item_id.in_(ids)
    connection.execute(delete(search_entries).where(condition))


def found(owner: str, kind: str, asked: str) -> Select[tuple[str, float]]:
    """A query for `item_id` and `rank` (lower is better) of what matches; to be joined, or run as it is."""
    entries = search_entries
    hits = text(f"SELECT rowid AS number, rank FROM {INDEX} WHERE {INDEX} MATCH :asked")
    # As one step of its own: joined freely, the planner asks the index once for every row of the other table.
    hit = hits.bindparams(asked=query(asked)).columns(number=Integer, rank=Double).cte("hits")
    hit = hit.prefix_with("MATERIALIZED")
    matching = select(entries.c.item_id, hit.c.rank).join(hit, hit.c.number == entries.c.number)
    return matching.where(entries.c.kind == kind, entries.c.owner_id == owner)
