"""The traits of a chat: what can be made stronger or weaker in it, and what a change costs. Knows no file."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.chats import traits
from fabula.chats.records import Chat
from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.vectors import ControlVector, Vectors
from fabula.models.formats.folders import FORMAT as SAFETENSORS
from fabula.server.caller import caller_of
from fabula.server.native.bodies import Body
from fabula.server.routing import Routes

Json = dict[str, Any]


class ForCharacter(Body):
    """`forget`: chats with the character begin without."""

    forget: bool = False


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats", tags=["Chats"])
    vectors = Vectors(studio.home.vectors)

    @routes.get("/{chat_id}/traits")
    async def of_chat(chat_id: str, request: Request) -> Json:
        """Adapters and control vectors that its model can use, and what a change makes it read again."""
        caller = caller_of(request)
        chat = await studio.chats.get(caller.owner_id, chat_id)
        model = studio.find_model(chat.model)
        attached = dict(studio.shelf.load_options(model).adapters or ())
        fitting = await asyncio.to_thread(studio.shelf.adapters.misfits, model)
        adapters = [
            _trait("adapter", one.name, one.title, attached[one.name])
            for one, misfit in fitting
            if one.name in attached and not misfit and not one.problem
        ]
        found = await asyncio.to_thread(vectors.list)
        return {
            "model": model.name,
            "traits": [
                *adapters,
                *(_trait("vector", one.name, "", 0.0) for one in found if _fits(one, model)),
            ],
            "exact": "" if not found else _obstacle(studio, model, caller.language),
            "reread_tokens": await _reread(studio, caller.owner_id, chat),
            "character": await _of_character(studio, caller.owner_id, chat),
        }

    @routes.post("/{chat_id}/traits/character")
    async def for_character(chat_id: str, body: ForCharacter, request: Request) -> Json:
        """The chat's traits become those with which chats of its character begin."""
        owner = caller_of(request).owner_id
        chat = await studio.chats.get(owner, chat_id)
        if not chat.character_id:
            raise BadParameter("character_id", "", phrase("expected.character_chat"))
        character = await studio.characters.get(owner, chat.character_id)
        sampling = {} if body.forget else await studio.presets.laid(owner, chat.sampling)
        fields = {"extensions": traits.into_card(character.card.data, sampling)}
        edited = await studio.characters.edit(owner, character.id, character.revision, fields)
        return {"character": {"name": edited.name, "traits": traits.of_card(edited.card.data)}}

    return routes


def _trait(kind: str, name: str, title: str, usual: float) -> Json:
    return {"kind": kind, "name": name, "title": title or name, "usual": usual}


def _fits(one: ControlVector, model: LocalModel) -> bool:
    return not model.elsewhere and one.width == model.embedding


def _obstacle(studio: Studio, model: LocalModel, language: str) -> str:
    """Why control vectors cannot be used: of a GGUF only the exact engine has them."""
    why = None if model.format == SAFETENSORS else studio.no_direct(model.name)
    return why.say(language) if why else ""


async def _reread(studio: Studio, owner: str, chat: Chat) -> int:
    """Tokens of the chat's last prompt: what is read anew with other scales."""
    page = await studio.chats.page(owner, chat.id, limit=20)
    sizes = [int((one.facts or {}).get("prompt_tokens") or 0) for one in page.messages]
    return next((size for size in reversed(sizes) if size), 0)


async def _of_character(studio: Studio, owner: str, chat: Chat) -> Json | None:
    if not chat.character_id:
        return None
    character = await studio.characters.get(owner, chat.character_id)
    return {"name": character.name, "traits": traits.of_card(character.card.data)}
