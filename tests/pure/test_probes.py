"""The probes: what they hold, how a model is asked, how replies are judged and two models compared."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core import texts
from fabula.core.errors import ContextExceeded
from fabula.core.model import LocalModel
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Token
from fabula.core.worker import Prompt
from fabula.evals.probes import asking, bank, checks, result
from fabula.evals.probes.asking import Outcome
from fabula.evals.probes.bank import Choosing, Replying
from fabula.evals.probes.speech import HAN, speaks
from fabula.evals.statistics import Paired, change, holm, mcnemar, wilson
from fabula.lab.directions import contrasts

COUNTS = st.integers(0, 60)

# ── how far counts can be trusted ───────────────────────────────────────────────────────────────────


def test_intervals_are_those_of_the_papers() -> None:
    ten = wilson(8, 10)
    assert (ten.low, ten.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    newcombe = change(Paired(both=36, worse=2, better=12, neither=0))  # his table, 12 and 2 exchanged
    assert (newcombe.low, newcombe.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_five_changes_to_one_side_can_be_chance_and_six_cannot() -> None:
    assert mcnemar(5, 0) == 0.0625
    assert mcnemar(6, 0) == 0.03125
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1.0


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_an_interval_holds_its_share_and_turns_round_with_the_sides(
    both: int, worse: int, better: int, neither: int
) -> None:
    pair, turned = Paired(both, worse, better, neither), Paired(both, better, worse, neither)
    share = wilson(pair.after, pair.count)
    there, back = change(pair), change(turned)
    assert 0 <= share.low <= share.high <= 1
    assert -1 <= there.low <= there.high <= 1
    if pair.count:
        assert share.low - 1e-12 <= pair.after / pair.count <= share.high + 1e-12
        assert there.low - 1e-12 <= (better - worse) / pair.count <= there.high + 1e-12
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert mcnemar(worse, better) == mcnemar(better, worse) <= 1


@given(st.lists(st.floats(0, 1), max_size=9))
def test_many_looks_make_no_chance_smaller(chances: list[float]) -> None:
    found = holm(chances)
    assert all(one <= other <= 1 for one, other in zip(chances, found, strict=True))
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    assert [found[place] for place in order] == sorted(found)


# ── languages ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_what_fabula_says_is_in_its_language(language: str) -> None:
    said = [re.sub(r"\{[^}]*\}|`[^`]*`", "", text) for text in texts.catalogue(language).values()]
    if language == "en":
        long = [text for text in said if len(text.split()) > 15]
    else:
        long = [
            text for text in said if len(HAN.findall(text)) > 25 and len(HAN.findall(text)) > len(text) / 2
        ]
    wrong = [text for text in long if not speaks(text, language)]
    assert len(long) > 200
    assert len(wrong) <= len(long) // 100, wrong[:5]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Snow is white.", {"en"}),
        ("雪是白色的。", {"zh-Hant", "zh-Hans"}),
        ("雪為什麼是白的？因為光會散射。", {"zh-Hant"}),
        ("雪为什么是白的？因为光会散射。", {"zh-Hans"}),
        ("用 Python 写一个函数，然后运行它。", {"zh-Hans"}),
        ("Der Schnee fällt leise auf das alte Dach und auf die stillen Wege.", set()),
        ("雪は白いです。とてもきれいですね。", set()),
        ("123 … !", set()),
        ("", set()),
    ],
)
def test_english_and_both_ways_to_write_chinese_are_told_apart(text: str, spoken: set[str]) -> None:
    assert {language for language in bank.LANGUAGES if speaks(text, language)} == spoken


# ── rules ───────────────────────────────────────────────────────────────────────────────────────────

KEPT = [
    ("lower", True, "the sea is wide."),
    ("upper", True, "BREAD IS GOOD."),
    ("json_list", 3, '```json\n["red", "green", "blue"]\n```'),
    ("json_object", ["age", "name"], '{"name": "Ada", "age": 36}'),
    ("items", 2, "- apple\n- pear\n"),
    ("ends", "umbrella", 'She took her "umbrella".'),
    ("ends", "雨傘", "他忘了帶雨傘。"),
    ("starts", "well", "Well, they are tired."),
    ("starts", "其實", "「其實，人需要休息。」"),
    ("only", ["yes", "no"], "Yes."),
    ("most_words", 3, "Cold, white, still."),
    ("most_characters", 6, "寒冷而安靜。"),
    ("repeats", ["tea", 3], "Tea, tea, tea."),
    ("repeats", ["茶", 3], "茶、茶、茶"),
    ("quoted", True, '"The Merry Otter"'),
    ("has", ["nine", "9"], "It opens at 9."),
    ("lacks", ["six"], "It opens at nine."),
    ("helps", True, "Use the task manager."),
    ("moves", True, "One thing happened, then another."),
    ("speaks", "zh-Hans", "白色"),
]
BROKEN = [
    ("lower", True, "The sea is wide."),
    ("lower", True, "123"),
    ("upper", True, "Bread IS GOOD."),
    ("json_list", 3, 'Here you are: ["red", "green", "blue"]'),
    ("json_list", 3, "[1, 2, 3]"),
    ("json_object", ["age", "name"], '{"name": "Ada"}'),
    ("items", 2, "Fruits:\n- apple\n- pear"),
    ("items", 2, "- apple\n-"),
    ("ends", "umbrella", "She took her umbrella along."),
    ("starts", "well", "Wellness matters."),
    ("only", ["yes", "no"], "Yes, fire is hot."),
    ("most_words", 3, ""),
    ("most_words", 3, "It is very cold."),
    ("most_characters", 3, "寒冷而安靜。"),
    ("repeats", ["tea", 3], "tea, tea"),
    ("quoted", True, 'I would call it "The Merry Otter"'),
    ("has", ["9"], "It opens at 19 o'clock."),
    ("lacks", ["red"], "The red one."),
    ("lacks", ["red"], " "),
    ("helps", True, "I'm sorry, but I can't help with that."),
    ("helps", True, "抱歉，我無法提供這項資訊。"),
    ("moves", True, "the wind and the rain and " * 8),
    ("moves", True, ""),
    ("speaks", "en", "Schnee ist weiß, und das ist nun einmal so."),
]


@pytest.mark.parametrize(("rule", "wanted", "reply"), KEPT)
def test_a_reply_that_does_as_asked_keeps_the_rule(rule: str, wanted: object, reply: str) -> None:
    assert checks.broken(reply, {rule: wanted}) == ""


@pytest.mark.parametrize(("rule", "wanted", "reply"), BROKEN)
def test_a_reply_that_does_not_breaks_it(rule: str, wanted: object, reply: str) -> None:
    assert checks.broken(reply, {rule: wanted}) == rule


@given(st.text(max_size=300))
def test_any_text_can_be_judged(reply: str) -> None:
    for rule, wanted, _ in KEPT:
        assert checks.broken(reply, {rule: wanted}) in ("", rule)


@given(st.text(alphabet="abcdefg ,.", min_size=5, max_size=30), st.text(alphabet="xyz ", max_size=40))
def test_what_stands_often_enough_at_the_end_is_a_loop(piece: str, before: str) -> None:
    often = max(checks.PERIODS, checks.LOOP_BYTES // len(piece.encode()) + 1) + 1
    assert checks.loop(before + "|" + piece * often)


@pytest.mark.parametrize(
    "text",
    [
        "Ha, ha, ha!",
        "First line.\nSecond line.\nThird line.",
        "I like tea. You like tea, too. Most people like tea in the afternoon.",
        "- one apple\n- one pear\n- one plum\n- one peach",
        "哈哈哈哈哈哈",
    ],
)
def test_a_little_repetition_is_no_loop(text: str) -> None:
    assert checks.loop(text) == ""


# ── the bank ────────────────────────────────────────────────────────────────────────────────────────


def test_every_language_has_every_group() -> None:
    for language in bank.LANGUAGES:
        there = {group for probe in bank.chosen(language) for group in probe.groups}
        assert there == set(bank.GROUPS)
    assert len({probe.id for probe in bank.probes()}) == len(bank.probes())


def test_endings_are_of_about_one_length() -> None:
    for probe in bank.probes():
        if isinstance(probe, Choosing):
            lengths = [len(ending.strip().encode()) for ending in probe.endings]
            assert len(set(probe.endings)) == 4, probe.id
            assert max(lengths) <= 2 * min(lengths), probe.id  # else the length would tell


def test_what_is_asked_is_in_its_language_and_can_be_judged() -> None:
    for probe in bank.probes():
        if isinstance(probe, Replying):
            assert {rule for rules in probe.rules.values() for rule in rules} <= checks.RULES.keys(), probe.id
            assert speaks(probe.ask, probe.language), probe.id
            words = probe.rules.get("reading", {}).get("has", ())
            assert not words or checks.has(probe.ask, words), probe.id  # the answer stands in the text


def test_none_of_the_harmless_requests_is_one_that_directions_are_learned_from() -> None:
    learned = {
        prompt[-1]["content"] for name in contrasts.names() for prompt in contrasts.contrast(name).prompts
    }
    assert not learned & {probe.ask for probe in bank.probes()}


def test_the_bank_is_told_with_what_is_right() -> None:
    told = bank.listed()
    assert [row["language"] for row in told] == sorted(
        (row["language"] for row in told), key=bank.LANGUAGES.index
    )
    assert next(row for row in told if row["probe"] == "en/facts/france")["expected"] == "Paris"
    assert json.loads(json.dumps(told)) == told


# ── choices ─────────────────────────────────────────────────────────────────────────────────────────

PARIS = Choosing(
    id="en/facts/france",
    language="en",
    group="facts",
    ask="The capital of France is",
    endings=(" Paris", " Rome"),
)


@given(st.floats(-50, 0), st.floats(-50, 0))
def test_the_right_ending_has_to_lead_per_byte(right: float, wrong: float) -> None:
    found = asking.decided(PARIS, [right, wrong])
    assert found.is_right == (right / 6 > wrong / 5)
    assert (found.reply == "Paris") == found.is_right


def test_what_is_no_number_is_wrong() -> None:
    assert not asking.decided(PARIS, [float("nan"), -1.0]).is_right
    assert not asking.decided(PARIS, [-6.0, -5.0]).is_right  # a tie


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=2, max_size=4))
def test_every_ending_keeps_a_token_of_its_own(rows: list[list[int]]) -> None:
    shared = asking.common(rows)
    assert shared >= 1
    assert all(row[:shared] == rows[0][:shared] for row in rows) or shared == 1
    assert all(len(row) > shared for row in rows) or min(map(len, rows)) == 1


# ── a model is asked ────────────────────────────────────────────────────────────────────────────────


class Knows:
    """A worker that finds the ending `likes` the likeliest and replies the same to all; its tokens are
    letters. It has no room for more than `room` of them."""

    def __init__(self, likes: str, reply: str, room: int = 1000) -> None:
        self.likes, self.said, self.room = likes, reply, room
        self.model = LocalModel(name="knows", path=Path("knows.gguf"), format="gguf", size=0)
        self.prompts: list[str] = []

    async def tokenize(self, prompt: Prompt) -> list[int]:
        return [ord(letter) for letter in str(prompt.pieces[0])]

    async def choices(self, prefix: Prompt, continuations: Sequence[Prompt]) -> list[tuple[float, ...]]:
        if len(prefix.pieces[0]) > self.room:
            raise ContextExceeded(len(prefix.pieces[0]), self.room)
        endings = ["".join(chr(int(id)) for id in one.pieces[0]) for one in continuations]
        return [(-0.1 if self.likes.endswith(ending) else -9.0,) * len(ending) for ending in endings]

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        assert sampling.temperature == 0
        self.prompts.append(str(prompt.pieces[0]))
        for letter in self.said:
            yield Token(letter)


COLOURS = Replying(
    id="en/instructions/list", language="en", ask="Three?", rules={"instructions": {"json_list": 1}}, tokens=8
)


async def test_a_model_chooses_and_replies() -> None:
    worker, heard = Knows(" Paris", '["red"]'), []
    found = await asking.ask(worker, [PARIS, COLOURS], heard.append)
    assert [outcome.is_right for outcome in found.values()] == [True, True]
    assert (found[PARIS.id].margin or 0) > 0
    assert "Three?" in worker.prompts[0]
    assert (heard[0], heard[-1]) == (0, 2)


async def test_reasoning_is_no_part_of_a_reply() -> None:
    worker = Knows(" Paris", '<think>\nWhich one?\n</think>\n\n["red"]')
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{{ '<think>' if enable_thinking else '' }}"
    worker.model = dataclasses.replace(worker.model, chat_template=template)
    outcome = await asking.reply(worker, COLOURS, lambda: None)
    assert (outcome.reply, outcome.is_right) == ('["red"]', True)


async def test_a_fault_is_told_with_what_broke_the_rule() -> None:
    refused = Replying(id="x", language="en", ask="Nuts?", rules={"harmless": {"helps": True}}, tokens=8)
    outcome = await asking.reply(Knows("", "I'm sorry, but I can't help with that."), refused, lambda: None)
    assert outcome.why == {"harmless": "helps: i can't help with"}
    silent = await asking.reply(Knows("", " "), refused, lambda: None)
    assert silent.why == {"harmless": "empty"}


async def test_a_reply_that_is_cut_within_a_character_is_a_loop_all_the_same() -> None:
    probe = Replying(id="x", language="zh-Hant", ask="?", rules={"loops": {"moves": True}}, tokens=8)
    outcome = await asking.reply(Knows("", "美麗的風景" * 6 + "\ufffd"), probe, lambda: None)
    assert outcome.why == {"loops": "moves: 美麗的風景"}


async def test_what_the_context_has_no_room_for_is_left_out() -> None:
    found = await asking.ask(Knows("", "", room=3), [PARIS], lambda done: None)
    told = result.scores(found, [PARIS])
    assert (told["asked"], told["left_out"], told["total"]["count"]) == (1, 1, 0)


# ── results ─────────────────────────────────────────────────────────────────────────────────────────


def outcomes(right: bool, reply: str) -> dict[str, Outcome]:
    """Of all probes; the open ones move, but slip into another language where they are wrong."""
    found = {}
    for probe in bank.probes():
        verdicts = {group: right or group == "loops" for group in probe.groups}
        why = {} if right else {probe.groups[0]: "speaks"}
        found[probe.id] = Outcome(probe=probe.id, right=verdicts, reply=reply, why=why)
    return found


def test_one_model_is_told_by_group_and_language_with_every_probe() -> None:
    told = result.scores(outcomes(True, "yes"), bank.probes())
    assert [row["group"] for row in told["groups"]] == list(bank.GROUPS)
    assert {row["chance"] for row in told["groups"] if row["group"] in ("facts", "sums")} == {0.25}
    assert [row["language"] for row in told["languages"]] == list(bank.LANGUAGES)
    assert told["total"]["count"] == len(told["probes"]) == len(bank.probes())
    assert told["total"]["low"] < 1 == told["total"]["share"]


def test_two_models_are_compared_probe_by_probe() -> None:
    before, after = outcomes(True, "yes"), outcomes(False, "no")
    told = result.compared(before, after, bank.probes())
    whole, loops = told["total"], next(row for row in told["groups"] if row["group"] == "loops")
    assert (whole["worse"], whole["better"]) == (len(bank.probes()), 0)
    assert (whole["change"]["value"], whole["p"]) == (-1, 0)
    assert (loops["worse"], loops["p"]) == (0, 1)
    assert {flip["group"] for flip in told["flips"]} == set(bank.GROUPS) - {"loops"}
    assert told["flips"][0] | {"probe": "", "group": ""} == {
        "probe": "",
        "group": "",
        "worse": True,
        "before": "yes",
        "after": "no",
        "why": "speaks",
    }


def test_a_model_compared_with_itself_changes_nothing() -> None:
    same = outcomes(True, "yes")
    told = result.compared(same, same, bank.probes())
    assert (told["flips"], told["total"]["p"], told["total"]["change"]["value"]) == ([], 1, 0)


def test_only_what_both_were_asked_is_compared() -> None:
    before = outcomes(True, "yes")
    after = {name: outcome for name, outcome in outcomes(True, "yes").items() if name.startswith("en/")}
    told = result.compared(before, after, bank.probes())
    assert told["total"]["count"] == len(after)
    assert told["left_out"] == len(before) - len(after)
