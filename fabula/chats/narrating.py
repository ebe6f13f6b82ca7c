"""From what was gathered to the story that a prompt is laid out from. Knows no tables and no engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from fabula.chats import packs, scripts, templates
from fabula.chats.characters import book
from fabula.chats.characters.card import Card, DepthNote
from fabula.chats.characters.shelf import Character
from fabula.chats.gathering import Gathered, linked_world
from fabula.chats.items import Item
from fabula.chats.lorebooks.entries import Parsed
from fabula.chats.memory import told as memories
from fabula.chats.records import PathMessage
from fabula.chats.retelling import Retelling, said
from fabula.chats.story_settings import NO_TEMPLATE, Layout
from fabula.prompt.faithful import model
from fabula.prompt.faithful.usual import usual
from fabula.prompt.lore.activate import ordered
from fabula.prompt.lore.entry import Entry, Role
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.lore.timed import Timers
from fabula.prompt.macros import scene
from fabula.prompt.regexes.scripts import Script
from fabula.turn.forms import Form, MessagesForm, TextForm

SYSTEM = (
    "You are {{char}} in a story that you tell together with {{user}}. Write what {{char}} says and does "
    "next, true to who {{char}} is and to what has happened so far. Leave {{user}}'s words and deeds "
    "to {{user}}."
)
"""What stands at the head where neither the chat nor the card nor the settings have a prompt."""
SOMEBODY = "User"
ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}


def story(
    told: Gathered,
    speaker: Character,
    path: Sequence[PathMessage],
    parsed: Parsed,
    retelling: Retelling,
    running: str = "",
) -> model.Story:
    """`running` is the name of the model that tells it."""
    settings, defaults, layout = told.settings, told.defaults, told.settings.layout
    v3 = defaults.has_v3(layout)
    persona = persona_of(told)
    settings_of_lore, lore = _lore(told, speaker, layout, parsed)
    names = {character.id: called(character.card, v3) for character in told.cast}
    own, general = _packs(told, speaker, running)
    return model.Story(
        character=_member(told, speaker, v3),
        persona=persona,
        group=_group(told, v3),
        messages=retelling.messages(told.chat.id, path, persona.name, names.get(speaker.id, ""), layout),
        note=_note(told, speaker),
        system_prompt=model.SystemPrompt(
            text=(general.text if general else "") or defaults.system_prompt or SYSTEM,
            post_history=settings.post_history or defaults.post_history,
        ),
        overrides=model.Overrides(
            scenario=settings.scenario,
            examples=settings.examples,
            system_prompt=told.chat.system or (own.text if own else ""),
        ),
        lore=lore,
        lore_settings=settings_of_lore,
        timers=Timers.of(told.memory.get("timers", {})),
        scripts=tuple(all_scripts(told)),
        injections=memories.injections(told.remembered, path),
        prefers_card_prompt=defaults.card_prompts,
        prefers_card_post_history=defaults.card_post_history,
        pin_examples=settings.pin_examples,
        strip_examples=settings.strip_examples,
        collapse_newlines=defaults.collapse_newlines,
        starts_reply_with=settings.starts_reply_with,
        prompt_name=_prompt_name(told, speaker, own, general),
        greeting=told.greeting,
        user_icon=settings.user_icon or None,
    )


def _packs(told: Gathered, speaker: Character, running: str) -> tuple[packs.Pack | None, packs.Pack | None]:
    """The system prompt that the chat or the character wishes, which goes before the card's own; and the one
    for the model or for all, which holds where the card has none."""
    kept, chosen = list(told.templates), told.defaults.packs
    nowhere_else = {packs.KEY: {**chosen, packs.EVERYWHERE: ""}}
    own = packs.chosen(nowhere_else, kept, told.settings.pack, [speaker.id], "")
    return own, packs.chosen({packs.KEY: chosen}, kept, "", [], running)


def _prompt_name(
    told: Gathered, speaker: Character, own: packs.Pack | None, general: packs.Pack | None
) -> str:
    """Of the one that is told, where it is of the library."""
    if told.chat.system or own:
        return own.name if own and not told.chat.system else ""
    alone = told.settings.group is None and told.defaults.card_prompts
    return "" if general is None or (alone and speaker.card.text("system_prompt")) else general.name


def form(told: Gathered) -> Form | None:
    """How it is laid out, with the templates that are chosen; None is the steady layout."""
    settings, defaults, own = told.settings, told.defaults, list(told.templates)
    if settings.layout == "text":
        instruct = settings.instruct or defaults.instruct
        return TextForm(
            context=templates.context(own, settings.context or defaults.context),
            instruct=templates.instruct(own, instruct),
            plain=instruct == NO_TEMPLATE,
        )
    if settings.layout == "messages":
        found = templates.prompts(own, settings.prompts or defaults.prompts)
        main = defaults.system_prompt or SYSTEM
        return MessagesForm(settings=found or usual(main, settings.post_history or defaults.post_history))
    return None


# ── people ──────────────────────────────────────────────────────────────────────────────────────────


def called(card: Card, v3: bool = True) -> str:
    """SillyTavern knows no nicknames."""
    return card.called if v3 else card.name


def persona_of(told: Gathered) -> model.Persona:
    """The one that the chat names, else what the chat itself says of the person, else the usual one."""
    own, chosen = told.chat.persona, told.persona
    names_one = chosen is not None and told.settings.persona_id == chosen.id
    if chosen is None or (own.get("name") and not names_one):
        name = str(own.get("name") or SOMEBODY)
        return model.Persona(name=name, description=str(own.get("description", "")))
    return model.Persona(
        name=chosen.name,
        description=chosen.description,
        place=chosen.place,
        depth=chosen.depth,
        role=chosen.role,
    )


def _member(told: Gathered, character: Character, v3: bool) -> model.Character:
    card = character.card
    note = card.depth_note or DepthNote("")
    names = Counter(one.card.name for one in told.cast)
    return model.Character(
        name=called(card, v3),
        card=texts(card),
        depth=note.depth,
        role=ROLES.get(note.role, Role.SYSTEM),
        talkativeness=card.talkativeness,
        file=card.name if names[card.name] <= 1 else character.id,
        tags=frozenset(character.tags),
    )


def members(told: Gathered, v3: bool = True) -> dict[str, model.Character]:
    """All of a cast, by the id of the character."""
    return {character.id: _member(told, character, v3) for character in told.cast}


def _group(told: Gathered, v3: bool) -> model.Group | None:
    cast = told.settings.group
    if cast is None:
        return None
    found = members(told, v3)
    return model.Group(
        members=tuple(found.values()),
        muted=frozenset(found[id].file for id in told.muted if id in found),
        join=cast.join,
        prefix=cast.prefix,
        suffix=cast.suffix,
        allows_self_replies=cast.self_replies,
    )


def group_of(told: Gathered) -> model.Group | None:
    return _group(told, told.defaults.has_v3(told.settings.layout))


def texts(card: Card) -> scene.Card:
    note = card.depth_note
    return scene.Card(
        description=card.text("description"),
        personality=card.text("personality"),
        scenario=card.text("scenario"),
        examples=card.text("mes_example"),
        greetings=card.greetings,
        system_prompt=card.text("system_prompt"),
        post_history=card.text("post_history_instructions"),
        depth_prompt=note.text if note else "",
        creator_notes=card.text("creator_notes"),
        version=card.text("character_version"),
    )


def _note(told: Gathered, speaker: Character) -> model.Note:
    own = told.notes.get(speaker.id, {})
    place = own.get("place", "replace")
    return replace(
        told.settings.note,
        of_character=str(own.get("text", "")),
        character_place=cast(Literal["replace", "before", "after"], place),
    )


# ── lore and scripts ────────────────────────────────────────────────────────────────────────────────


def _lore(
    told: Gathered, speaker: Character, layout: Layout, parsed: Parsed
) -> tuple[LoreSettings, list[Entry]]:
    """In the order in which entries get the budget. In the steady layout the books of all members are told in
    every turn, so that the head does not depend on the speaker."""
    v3 = told.defaults.has_v3(layout)
    settings = told.defaults.lore_settings(layout)
    speaking = told.cast if layout == "steady" else (speaker,)
    names = {item.name.casefold() for item in told.books.character}
    cards = [one.card for one in speaking if linked_world(one.card).casefold() not in names - {""}]

    shared = Counter([item.name for item in told.books.all] + [card.name for card in cards])

    def of(items: Sequence[Item]) -> list[Entry]:
        names = [item.name if shared[item.name] < 2 else f"{item.name} {item.id}" for item in items]
        return [
            entry
            for item, name in zip(items, names, strict=True)
            for entry in parsed.entries(item, name, v3=v3)
        ]

    embedded = [entry for card in cards for entry in book.entries(card, v3=v3)]
    if layout == "steady" and len(cards) == 1 and not told.books.all:
        settings = _as_the_book_wants(settings, cards[0], told.defaults.lore)
    found = ordered(
        settings.strategy,
        everywhere=of(told.books.everywhere),
        character=[*embedded, *of(told.books.character)],
        chat=of(told.books.chat),
        persona=of(told.books.persona),
    )
    return settings, found


def _as_the_book_wants(settings: LoreSettings, card: Card, said: Mapping[str, Any]) -> LoreSettings:
    """A card's book, where it is the only one, is searched as it wants unless a setting says otherwise."""
    wanted = book.settings(card)
    fields = {name: getattr(wanted, name) for name in ("depth", "budget_cap", "recursive")}
    return replace(settings, **{name: value for name, value in fields.items() if name not in said})


def all_scripts(told: Gathered) -> list[Script]:
    """Those that a person keeps, then those of cards where that is allowed."""
    found = scripts.of_items(told.scripts)
    if told.defaults.card_scripts:
        found += [script for one in told.cast for script in scripts.of_card(one.card.extensions)]
    return found


# ── messages ────────────────────────────────────────────────────────────────────────────────────────


def messages(told: Gathered, path: Sequence[PathMessage]) -> list[model.StoryMessage]:
    persona = persona_of(told)
    first = told.cast[0].card.called if told.cast else ""
    return [said(message, persona.name, first) for message in path]
