"""Gathers what is known of a reply, and asks the rules. Knows no HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.chats.book import Chats
from fabula.chats.narrating import persona_of
from fabula.chats.records import Chat, ChatMessage, PathMessage
from fabula.chats.replies import Replies
from fabula.chats.stories import Stories, is_story
from fabula.chats.why.evidence import Evidence, Finding, Weights
from fabula.chats.why.rules import findings
from fabula.core.errors import BadParameter, FabulaError, ModelNotFound
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.request import Caller
from fabula.core.texts import phrase
from fabula.core.worker import Running
from fabula.turn.looking import Looked

EARLIER = 12  # replies that are compared
HEAD = ("head", "fixed")  # why a part stands in the prompt that is sent with every turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What is known of models: all of them, one by its name, how it is loaded, and which are loaded."""

    all: Callable[[], Sequence[LocalModel]]
    find: Callable[[str], LocalModel]
    options: Callable[[LocalModel], LoadOptions]
    running: Callable[[], Sequence[Running]]


class Why:
    def __init__(self, chats: Chats, replies: Replies, stories: Stories, shelf: Shelf) -> None:
        self._chats, self._replies, self._stories, self._shelf = chats, replies, stories, shelf

    async def ask(
        self, caller: Caller, chat_id: str, message_id: str = ""
    ) -> tuple[ChatMessage, list[Finding]]:
        """A reply ("" = the last one), and why it may be bad. The model that wrote it is loaded to look at
        its prompt; where that cannot be, the other rules are asked.

        Raises ChatNotFound, MessageNotFound, BadParameter for what is no reply.
        """
        chat = await self._chats.get(caller.owner_id, chat_id)
        path = await self._chats.path(caller.owner_id, chat_id, upto=message_id or chat.head_id)
        if not path or path[-1].role != "assistant":
            raise BadParameter("message_id", message_id or chat.head_id, phrase("expected.reply"))
        message = await self._chats.message(caller.owner_id, chat_id, path[-1].id)
        return message, findings(await self._evidence(caller, chat, path, message))

    async def _evidence(
        self, caller: Caller, chat: Chat, path: Sequence[PathMessage], message: ChatMessage
    ) -> Evidence:
        facts = message.facts or {}
        model = self._model(str(facts.get("model") or chat.model))
        looked = await self._looked(caller, chat, message, model)
        told = await self._stories.gathered(caller.owner_id, chat, books=False)
        replies = [one.text for one in reversed(path[:-1]) if one.role == "assistant"]
        return Evidence(
            text=message.text,
            reasoning=message.reasoning,
            facts=facts,
            effective=facts.get("effective") or {},
            ignored=tuple(facts.get("ignored") or ()),
            model=self._weights(model) if model else None,
            own_template=model is None or self._shelf.options(model).chat_template is None,
            earlier=tuple(replies[:EARLIER]),
            said=next((one.text for one in reversed(path[:-1]) if one.role == "user"), ""),
            greeting=path[0].text if path[0].role == "assistant" else None,
            person=persona_of(told).name if told else "",
            is_story=is_story(chat),
            kv_type=self._kv_type(model),
            **_prompt(looked),
        )

    async def _looked(
        self, caller: Caller, chat: Chat, message: ChatMessage, model: LocalModel | None
    ) -> Looked | None:
        """The prompt that ends where this reply began, as the model that wrote it reads it."""
        with contextlib.suppress(FabulaError):
            return (await self._replies.look(caller, chat.id, message.id, model.name if model else ""))[1]
        return None

    def _model(self, name: str) -> LocalModel | None:
        with contextlib.suppress(ModelNotFound):
            return self._shelf.find(name)
        return None

    def _weights(self, model: LocalModel) -> Weights:
        return Weights(
            name=model.name,
            parameters=model.parameters,
            bits=bits_of(model),
            quantization=model.quantization,
            trained_context=model.trained_context,
            chat_template=model.chat_template,
            bos=model.bos_token,
            adds_bos=model.adds_bos,
            pooling=model.pooling,
            better=better(model, self._shelf.all()),
        )

    def _kv_type(self, model: LocalModel | None) -> str:
        loaded = {running.model: running.plan.kv_type for running in self._shelf.running()}
        return loaded.get(model.name, "") if model else ""


def bits_of(model: LocalModel) -> float:
    """Of the whole file for each parameter; 0 where that is not known, or it lies elsewhere."""
    return 0.0 if model.elsewhere or not model.parameters else model.size * 8 / model.parameters


def better(model: LocalModel, known: Sequence[LocalModel]) -> str:
    """The same model with the next more bits, ""."""

    def kind(one: LocalModel) -> tuple[Any, ...]:
        return one.architecture, one.parameters, one.tokenizer

    others = [one for one in known if kind(one) == kind(model) and not one.problem and not one.elsewhere]
    more = [one for one in others if bits_of(one) > bits_of(model) + 0.3]
    return min(more, key=bits_of).name if more and model.parameters else ""


def _prompt(looked: Looked | None) -> Mapping[str, Any]:
    """What a look at the prompt tells."""
    if looked is None:
        return {}
    parts: dict[str, int] = {}
    for part in looked.plan.segments:
        if part.included and (part.reason in HEAD or part.source == "system"):
            parts[part.source] = parts.get(part.source, 0) + part.tokens
    told = {"layout": looked.layout, "prompt": looked.text, "context": looked.context}
    return told | {"parts": parts}
