"""Rows and templates of batches: what is read from a file, what is asked of a row, what comes out again."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.batches import output, table, template
from fabula.batches.refusals import looks_refused
from fabula.core.errors import ColumnMissing, RowsUnreadable, RowTemplateUnusable

PEOPLE = "姓名,城市,備註\n林小姐,臺北,她喜歡下雨的晚上\n陳先生,高雄,他在海邊看守燈塔\n"
FRIENDS = "姓名,城市,备注\n林小姐,北京,她喜欢下雨的晚上\n陈先生,上海,他在海边看守灯塔\n"


def rows_of(text: str | bytes, name: str = "t.csv", **more: Any) -> tuple[dict[str, Any], ...]:
    return table.parse(name, text.encode() if isinstance(text, str) else text, **more).rows


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_csv_with_quotes_commas_and_line_breaks_is_read_as_it_was_meant() -> None:
    assert rows_of('a,b\r\n"x, ""y""","two\nlines"\r\n\r\nz,\r\n') == (
        {"a": 'x, "y"', "b": "two\nlines"},
        {"a": "z", "b": ""},
    )


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_the_delimiter_is_what_the_header_has_most_of(delimiter: str) -> None:
    text = f'"a, b"{delimiter}c{delimiter}d\n1{delimiter}2{delimiter}3\n'
    assert rows_of(text) == ({"a, b": "1", "c": "2", "d": "3"},)


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        (PEOPLE, "utf-8", "utf-8"),
        (PEOPLE, "utf-8-sig", "utf-8-sig"),
        (PEOPLE, "utf-16", "utf-16"),
        (PEOPLE, "big5", "big5hkscs"),
        (FRIENDS, "gb18030", "gb18030"),
        (FRIENDS, "gbk", "gb18030"),
    ],
)
def test_chinese_tables_are_read_in_the_encoding_that_they_have(text: str, encoding: str, found: str) -> None:
    read = table.parse("t.csv", text.encode(encoding))
    assert (read.encoding, read.columns[0]) == (found, "姓名")
    assert [row["姓名"] for row in read.rows] == [line.split(",")[0] for line in text.splitlines()[1:]]


def test_an_encoding_that_is_named_is_taken_or_refused() -> None:
    assert rows_of("a\né\n".encode("latin-1"), encoding="latin-1") == ({"a": "é"},)
    for encoding in ("ascii", "no-such"):
        with pytest.raises(RowsUnreadable):
            rows_of("a\né\n", encoding=encoding)


def test_jsonl_keeps_types_and_the_order_in_which_columns_come() -> None:
    read = table.parse("t.jsonl", '{"b": 1}\n\n{"a": ["x", "\u2028"], "b": null}\n'.encode())
    assert (read.columns, read.rows) == (("b", "a"), ({"b": 1}, {"a": ["x", "\u2028"], "b": None}))


