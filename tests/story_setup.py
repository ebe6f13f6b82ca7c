"""Set-ups of the ground truth as stories and turns: a merge of declarative rows. Knows no prompt."""

from __future__ import annotations

import copy
import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from story_truth import card_of, presets, truth

from fabula.prompt.faithful.model import (
    Character,
    Note,
    Persona,
    ReasoningStyle,
    Story,
    StoryMessage,
    SystemPrompt,
    Turn,
)
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.templates import Context, Instruct, context_of, instruct_of
from fabula.prompt.lore.activate import ordered
from fabula.prompt.lore.entry import Role, entry_of
from fabula.prompt.lore.settings import settings_of
from fabula.prompt.macros.scene import Card
from fabula.prompt.regexes.scripts import script_of

TRUTH = truth("text_completion_prompts.json")
ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
BOOK = "feature"


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, everything else is replaced."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def set_up(change: dict[str, Any]) -> dict[str, Any]:
    setup = merged(TRUTH["feature_defaults"], change)
    chat = copy.deepcopy(TRUTH["inputs"]["chat"] if isinstance(setup["chat"], str) else setup["chat"])
    for index, message in setup.get("chat_changes", {}).items():
        chat[int(index)] = merged(chat[int(index)], message)
    for index, message in sorted(setup.get("chat_insert", {}).items(), key=lambda row: int(row[0])):
        chat.insert(int(index), message)
    return setup | {"chat": [*chat, *setup.get("chat_append", [])]}


def message_of(row: dict[str, Any]) -> StoryMessage:
    extra = row.get("extra") or {}
    return StoryMessage(
        text=row["mes"],
        name=row.get("name") or "",
        is_user=bool(row.get("is_user")),
        is_hidden=bool(row.get("is_system")),
        is_narrator=extra.get("type") == "narrator",
        own_face=bool(row.get("force_avatar")),
        reasoning=extra.get("reasoning") or "",
        bias=extra.get("bias") or "",
        swipes=len(row.get("swipes") or ()),
        swipe=row.get("swipe_id") or 0,
        sent=_moment(row.get("send_date")),
    )


def _moment(written: Any) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None


def character_of(data: dict[str, Any], file: str = "Mira") -> Character:
    note = (data.get("extensions") or {}).get("depth_prompt") or {}
    return Character(
        name=data["name"],
        file=file,
        tags=frozenset(),
        depth=note.get("depth", 4),
        role=ROLES[note.get("role", "system")],
        card=Card(
            description=data["description"],
            personality=data["personality"],
            scenario=data["scenario"],
            examples=data["mes_example"],
            greetings=(data["first_mes"], *data.get("alternate_greetings", ())),
            system_prompt=data.get("system_prompt") or "",
            post_history=data.get("post_history_instructions") or "",
            depth_prompt=note.get("prompt") or "",
            creator_notes=data.get("creator_notes") or "",
            version=data.get("character_version") or "",
        ),
    )


def bare_card(changes: dict[str, Any]) -> dict[str, Any]:
    """Mira as the truth has her: prompts of her own and her depth prompt emptied, then changed by path."""
    data = copy.deepcopy(card_of())
    data |= {"system_prompt": "", "post_history_instructions": ""}
    data["extensions"] |= {"world": "", "depth_prompt": {"prompt": "", "depth": 4, "role": "system"}}
    for path, value in changes.items():
        *way, last = path.split(".")
        holder = data
        for step in way:
            holder = holder.setdefault(step, {})
        holder[last] = value
    return data


def note_of(row: dict[str, Any]) -> Note:
    return Note(
        text=row["prompt"],
        interval=row["interval"],
        place=row["position"],
        depth=row["depth"],
        role=row["role"],
        scanned=row["allow_wi_scan"],
    )


def persona_of(row: dict[str, Any]) -> Persona:
    return Persona(
        name=TRUTH["inputs"]["user"],
        description=row["description"],
        place=row["position"],
        depth=row["depth"],
        role=row["role"],
    )


