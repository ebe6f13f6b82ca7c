"""Why a reply is bad, as a route. Knows no rule."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fabula.app import Studio
from fabula.chats.why.evidence import Finding
from fabula.chats.why.rules import RULES
from fabula.server.caller import caller_of
from fabula.server.routing import Routes

Json = dict[str, Any]


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/chats", tags=["Chats"])

    @routes.get("/{chat_id}/why")
    async def last(chat_id: str, request: Request, message_id: str = "") -> Json:
        """What may be wrong with a reply, and what could be changed; the model is loaded for it."""
        caller = caller_of(request)
        message, found = await studio.why.ask(caller, chat_id, message_id)
        rows = [_finding(one, caller.language) for one in found]
        return {"message_id": message.id, "rules": len(RULES), "findings": rows}

    return routes


def _finding(found: Finding, language: str) -> Json:
    fix = found.fix and {
        "text": found.fix.words.say(language),
        "sampling": dict(found.fix.sampling),
        "model": found.fix.model,
        "load": dict(found.fix.load),
    }
    return {
        "rule": found.rule,
        "weight": found.weight,
        "text": found.words.say(language),
        "advice": found.advice.say(language) if found.advice else "",
        "fix": fix or None,
    }