@pytest.mark.parametrize(
    ("name", "text", "row", "word"),
    [
        ("t.csv", "a,b\n1,2\n1,2,3\n", 2, "3 fields"),
        ("t.csv", "a,b\n1\n", 1, "1 fields"),
        ("t.csv", 'a,b\n"1,2\n', 1, "CSV"),
        ("t.csv", "a,a\n1,2\n", 0, "a"),
        ("t.csv", "a,\n1,2\n", 0, "none empty"),
        ("t.csv", "a,b\n", 0, "no rows"),
        ("t.jsonl", '{"a": 1}\nno\n', 2, "JSON"),
        ("t.jsonl", "[1]\n", 1, "list"),
        ("t.jsonl", '{"a": NaN}\n', 1, "NaN"),
        ("t.jsonl", '{"a": 1}\n{"a": "\\ud83d"}\n', 2, "surrogates"),
        ("t.txt", "a\n1\n", 0, ".csv"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_row(name: str, text: str, row: int, word: str) -> None:
    with pytest.raises(RowsUnreadable) as told:
        rows_of(text, name)
    assert told.value.row == row
    assert word in f"{told.value}"


@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.jsonl", "t.tsv"]))
def test_any_bytes_give_a_table_or_an_error_for_people(data: bytes, name: str) -> None:
    try:
        rows = table.parse(name, data).rows
    except RowsUnreadable:
        return
    assert rows


# ── templates ───────────────────────────────────────────────────────────────────────────────────────────


def test_places_are_filled_and_other_braces_stay() -> None:
    asked = template.parse('Give {"title": "…"} for {title} by {full name}: {姓名} { } {1}')
    assert asked.columns == ("title", "full name", "姓名")
    row = {"title": "{title}", "full name": "A", "姓名": ["林"]}
    assert asked.fill(row) == 'Give {"title": "…"} for {title} by A: ["林"] { } {1}'


def test_jinja_has_columns_loops_and_the_whole_row() -> None:
    asked = template.parse(
        "{% for tag in tags %}#{{ tag }} {% endfor %}{{ row['full name'] }}{{ title | upper }}"
    )
    assert asked.columns == ("tags", "title")
    assert asked.fill({"tags": ["a", "b"], "title": "x", "full name": "N"}) == "#a #b NX"


def test_a_missing_column_is_told_before_anything_is_asked() -> None:
    read = table.parse("t.jsonl", b'{"a": 1}\n{"b": 2}\n{"a": null}\n')
    with pytest.raises(ColumnMissing) as told:
        template.check([template.parse("{a}")], read)
    assert (told.value.column, told.value.row, told.value.known) == ("a", 2, "a, b")
    with pytest.raises(ColumnMissing):
        template.check([template.parse("{{ c }}")], read)


@pytest.mark.parametrize(
    "source", ["questions.txt", "{{ a", "{% if %}", "{{ 1 / 0 }}", "{{ ''.__class__.x }}"]
)
def test_a_template_that_cannot_be_used_is_told(source: str) -> None:
    read = table.parse("t.csv", b"a\n1\n")
    with pytest.raises(RowTemplateUnusable):
        template.check([template.parse(source)], read)


# ── output ──────────────────────────────────────────────────────────────────────────────────────────────

ANSWER = dict.fromkeys(output.ANSWER, "") | {"answer": '說：「好」, "yes"\nline 2', "status": "ok"}


def test_a_csv_keeps_the_rows_own_columns_and_what_was_answered(tmp_path: Path) -> None:
    read = table.parse("t.csv", "name;answer\n她;x\n".encode("utf-8-sig"))
    output.write(tmp_path / "o.csv", read, [ANSWER | {"sampling": {"seed": 1}, "seed": None}])
    data = (tmp_path / "o.csv").read_bytes()
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")
    assert (row["name"], row["answer"], row["fabula_answer"]) == ("她", "x", ANSWER["answer"])
    assert (row["sampling"], row["seed"], data[:3]) == ('{"seed": 1}', "", b"\xef\xbb\xbf")


def test_jsonl_keeps_types(tmp_path: Path) -> None:
    read = table.parse("t.jsonl", b'{"n": 1, "tags": ["a"]}\n')
    output.write(tmp_path / "o.jsonl", read, [ANSWER | {"answer": {"n": 2}}])
    row = json.loads((tmp_path / "o.jsonl").read_text(encoding="utf-8"))
    assert (row["n"], row["tags"], row["answer"]) == (1, ["a"], {"n": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("I’m sorry, but I can’t assist with that.", "i can't assist"),
        ("As an AI,\nI  cannot  provide that.", "i cannot provide"),
        ("很抱歉，我無法提供這項資訊。", "我無法提供"),
        ("抱歉,我不能说。", "抱歉，我不能"),
        ("She said she could not help with it, and left.", ""),
        ("The keeper waited. " * 30 + "I can't help with that.", ""),
    ],
)
def test_a_refusal_is_known_by_a_phrase_at_the_beginning(text: str, phrase: str) -> None:
    assert looks_refused(text) == phrase
