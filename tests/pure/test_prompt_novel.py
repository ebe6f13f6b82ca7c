"""A novel's prompt begins with the one before it and what was written, except where the plan says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_truth import Counted

from fabula.chats.novels import exchange, pieces
from fabula.core.errors import ContextExceeded
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.timed import Timers
from fabula.prompt.novel.layout import Given, NovelPrompt, facts, novel_prompt
from fabula.prompt.novel.model import Chapter, Form, Memory, Novel, Run, Task
from fabula.prompt.plan import NeedCounts
from fabula.prompt.steady.memory import Told
from fabula.prompt.template import ChatTemplate

CHATML = ChatTemplate("")
LAMP = Entry(uid="1", book="b", keys=("lamp",), content="The lamp burns oil.", comment="lamp")


class Desk:
    """A novel that is written on: its text, the memory, and what was sent last."""

    def __init__(self, form: Form = "instruct", context: int = 4000, **novel: Any) -> None:
        self.form, self.context = form, context
        self.novel = Novel(**{"title": "Coast", "prompt": "Write.", "outline": "Ann seeks."} | novel)
        self.runs: list[Run] = [Run("The fog came in. ")]
        self.memory, self.ids = Memory(), 0

    def prompt(self, **task: Any) -> NovelPrompt:
        chapter = Chapter(id="c", runs=tuple(self.runs))
        novel = replace(self.novel, chapters=(*self.novel.chapters, chapter))
        given = Given(template=CHATML, counts=Counted(), draw=lambda: 0.5, tokenizer="t")
        wanted = Task(**{"form": self.form, "context": self.context, "reply_room": 50} | task)
        found = novel_prompt(novel, wanted, given, self.memory)
        assert not isinstance(found, NeedCounts)
        self.memory = Memory.of(found.memory.all())  # as the store keeps it
        return found

    def write(self, text: str, joint: str = "") -> None:
        self.ids += 1
        self.runs += [Run(joint)] if joint else []
        self.runs.append(Run(text, (self.ids,) * max(1, len(text) // 4), "t"))


def flat(prompt: NovelPrompt) -> list[str | int]:
    """Letters, and ids where a model wrote."""
    found: list[str | int] = []
    for piece in prompt.plan.pieces:
        found += list(piece)
    return found


def labels(prompt: NovelPrompt) -> list[tuple[str, str]]:
    return [(one.source, one.reason) for one in prompt.plan.segments]


@pytest.mark.parametrize("form", ["instruct", "raw"])
@given(wishes=st.lists(st.sampled_from(["", "A boat comes.", "The lamp goes out."]), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_each_prompt_begins_with_the_last_one_and_its_passage(form: Form, wishes: list[str]) -> None:
    desk = Desk(form, lore=[LAMP], notes="Short sentences.", facts=("Ann is tall.",))
    last: list[str | int] = []
    for number, wish in enumerate(wishes):
        prompt = desk.prompt(instruction=wish)
        assert prompt.plan.broke is None
        assert flat(prompt)[: len(last)] == last
        desk.write(f"Passage {number}.", prompt.joint)
        last = [*flat(prompt), *desk.runs[-1].token_ids]


@pytest.mark.parametrize("text", ["The fog came in. ", "The fog came in."])
def test_another_try_is_asked_as_the_first_was_and_told_once(text: str) -> None:
    desk = Desk(notes="Short sentences.", lore=[LAMP])
    desk.runs = [Run(text)]
    first = desk.prompt(instruction="The lamp goes out.")
    for wish in ("The lamp goes out.", "The lamp falls."):
        desk.write("It went out.", first.joint)
        del desk.runs[1:]
        again = desk.prompt(instruction=wish)
        assert labels(again) == labels(first)
    desk.write("It fell.", again.joint)
    marks = desk.prompt().memory.marks
    told = [one.text.rpartition("\n")[2] for mark in marks for one in mark.told if "lamp" in one.text]
    assert [text.rpartition(": ")[2] for text in told] == ["The lamp burns oil.", "The lamp falls."]


def test_what_changes_is_told_at_the_cursor_and_the_head_stays() -> None:
    desk = Desk()
    first = desk.prompt()
    desk.write("On it went.", first.joint)
    desk.novel = replace(desk.novel, outline="Ann finds.")
    second = desk.prompt()
    assert second.fixed == ("outline",)
    assert labels(second)[-1] == ("outline", "stays")
    assert second.plan.broke is None


def test_lore_is_told_once_where_the_text_brings_it_in_and_stays() -> None:
    desk = Desk(lore=[LAMP])
    desk.runs.append(Run("She lit the lamp."))
    first = desk.prompt()
    desk.write("It smoked.", first.joint)
    second = desk.prompt()
    texts = [message.text for message in second.messages]
    assert sum("burns oil" in text for text in texts) == 1
    assert labels(second).count(("lore", "stays")) == 1


def test_an_edit_in_the_middle_breaks_the_prefix_and_the_plan_says_where() -> None:
    desk = Desk()
    desk.prompt()
    desk.runs[0] = Run("The rain came in. ")
    broke = desk.prompt().plan.broke
    assert broke
    assert (broke.part, broke.reason) == ("chapter c", "changed")


@given(st.integers(300, 900), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_the_room_is_never_exceeded_and_what_was_cut_is_said(context: int, paragraphs: int) -> None:
    desk = Desk(context=context, outline="")
    desk.runs = [Run("The sea was grey and the wind had turned to the north again.\n\n" * paragraphs)]
    prompt = desk.prompt()
    assert prompt.plan.tokens <= context - 50
    out = [one for one in prompt.plan.segments if not one.included]
    assert bool(out) == bool(prompt.cut)
    assert desk.prompt().plan.broke is None


def test_a_chapter_that_is_cut_is_told_by_its_summary() -> None:
    old = Chapter(id="a", title="One", summary="Ann came.", runs=(Run("Long ago she came.\n\n" * 60),))
    desk = Desk(context=300, chapters=(old,))
    prompt = desk.prompt()
    assert ("summary", "head") in labels(prompt)
    assert "Ann came." in prompt.messages[0].text


def test_a_summary_that_came_after_the_cut_is_told_once_at_the_cursor_until_the_head_has_it() -> None:
    old = Chapter(id="a", title="One", runs=(Run("Long ago she came.\n\n" * 60),))
    desk = Desk(context=300, chapters=(old,))
    desk.write("On it went.", desk.prompt().joint)
    desk.novel = replace(desk.novel, chapters=(replace(old, summary="Ann came."),))
    second = desk.prompt()
    assert (labels(second)[-1], second.plan.broke) == (("summary", "stays"), None)
    desk.write("And on. " * 60, second.joint)
    third = desk.prompt()
    assert [one for one in labels(third) if one[0] == "summary"] == [("summary", "head")]


def test_what_is_recalled_is_told_where_the_passage_begins_and_stays_there() -> None:
    desk = Desk(recalled=(Told("d1 0", "map.txt", "The quay lies north."),))
    first = desk.prompt()
    assert labels(first)[-1] == ("recalled", "stays")
    assert "From “map.txt”:\nThe quay lies north." in first.messages[-1].text
    assert facts(first, "continue")["recalled"] == ["map.txt"]
    desk.write("It smoked.", first.joint)
    second = desk.prompt()
    assert second.plan.broke is None
    assert flat(second)[: len(flat(first))] == flat(first)
    assert labels(second).count(("recalled", "stays")) == 1


def lamp(**timers: int) -> Entry:
    return replace(LAMP, mark=7, **timers)


def test_lore_that_is_delayed_comes_with_the_passage_of_its_number() -> None:
    desk = Desk(lore=[lamp(delay=3)])
    desk.runs.append(Run("She lit the lamp."))
    told = []
    for passages in range(4):
        desk.novel = replace(desk.novel, passages=passages)
        told.append("lamp" in facts(prompt := desk.prompt(), "continue")["lore"])
        desk.write("It smoked.", prompt.joint)
    assert told == [False, False, True, True]


def test_a_cooldown_keeps_lore_away_for_so_many_passages_and_an_undo_takes_it_back() -> None:
    desk = Desk(lore=[lamp(cooldown=2)])
    desk.runs.append(Run("She lit the lamp."))
    found = []
    for passages in (0, 1, 2, 3, 2):
        desk.novel = replace(desk.novel, passages=passages)
        [verdict] = desk.prompt().lore.verdicts
        found.append(verdict.reason)
    assert found == ["key", "cooldown", "key", "cooldown", "key"]


def test_sticky_lore_stays_active_without_its_key() -> None:
    desk = Desk(lore=[lamp(sticky=2)])
    found = []
    for passages, text in enumerate(("She lit the lamp.", *("The sea. " * 400,) * 3)):
        desk.runs = [Run(text)]
        desk.novel = replace(desk.novel, passages=passages)
        found.append(len(desk.prompt().lore.entries))
    assert found == [1, 1, 0, 0]


def test_by_a_rewriting_no_time_goes_by() -> None:
    desk = Desk(lore=[lamp(cooldown=2)])
    desk.runs.append(Run("She lit the lamp."))
    desk.prompt(kind="rewrite", passage="The dog slept.")
    assert desk.memory.timers == Timers()


def test_a_passage_is_asked_for_at_the_end_and_leaves_no_mark() -> None:
    desk = Desk()
    first = desk.prompt(kind="rewrite", passage="The dog slept.", instruction="Sadder.")
    assert first.messages[-1].text.startswith(
        "Rewrite this passage, which comes next in the text:\n\nThe dog"
    )
    assert desk.memory.marks == ()
    assert first.continues is False


def test_what_does_not_fit_at_all_is_refused() -> None:
    with pytest.raises(ContextExceeded):
        Desk(context=120, outline="one two three " * 500).prompt()


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_difference_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    start, removed, inserted = pieces.difference(before, after)
    assert before[:start] + inserted + before[start + removed :] == after


def test_words_are_counted_in_every_script() -> None:
    assert pieces.words("It's a well-known 故事,再見。") == 7


def test_a_file_with_headings_becomes_chapters() -> None:
    found = exchange.read("x.md", b"# Coast\n\n## One\n\nFog.\n\n## Two\nRain.\n")
    assert (found.title, found.chapters) == ("Coast", (("One", "Fog."), ("Two", "Rain.")))
