"""Characters in files: what is read, what is written, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_truth import ROLEPLAY

from fabula.chats.characters import archive, png
from fabula.chats.characters.card import Card, card
from fabula.chats.characters.reading import Bundle, read
from fabula.chats.characters.writing import as_charx, as_json, as_png
from fabula.core.errors import CardUnreadable
from fabula.core.texts import catalogue

TRUTH = json.loads((ROLEPLAY / "card_import.json").read_text(encoding="utf-8"))
PICTURE = png.plain(2, 3, (10, 20, 30))


def fixture(name: str) -> Bundle:
    return read(name, (ROLEPLAY / name).read_bytes())


def picture_with(keyword: str, text: bytes) -> bytes:
    return png.with_texts(PICTURE, {keyword: text})


def refusal(content: bytes) -> str:
    with pytest.raises(CardUnreadable) as refused:
        read("a.png", content)
    assert "a.png" in refused.value.sentence("zh-Hant")
    return str(refused.value.fields["reason"])


def said(reason: str) -> str:
    return catalogue("en")[f"cards.reason.{reason}"]


# ── what is read ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_card_is_read_as_sillytavern_reads_it(name: str) -> None:
    ours, theirs = fixture(name).card, TRUTH[name]["get"]["data"]
    for field in ("name", "description", "personality", "scenario", "first_mes", "mes_example", "creator"):
        assert ours.text(field) == theirs.get(field, "")
    assert ours.texts("alternate_greetings") == tuple(theirs.get("alternate_greetings", ()))
    assert ours.texts("tags") == tuple(theirs.get("tags", ()))
    assert ours.talkativeness == float(theirs["extensions"].get("talkativeness", 0.5))
    assert bool(ours.book) == ("character_book" in theirs)


def test_the_third_version_stands_before_the_second() -> None:
    both = fixture("mira_v3_both_chunks.png").card
    assert both.spec == "chara_card_v3"
    assert both.name == TRUTH["mira_v3_both_chunks.png"]["get"]["data"]["name"]


def test_a_charx_brings_its_files_and_its_icon() -> None:
    mira = fixture("mira.charx")
    assert mira.picture == mira.files["assets/icon/images/main.png"]
    assert "assets/emotion/images/happy.png" in mira.files


def test_an_archive_behind_a_picture_is_found() -> None:
    behind = b"\xff\xd8\xff\xe0 some picture" + (ROLEPLAY / "mira.charx").read_bytes()
    assert read("risu.jpeg", behind).card.name == fixture("mira.charx").card.name


def test_a_nickname_is_what_char_stands_for() -> None:
    assert card({"data": {"name": "Mirabel", "nickname": "Mira"}}).called == "Mira"
    assert card({"data": {"name": "Mirabel"}}).called == "Mirabel"


def test_notes_come_in_the_reader_s_language() -> None:
    told = card({"data": {"creator_notes": "Hello", "creator_notes_multilingual": {"zh": "你好"}}})
    assert [told.notes(language) for language in ("zh-Hant", "fr")] == ["你好", "Hello"]


def test_the_note_at_a_depth_is_read() -> None:
    note = fixture("mira_v2.json").card.depth_note
    assert note
    assert (note.text, note.depth, note.role) == ("Mira never says the word love.", 4, "system")


def test_half_a_character_does_not_come_through() -> None:
    assert read("a.json", b'{"name": "Mi\\ud83dra"}').card.name == "Mi\ufffdra"


FOREIGN = {
    "pygmalion": {"char_name": "Mira", "char_persona": "a keeper", "char_greeting": "Hello", "odd": 1},
    "textgen": {"name": "Mira", "context": "a keeper", "greeting": "Hello"},
    "agnaistic": {
        "kind": "character",
        "name": "Mira",
        "persona": {"kind": "text", "attributes": {"text": ["a keeper"]}},
        "greeting": "Hello",
    },
}


@pytest.mark.parametrize("program", FOREIGN)
def test_characters_of_other_programs(program: str) -> None:
    mira = read("a.json", json.dumps(FOREIGN[program]).encode()).card
    assert (mira.name, mira.text("description"), mira.greetings) == ("Mira", "a keeper", ("Hello",))


def test_what_has_no_place_in_a_card_is_kept() -> None:
    mira = read("a.json", json.dumps(FOREIGN["pygmalion"]).encode()).card
    assert mira.extensions["imported"] == {"odd": 1}


def test_yaml_of_text_generation_webui() -> None:
    mira = read("a.yaml", b"name: Mira\ngreeting: |-\n  Hello\n  there\ncontext: a keeper").card
    assert (mira.name, mira.greetings) == ("Mira", ("Hello\nthere",))


BACKYARD = {
    "manifest.json": {
        "schemaVersion": 1,
        "characters": ["characters/m/character.json"],
        "scenarios": ["s.json"],
    },
    "characters/m/character.json": {
        "displayName": "Mira",
        "persona": "{character} trusts {user} slowly.",
        "loreItems": [{"key": "sea, tide", "value": "It glows."}],
        "images": [{"path": "images/mira.png", "label": ""}],
    },
    "s.json": {"firstMessages": [{"characterID": "m", "text": "Hello {user}"}], "narrative": "A storm."},
}


def test_a_backyard_archive() -> None:
    files = {path: json.dumps(content).encode() for path, content in BACKYARD.items()}
    mira = read("m.byaf", archive.packed(files | {"characters/m/images/mira.png": PICTURE}))
    assert mira.card.text("description") == "{{char}} trusts {{user}} slowly."
    assert mira.card.greetings == ("Hello {{user}}",)
    assert mira.card.book is not None
    assert mira.card.book["entries"][0]["keys"] == ["sea", "tide"]
    assert mira.picture == PICTURE


# ── what is written ─────────────────────────────────────────────────────────────────────────────────


def test_pixels_and_all_else_in_a_picture_stay() -> None:
    picture = png.with_texts(PICTURE, {"Comment": b"by hand"})
    written = as_png(card({"data": {"name": "Mira"}}), picture)
    before = [picture[c.start : c.end] for c in png.chunks(picture)]
    after = [written[c.start : c.end] for c in png.chunks(written)]
    assert after[: len(before) - 1] == before[:-1]
    assert after[-1] == before[-1]


def test_an_old_card_in_a_picture_is_replaced() -> None:
    mira = fixture("mira_v2.png")
    again = read("a.png", as_png(mira.card.edited({"name": "Mirabel"}), mira.picture))
    keywords = [keyword for keyword, _ in png.texts(again.picture or b"")]
    assert sorted(keywords) == ["ccv3", "chara"]
    assert again.card.name == "Mirabel"


def test_an_edit_keeps_repetitions_in_step() -> None:
    saved = card({"name": "Mira", "fav": False, "data": {"name": "Mira", "x": 1}})
    assert saved.edited({"name": "Mirabel"}).document == {
        "name": "Mirabel",
        "fav": False,
        "data": {"name": "Mirabel", "x": 1},
    }


def test_a_card_without_a_picture_gets_one() -> None:
    assert read("a.png", as_png(card({"data": {"name": "Mira"}}), None)).card.name == "Mira"


def test_a_picture_becomes_the_icon_of_a_charx() -> None:
    again = read("a.charx", as_charx(Bundle(card({"data": {"name": "Mira"}}), PICTURE)))
    assert again.picture == PICTURE


def test_the_first_version_has_six_fields() -> None:
    assert sorted(fixture("mira_v2.json").card.written(1)) == sorted(
        ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    )


numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | numbers | st.text()
anything = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
texts = st.text()
cards = st.builds(
    lambda data, odd, rest: {**rest, "spec": "chara_card_v3", "spec_version": "3.0", "data": {**odd, **data}},
    st.fixed_dictionaries(
        {
            "name": st.text(min_size=1),
            "description": texts,
            "first_mes": texts,
            "alternate_greetings": st.lists(texts),
            "group_only_greetings": st.lists(texts),
            "extensions": st.dictionaries(texts, anything),
        }
    ),
    st.dictionaries(texts, anything),
    st.dictionaries(texts.filter(lambda name: name != "data"), anything),
)


def kept(before: Card, after: Card) -> None:
    """Everything is as it was; required fields that were missing may have been added."""
    assert {name: after.data[name] for name in before.data} == before.data
    assert {name: value for name, value in after.document.items() if name != "data"} == {
        name: value for name, value in before.document.items() if name != "data"
    }


@settings(max_examples=50, deadline=None)
@given(cards)
def test_nothing_is_lost_through_any_format(document: dict[str, Any]) -> None:
    before = card(document)
    for written in (as_json(before), as_png(before, PICTURE), as_charx(Bundle(before))):
        kept(before, read("a", written).card)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────


def zipped(files: dict[str, bytes]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in files.items():
            packed.writestr(path, content)
    return made.getvalue()


CARD = json.dumps({"data": {"name": "Mira"}}).encode()
HOSTILE = {
    "an empty file": (b"", "not_card"),
    "a picture alone": (PICTURE, "picture_only"),
    "a picture that ends early": (picture_with("chara", b"e30=")[:-20], "cut_off"),
    "a chunk longer than the file": (png.SIGNATURE + struct.pack(">I", 2**31) + b"tEXt", "cut_off"),
    "a wrong sum": (picture_with("chara", b"e30=").replace(b"e30=", b"e30A"), "damaged"),
    "no base64": (picture_with("chara", b"%%%"), "damaged"),
    "a text that unpacks to gigabytes": (
        png.SIGNATURE + png._chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(65 << 20))),
        "too_large",
    ),
    "brackets without end": (
        picture_with("chara", base64.b64encode(b'{"data":' + b"[" * 200_000)),
        "damaged",
    ),
    "a list": (picture_with("chara", base64.b64encode(b"[1]")), "not_card"),
    "JSON of 33 MiB": (b'{"name": "' + b"a" * (33 << 20) + b'"}', "too_large"),
    "no card in the archive": (zipped({"other.json": CARD}), "no_card_file"),
    "a path out of the archive": (zipped({"card.json": CARD, "../../evil.png": b"x"}), "path"),
    "a path of Windows": (zipped({"card.json": CARD, "C:\\evil.png": b"x"}), "path"),
    "an archive that unpacks to far more": (zipped({"card.json": CARD, "a": bytes(30 << 20)}), "too_large"),
    "YAML that refers to itself": (b"a: &a [x, x]\nb: &b [*a, *a]\nname: *b", "not_card"),
    "a number without end": (b'{"name": NaN}', "damaged"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_refused_with_a_sentence(what: str) -> None:
    content, reason = HOSTILE[what]
    assert refusal(content) == said(reason)


def test_more_files_than_a_card_needs() -> None:
    assert refusal(zipped({f"{n}.png": b"" for n in range(archive.FILES_LIMIT + 1)})) == said("too_large")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TRUTH)), st.data())
def test_a_damaged_file_is_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray((ROLEPLAY / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CardUnreadable):
        assert read(name, bytes(content)).card.name
