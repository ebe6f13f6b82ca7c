"""Every chat-completion case of the ground truth."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from story_setup import set_up, story_of, turn_of, world
from story_truth import tell, truth

from fabula.prompt.faithful.chat import ChatPrompt, Row, chat_prompt
from fabula.prompt.faithful.manager import settings_of

TRUTH = truth("chat_completion_prompts.json")
CASES = TRUTH["cases"]
_PIECE = re.compile(r"'(?:[sdmt]|ll|ve|re)|[^\r\n\w]?[^\W\d_]+|\d{1,3}|\s+(?!\S)|\s| ?[^\s\w]+|_", re.I)


LONG = 8  # letters


class Pieces(dict[str, int]):
    """Chat completion was counted with OpenAI's tokenizer, which is not here. In it common English words,
    numbers and signs are one token each, a space before a number is another, and long words are two."""

    def __missing__(self, text: str) -> int:
        self[text] = sum(2 if len(piece.strip()) > LONG else 1 for piece in _PIECE.findall(text))
        return self[text]

    def __contains__(self, text: object) -> bool:
        return True


def told(setup: dict[str, Any]) -> list[dict[str, str]]:
    settings = settings_of(TRUTH["settings"] | {key: setup[key] for key in setup if key in SETTINGS})
    # the truth was taken from dry runs, in which nothing is squashed
    turn = replace(turn_of(setup, setup.get("generate", "normal")), dry=True)
    found = chat_prompt(story_of(setup), turn, settings, Pieces(), world())
    assert isinstance(found, ChatPrompt)
    return [shown(row) for row in found.rows]


def shown(row: Row) -> dict[str, str]:
    return {"role": row.role, "content": row.text} | ({"name": row.name} if row.name else {})


SETTINGS = {*TRUTH["settings"], "squash_system_messages", "continue_prefill", "send_if_empty"}


@pytest.mark.parametrize("name", CASES)
def test_ground_truth_story_chat(name: str) -> None:
    assert told(set_up(CASES[name]["setup"])) == CASES[name]["expected"]


def test_number_of_chat_cases(capsys: pytest.CaptureFixture[str]) -> None:
    tell(capsys, len(CASES), "chat-completion prompts")
