"""What of a chat's memory is told: the summary that holds, facts, and the passages that fit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fabula.chats.memory import passages, told, writing
from fabula.chats.memory.records import Memory, MemorySettings, Passage, Remembered
from fabula.chats.records import PathMessage
from fabula.prompt.steady.head import SUMMARY
from fabula.prompt.steady.memory import Memory as Laid
from fabula.prompt.steady.memory import digest, digests


def said(number: int, text: str = "") -> PathMessage:
    role = "assistant" if number % 2 else "user"
    text = text or f"message {number}"
    return PathMessage(role=role, text=text, id=f"m{number}", version_id=f"v{number}")  # type: ignore[arg-type]


PATH = [said(number) for number in range(6)]


def summary(count: int, text: str = "They met.", made: float = 1.0) -> Memory:
    covered = told.covered(PATH[:count])
    return Memory(
        id=f"s{count}", kind="summary", text=text, upto_id=f"m{count - 1}", covered=covered, created_at=made
    )


def test_the_summary_that_covers_most_holds_and_one_of_changed_messages_does_not() -> None:
    assert told.in_force([summary(2), summary(4)], PATH) == (summary(4), 4)
    edited = [*PATH[:3], replace(PATH[3], version_id="other"), *PATH[4:]]
    assert told.in_force([summary(2), summary(4)], edited) == (summary(2), 2)
    assert told.in_force([summary(4)], edited[:2]) == (None, 0)


def test_what_each_summary_covers_is_told_for_all_of_them_at_once() -> None:
    summaries = [summary(4), summary(1), summary(6)]
    assert told.reaches(summaries, PATH) == {"s4": 4, "s1": 1, "s6": 6}
    edited = [PATH[0], replace(PATH[1], version_id="other"), *PATH[2:]]
    assert told.reaches(summaries, edited) == {"s4": 0, "s1": 1, "s6": 0}


@given(st.lists(st.text("ab\0", max_size=3), min_size=1, max_size=8), st.data())
def test_digests_of_beginnings_are_those_of_the_beginnings(texts: list[str], data: st.DataObject) -> None:
    ends = sorted(data.draw(st.sets(st.integers(1, len(texts)))))
    assert digests(texts, ends) == [digest(*texts[:end]) for end in ends]


def test_summary_and_facts_are_told_in_the_head() -> None:
    remembered = Remembered(summaries=(summary(2),), facts=(Memory(id="f", kind="fact", text="It rains."),))
    first, second = told.injections(remembered, PATH)
    assert first.text.endswith("They met.")
    assert second.text == "Keep in mind:\n- It rains."
    assert told.injections(Remembered(), PATH) == ()


def test_a_newer_summary_waits_until_the_window_is_cut_and_a_wrong_one_does_not() -> None:
    def kept(text: str, *summaries: Memory, cut: bool = True) -> str | None:
        laid = Laid(fixed={SUMMARY: text, "other": "stays"})
        found = told.lasting(laid, Remembered(summaries=summaries), PATH, is_cut=cut)
        assert found.fixed["other"] == "stays"
        return found.fixed.get(SUMMARY)

    old = told.SO_FAR + "Old."
    assert kept(old, summary(2, "Old."), summary(4, "New.")) == old
    assert kept(old, summary(4, "New.")) is None
    assert kept("", summary(2), cut=False) == ""
    assert kept("", summary(2), cut=True) is None


def test_passages_are_told_as_lore_that_starts_nothing() -> None:
    [entry] = told.entries([Passage("v1", 0, "It rained.")], {"v1": "Mira"})
    assert entry.content == "(Mira: It rained.)"
    assert entry.decorators == ("@@activate",)
    assert entry.starts_no_recursion


@given(st.text("ab .!?。\n", max_size=300), st.integers(5, 40))
def test_parts_hold_the_whole_text_and_none_is_too_long(text: str, longest: int) -> None:
    found = passages.parts(text, longest)
    assert all(0 < len(part) <= longest for part in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_the_nearest_passages_come_first_best_first() -> None:
    found = [(Passage("d", n, f"{n}"), passages.packed([1.0, n])) for n in range(4)]
    asked = passages.packed([1.0, 3.0])
    assert [one.number for one in passages.nearest(asked, found, 2, centred=False)] == [3, 2]
    assert passages.nearest(asked, [], 2, centred=True) == []
    assert passages.nearest(asked, found, 1, centred=True)[0].number == 3


def test_what_all_vectors_have_in_common_is_taken_off() -> None:
    common = [10.0, 10.0, 0.0]
    rows = [(Passage("d", n, ""), passages.packed([*common[:2], part])) for n, part in enumerate((1, -1))]
    asked = passages.packed([10.2, 10.0, -0.2])
    assert passages.nearest(asked, rows, 1, centred=True)[0].number == 1


def test_a_transcript_comes_in_blocks_that_fit_and_loses_nothing() -> None:
    path = [said(0, "z" * 7000), said(1, "b" * 100), said(2, "c" * 100)]
    found = writing.blocks(path)
    assert len(found) == 3
    assert max(map(len, found)) <= writing.BLOCK + 20
    assert "".join(found).count("z") == 7000
    first, second = writing.anew(50, "They met.", found[0])
    assert "50 words" in first.text
    assert second.text.startswith("Earlier summary:\nThey met.")


def test_settings_that_are_not_known_are_left_out() -> None:
    assert MemorySettings.of({"recall": 3, "other": 1}) == MemorySettings(recall=3)
