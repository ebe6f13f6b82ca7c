"""Chats of other programs: who said what, in which order, with which alternatives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.chats.exchange import foreign, plain
from fabula.chats.exchange.foreign import Found
from fabula.chats.exchange.said import Said


def read(document: Any) -> list[Found]:
    return foreign.read("a chat", json.dumps(document).encode())


def told(found: Found) -> list[tuple[str, str]]:
    return [(one.role, one.text) for one in found.growth.path(found.end)]


HELLO = [("user", "Hello"), ("assistant", "Hi."), ("user", "Bye")]


def test_text_generation_webui_keeps_pairs_and_versions_of_answers() -> None:
    about = {
        "assistant_1": {"versions": [{"content": "Hi."}, {"content": "Hey."}], "current_version_index": 0}
    }
    internal = [["<|BEGIN-VISIBLE-CHAT|>", "*waves*"], ["Hello", "Hi."], ["Bye", ""]]
    [found] = read({"internal": internal, "visible": internal, "metadata": about, "x": 1})
    assert told(found) == [("assistant", "*waves*"), *HELLO]
    hi = next(one for one in found.growth.all.values() if one.text == "Hi.")
    assert [one.text for one in found.growth.group(hi)] == ["Hi.", "Hey."]
    assert found.kept["x"] == 1


def test_older_files_of_text_generation_webui_say_data() -> None:
    [found] = read({"data": [["Hello", "Hi."], ["Bye", ""]], "data_visible": [["Hello", "Hi."], ["Bye", ""]]})
    assert told(found) == HELLO


def test_koboldcpp_in_chat_mode_is_split_where_names_begin_a_line() -> None:
    settings = {"opmode": 3, "chatname": "Ann", "chatopponent": "Mira||$||Tom"}
    save = {
        "gamestarted": True,
        "prompt": "A storm.",
        "actions": ["\nAnn: Hello\nMira: Hi.\nTo: be", "\nTom: Yes"],
    }
    [found] = read(save | {"savedsettings": settings, "memory": "Be brief.", "authorsnote": "Rain"})
    assert [(one.author, one.text) for one in found.growth.path(found.end)] == [
        ("Mira", "A storm."),
        ("Ann", "Hello"),
        ("Mira", "Hi.\nTo: be"),
        ("Tom", "Yes"),
    ]
    assert found.fields == {"system": "Be brief.", "story": {"note": {"text": "Rain"}}}


def test_koboldcpp_in_instruct_mode_is_split_at_its_places() -> None:
    actions = ["\n{{[INPUT]}}\nHello\n{{[OUTPUT]}}\n", "Hi.", "\n{{[INPUT]}}\nBye\n{{[OUTPUT]}}\n"]
    [found] = read({"prompt": "", "actions": actions, "savedsettings": {"opmode": 4}})
    assert told(found) == HELLO


def test_a_story_of_koboldcpp_is_told_piece_by_piece() -> None:
    [found] = read({"prompt": "Once", "actions": [" upon", " a time."], "savedsettings": {"opmode": 1}})
    assert [text for _, text in told(found)] == ["Once", " upon", " a time."]


def test_agnai_keeps_other_replies_and_the_tree() -> None:
    rows = [
        {"_id": "1", "userId": "u", "handle": "Ann", "msg": "Hello", "createdAt": "2024-01-01T00:00:00Z"},
        {"_id": "2", "characterId": "c", "handle": "Mira", "msg": "Hi.", "parent": "1", "retries": ["Hey."]},
        {"_id": "4", "userId": "u", "handle": "Ann", "msg": "Stay", "parent": "2"},
        {"_id": "3", "userId": "u", "handle": "Ann", "msg": "Bye", "parent": "2"},
    ]
    [found] = read({"name": "Night", "messages": rows, "treeLeafId": "3"})
    assert (told(found), found.title, found.character) == (HELLO, "Night", "Mira")
    assert sorted(one.text for one in found.growth.ends()) == ["Bye", "Hey.", "Stay"]


def test_risu_brings_one_chat_or_all_of_a_character() -> None:
    rows = [
        {"role": "user", "data": "Hello"},
        {"role": "char", "data": "Hi."},
        {"role": "user", "data": "Bye"},
    ]
    chat = {"name": "Night", "message": rows, "note": "Rain", "localLore": [{"key": "x"}]}
    [one] = read({"type": "risuChat", "ver": 2, "data": chat})
    assert (told(one), one.title, one.kept["localLore"]) == (HELLO, "Night", [{"key": "x"}])
    assert [told(each) for each in read({"type": "risuAllChats", "ver": 2, "data": [chat, chat]})] == [
        HELLO,
        HELLO,
    ]


def test_dumps_of_character_ai_bring_each_history_as_a_chat() -> None:
    def said(human: bool, text: str) -> dict[str, Any]:
        return {"src": {"is_human": human, "name": "Ann" if human else "Mira"}, "text": text}

    history = {"msgs": [said(True, "Hello"), said(False, "Hi."), said(True, "Bye")]}
    found = read({"info": {"name": "Mira"}, "histories": {"histories": [history, history]}})
    assert [(told(one), one.user, one.character) for one in found] == [(HELLO, "Ann", "Mira")] * 2


def test_turns_of_character_ai_come_newest_first_with_their_candidates() -> None:
    def turn(at: str, human: bool, *texts: str) -> dict[str, Any]:
        candidates = [{"candidate_id": text, "raw_content": text} for text in texts]
        author = {"is_human": human} if human else {"name": "Mira"}
        return {
            "create_time": at,
            "author": author,
            "candidates": candidates,
            "primary_candidate_id": texts[-1],
        }

    rows = [turn("3", True, "Bye"), turn("2", False, "Hey.", "Hi."), turn("1", True, "Hello")]
    [found] = read({"turns": rows})
    assert told(found) == HELLO


@pytest.mark.parametrize("document", [{}, [], 3, "x", None, {"spec": "chara_card_v2"}, {"entries": {}}])
def test_what_is_no_chat_is_left_alone(document: Any) -> None:
    assert read(document) == []


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "msg", "internal", "actions", "prompt", "histories", "msgs", "turns", "data"]
            )
            | st.sampled_from(
                ["type", "message", "savedsettings", "candidates", "metadata", "retries", "parent", "src"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_no_file_of_strangers_breaks_the_reader(document: Any) -> None:
    for found in read(document):
        assert all(isinstance(one.text, str) for one in found.growth.all.values())
        assert not found.end or found.growth.path(found.end)


# ── for reading ─────────────────────────────────────────────────────────────────────────────────────

PATH = [
    Said(role="user", author="Ann", text="Hello <b>"),
    Said(role="assistant", author="Mira", text="*waves*\n\nHi."),
]


def test_text_and_markdown_name_who_speaks() -> None:
    assert plain.text("Night", PATH) == "Night\n\nAnn: Hello <b>\n\nMira: *waves*\n\nHi.\n"
    assert plain.markdown("Night", PATH).startswith(
        "# Night\n\n---\n\n**Ann**\n\nHello <b>\n\n---\n\n**Mira**"
    )


def test_a_page_runs_nothing_of_what_was_said() -> None:
    page = plain.page("<script>", PATH)
    assert "Hello &lt;b&gt;" in page
    assert "<p><em>waves</em></p><p>Hi.</p>" in page
    assert "<script" not in page