def reasoning_of(row: dict[str, Any]) -> ReasoningStyle:
    names = {"add_to_prompts": "sent", "max_additions": "most"}
    known = {names.get(key, key): value for key, value in row.items()}
    return ReasoningStyle(**{key: value for key, value in known.items() if key in ReasoningStyle.__slots__})


def story_of(setup: dict[str, Any], **changes: Any) -> Story:
    metadata = setup.get("chat_metadata", {})
    settings = settings_of(setup["world_info"])
    rows = [TRUTH_ENTRY | row for row in setup["world_entries"]]
    story = Story(
        character=character_of(bare_card(setup.get("card_changes", {}))),
        persona=persona_of(setup["persona"]),
        messages=[message_of(row) for row in setup["chat"]],
        note=note_of(setup["note"]),
        system_prompt=SystemPrompt(
            enabled=setup["sysprompt"]["enabled"],
            text=setup["sysprompt"]["content"],
            post_history=setup["sysprompt"]["post_history"],
        ),
        lore=ordered(settings.strategy, character=[entry_of(row, BOOK) for row in rows]),
        lore_settings=settings,
        prefers_card_prompt=setup["prefer_character_prompt"],
        prefers_card_post_history=setup["prefer_character_jailbreak"],
        pin_examples=setup["pin_examples"],
        strip_examples=setup["strip_examples"],
        starts_reply_with=setup["user_prompt_bias"],
        reasoning=reasoning_of(setup.get("reasoning", {})),
        scripts=tuple(script_of(row) for row in setup.get("regex_scripts", ())),
    )
    overrides = type(story.overrides)(
        scenario=metadata.get("scenario", ""),
        examples=metadata.get("mes_example", ""),
        system_prompt=metadata.get("system_prompt", ""),
    )
    return replace(story, overrides=overrides, **changes)


TRUTH_ENTRY = truth("lorebook.json")["entry_template"]


def turn_of(setup: dict[str, Any], kind: str) -> Turn:
    return Turn(
        kind=kind,  # type: ignore[arg-type]
        context=setup["max_context"],
        reply_room=setup["response_tokens"],
        padding=setup["token_padding"],
        quiet_prompt=setup.get("quiet_prompt", "") if kind == "quiet" else "",
    )


def world() -> World:
    return World(draw=lambda: 0.5)


def instruct_from(folder: Path, name: str, changes: dict[str, Any]) -> Instruct:
    return instruct_of(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) | changes)


def context_from(folder: Path, name: str, changes: dict[str, Any]) -> Context:
    return context_of(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) | changes)


CHATML = Instruct(
    input_sequence="<|im_start|>user",
    output_sequence="<|im_start|>assistant",
    system_sequence="<|im_start|>system",
    input_suffix="<|im_end|>\n",
    output_suffix="<|im_end|>\n",
    system_suffix="<|im_end|>\n",
    stop_sequence="<|im_end|>",
    story_string_prefix="<|im_start|>system",
    story_string_suffix="<|im_end|>\n",
)
"""ChatML that wraps, as in the truth: its stop strings begin with a line break."""
STARS = {"example_separator": "***", "chat_start": "***"}


def templates_of(setup: dict[str, Any]) -> tuple[Context, Instruct]:
    """The templates of a set-up: those that nearly all share are here, others in the folder of presets."""
    instruct, context = setup["instruct_preset"], setup["context_preset"]
    changes, layout = setup.get("instruct_changes", {}), setup.get("context_changes", {})
    wrapped = replace(CHATML, **changes) if instruct == "ChatML" else None
    known = {"ChatML": Context(), "Default": Context(**STARS)}.get(context)
    head = replace(known, **layout) if known else context_from(presets("context"), context, layout)
    return head, wrapped or instruct_from(presets("instruct"), instruct, changes)


def group_templates() -> tuple[Context, Instruct]:
    return Context(), CHATML
