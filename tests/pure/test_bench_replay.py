"""The replay suite counts what an engine reads, and plays the same chats every time."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path

from bench.recall import chat, facts, mcnemar, sign_test
from bench.replay import TAKEN, Times, taken
from bench.replay_counts import RUN, Cache, common
from bench.replay_script import SCENARIOS, played

PROMPT = tuple(range(100))
REPLY = tuple(range(500, 520))


def test_what_both_begin_with_is_reused_and_the_last_token_is_read_in_any_case() -> None:
    cache = Cache()
    assert cache.reads(PROMPT, REPLY).processed == len(PROMPT)
    assert cache.reads(PROMPT, REPLY).processed == 1
    news = tuple(range(900, 930))
    assert cache.reads((*PROMPT, *REPLY, *news), ()).processed == len(news)
    assert common((1, 2, 3), (1, 2, 4)) == 2


def test_text_that_moved_is_read_again_and_new_text_is_not() -> None:
    cache = Cache()
    cache.reads(PROMPT, REPLY)
    read = cache.reads((7777, *PROMPT[:50], *range(900, 930)), ())
    assert (read.processed, read.again) == (81, 50)


def test_a_run_that_is_too_short_to_be_known_again_is_new() -> None:
    cache = Cache()
    cache.reads(PROMPT, ())
    assert cache.reads((7777, *PROMPT[: RUN - 1], 8888), ()).again == 0


def test_a_scenario_is_played_the_same_every_time_and_goes_back_where_it_should() -> None:
    for scenario in SCENARIOS:
        one, other = list(played(scenario, 12)), list(played(scenario, 12))
        assert one == other
        assert len(one) == 12 + scenario.before
    paths = [[message.id for message in asked.story.messages] for asked in played(SCENARIOS[-1], 20)]
    kinds = [asked.kind for asked in played(SCENARIOS[-1], 20)]
    assert "swipe" in kinds
    assert any(later[: len(before)] != before for before, later in itertools.pairwise(paths))


def test_a_fact_is_named_before_it_is_asked_for_and_never_in_the_chat_itself() -> None:
    for number, fact in enumerate(facts(8)):
        last = list(chat(fact, number, lore=True))[-1].story
        said = " ".join(message.text for message in last.messages)
        assert said.count(fact.place) == (2 if fact.late else 1)
        assert fact.told not in said
        assert any(entry.content == fact.told for entry in last.lore)
        assert not list(chat(fact, number, lore=False))[-1].story.lore


def test_the_sign_test_is_sure_of_many_and_not_of_few() -> None:
    assert sign_test([1.0] * 10, [0.0] * 10) == 1 / 1024
    assert sign_test([1.0, 0.0], [0.0, 1.0]) == 0.75


def test_two_facts_lost_of_many_are_chance_and_ten_are_not() -> None:
    assert mcnemar([False] * 2 + [True] * 46, [True] * 48) == 0.5
    assert mcnemar([False] * 10, [True] * 10) < 0.01
    assert mcnemar([True], [True]) == 1.0


def test_what_runs_of_single_scenarios_kept_is_added_up_where_much_is_read_again(tmp_path: Path) -> None:
    found = Times({10: 4000.0, 20: 6000.0}, dict.fromkeys(range(1, 30), 500.0))
    kept = [
        {"name": f"{name}, {TAKEN}", "values": [asdict(found) | {"share": share}]}
        for name, share in (("lore", 98.0), ("plain", 5.0))
    ]
    file = tmp_path / "replay-times.json"
    file.write_text(json.dumps({"rows": [{"name": "steady", "unit": "ms", "value": 500.0}, *kept]}))
    [again] = taken(file)
    assert again == found
    assert (again.faithful_sum(), again.steady_sum()) == (145.0, 14.5)
