"""What spares the guard work changes nothing: cues of patterns, and what is sensed before it is read."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys

import pytest

from bench.guard import CASES, SETS, heldout, load
from fabula.core.messages import Message
from fabula.core.request import ANYONE
from fabula.guard.ages import Age, english_ages
from fabula.guard.ages_zh import chinese_ages
from fabula.guard.births import Births
from fabula.guard.cues import EVERYTHING, Signs
from fabula.guard.floor import FloorGuard
from fabula.guard.forms import find_forms, forms_of
from fabula.guard.glance import glance
from fabula.guard.lexicon import ATOM, LANGUAGES, LATIN, lexicon, signs_of
from fabula.guard.normalise import WHOLE, normalise, token_of
from fabula.guard.policy import OpenPolicy
from fabula.guard.reading import cut, heat_in, is_heated, read_sentence, tells_young
from fabula.guard.sense import senses_heat, senses_young
from fabula.guard.stir import stirs
from fabula.guard.tokens import MARKS, NAMES, TOKENS, Spelled


@functools.cache
def sentences() -> list[str]:
    cases = [*heldout("dev"), *(case for name in SETS for case in load(name))]
    texts = {turn["text"] for case in cases for turn in case["said"]}
    return [
        text[start:end]
        for text in sorted(texts)
        for start, end in zip([0, *cut(text)[:-1]], cut(text), strict=True)
    ]


@functools.cache
def normalised() -> list[str]:
    """All sentences, and texts that were made from the forms: of each a few that it finds."""
    made = json.loads((CASES / "of_forms.json").read_text(encoding="utf-8"))
    return [*(normalise(sentence, lexicon().words) for sentence in sentences()), *made]


def test_forms_are_found_by_their_words_as_by_trying_all_of_them() -> None:
    for text in normalised():
        languages = LATIN if text.isascii() else LANGUAGES
        tried = [
            (form.means, match.span())
            for language in languages
            for form in forms_of(language)
            for match in form.pattern.finditer(text)
        ]
        found = [(hit.categories, (hit.start, hit.end)) for hit in find_forms(text, signs_of(text))]
        assert found == tried, text


@pytest.mark.parametrize("script", ["latin", "han"])
def test_ages_are_found_by_their_words_as_by_trying_all_forms(script: str) -> None:
    for text in normalised():
        if text.isascii() == (script == "latin"):
            ages = english_ages if script == "latin" else chinese_ages
            assert _told(list(ages(text))) == _told(list(ages(text, EVERYTHING))) or "i'm" in text, text


def test_a_numeral_beside_an_age_that_was_found_is_still_looked_at() -> None:
    assert _told(chinese_ages("姐姐十八岁,妹妹九,都在家")) == [(18, "姐姐"), (9, "妹妹")]
    assert _told(chinese_ages("妹妹九岁,都在家")) == [(9, "妹妹")]


def _told(ages: list[Age]) -> list[tuple[int, str]]:
    return [(age.years, age.who) for age in ages]


def test_chinese_is_spelled_by_its_characters_as_by_all_of_it() -> None:
    pure = [said for said in map(Spelled, sentences()) if said.pure]
    assert len(pure) > 1000
    for said in pure:
        assert said.text == normalise(said.text, lexicon().words)
        assert list(said.atoms) == ATOM.findall(said.text)
        assert (said.signs | said.beside()) & ~NAMES == signs_of(said.text)
        assert said.phrases == lexicon().find(said.atoms)


def test_letters_set_apart_are_sensed_however_many_spaces_stand_between() -> None:
    assert senses_young("a l o l i")
    assert senses_young("a l  o l  i")
    assert not senses_young("The lamp  was on.")


def test_whoever_is_young_is_sensed_before_a_sentence_is_read() -> None:
    unsensed = [text for text in sentences() if tells_young(text) and not senses_young(text)]
    assert unsensed == []


def test_whoever_is_young_is_told_before_a_sentence_is_read_to_its_end() -> None:
    read = {text: read_sentence(text) for text in sentences()}
    told = {text for text, said in read.items() if said.strong or said.younger is not None}
    assert told > set()
    assert [text for text in told if not tells_young(text)] == []


def test_whatever_is_sexual_is_sensed_before_a_sentence_is_read() -> None:
    unsensed = [
        text for text in sentences() if read_sentence(text).heat and stirs(text) and not senses_heat(text)
    ]
    assert unsensed == []


def test_what_is_dry_at_a_glance_neither_depicts_nor_lures_when_it_is_read() -> None:
    seen = {sentence: glance(sentence) for sentence in sentences()}
    read = {sentence: read_sentence(sentence) for sentence in seen}
    assert [text for text, said in read.items() if seen[text].dry and (said.depicts or said.lured)] == []
    assert [text for text, said in read.items() if said.strong and not seen[text].news] == []
    assert sum(at_once.dry for at_once in seen.values()) > len(seen) / 2


def test_most_sentences_between_adults_are_not_sensed_as_news() -> None:
    story = ["He kissed her and they had sex.", "The lamp was on.", "他們做愛。", "雨下了一夜。"]
    assert [senses_young(sentence) for sentence in story] == [False] * 4


def test_whether_anything_is_sexual_is_known_by_the_lists_as_by_how_sexual_it_is() -> None:
    assert {is_heated(text) for text in sentences()} == {True, False}
    assert [text for text in sentences() if is_heated(text) != (heat_in(text) > 0)] == []


def test_births_are_reckoned_from_what_is_folded_already_as_from_what_came() -> None:
    told, again = Births(), Births()
    for raw in ["那年媽媽十七歲", "生下了她。", "媽媽今年三十歲。"]:
        said = Spelled(raw)
        assert said.pure
        told.add(raw)
        again.add(raw, said.text)
    assert [minor.years for minor in told.minors()] == [minor.years for minor in again.minors()] == [13]


def test_a_word_with_a_mark_is_read_and_sensed_as_the_word_and_the_mark() -> None:
    words = {word for text in sentences() for word in re.findall("[A-Za-z]{2,}", text)}
    assert len(words) > 1000
    for part in [word + mark for word in words for mark in MARKS]:
        plain, atoms, _ = TOKENS[part]
        assert (plain, WHOLE) == token_of(part, lexicon().words)
        assert [*atoms] == ATOM.findall(plain)
        assert senses_young(part) == senses_young(part[:-1])
        assert senses_heat(part) == senses_heat(part[:-1])


def test_the_signs_of_an_atom_are_those_of_every_part_that_a_group_names() -> None:
    signs = Signs()
    begins, within, whole, digits, several = map(signs.need, ("teach*", "*ten*", "ten", "#", "##"))
    told = {
        atom: signs.among([atom]) & ~signs.numbers for atom in ("teacher", "often", "ten", "7", "77", "tea")
    }
    assert told == {
        "teacher": begins,
        "often": within,
        "ten": within | whole,
        "7": digits,
        "77": digits | several,
        "tea": 0,
    }


PREPARED = """
import re
from fabula.guard import ages, ages_more, ages_zh, floor, policy, tokens
guard = floor.FloorGuard(policy.OpenPolicy())
guard.prepare()
tables = ages.rules, ages_zh.forms, ages_more.languages
print(*(made.cache_info().currsize for made in tables))
print("children" in tokens.TOKENS, "歲" in tokens.CHARACTERS)
sources = []
compile, re.compile = re.compile, lambda source, *flags: sources.append(source) or compile(source, *flags)
watch = guard.watch((), None)
said = "He kissed her. They had sex. She was thirty-one. It rained. 他們做愛。她三十歲。雨下了一夜。"
[watch.feed(piece) for piece in (*said, *said)]
print(sources)
"""


def test_what_is_prepared_leaves_nothing_to_be_made_while_a_reply_is_read() -> None:
    fresh = subprocess.run([sys.executable, "-c", PREPARED], capture_output=True, text=True, check=True)
    assert fresh.stdout.splitlines() == ["1 1 1", "True True", "[]"]  # where nothing was read before


def test_what_was_prepared_is_not_made_again_for_a_message() -> None:
    guard = FloorGuard(OpenPolicy())
    guard.prepare()
    before = lexicon.cache_info().misses
    said = (Message(role="user", text="He kissed her; she was thirty. 他吻了她，她三十歲。"),)
    guard.judge(said, ANYONE)
    guard.watch(said, ANYONE).feed("They went home.")
    assert lexicon.cache_info().misses == before
