"""What llama.cpp tells of itself: health, properties and slots. Knows no engine.

Nothing is loaded to answer: what a model is loaded with is told, or how it would be.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula import __version__
from fabula.app import Studio
from fabula.core.errors import BadParameter, PropsAreFixed, QueueFull, SlotsAreKept, TemplateRefused
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import NEUTRAL
from fabula.core.texts import phrase
from fabula.core.worker import Running, SlotState
from fabula.engine.parsing import families
from fabula.prompt.template import ChatTemplate, takes_tools
from fabula.server.caller import caller_of
from fabula.server.current import named_or_current
from fabula.server.llamacpp.names import settings
from fabula.server.llamacpp.parse import MARKER
from fabula.server.routing import Routes

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
PROBE = "\ue010be kind\ue010"

SLOT_ACTIONS = ("save", "restore", "erase")  # that llama.cpp knows


def router(studio: Studio) -> Routes:
    routes = Routes(tags=["llama.cpp"])

    @routes.get("/health")
    @routes.get("/v1/health")
    async def health() -> dict[str, str]:
        """Whether requests are answered; models are loaded when they are asked."""
        return {"status": "ok"}

    @routes.get("/props")
    async def props(request: Request, model: str = "") -> dict[str, Any]:
        """The model's template, context and slots; `model` names another than the usual one."""
        found = studio.shelf.described(named_or_current(studio, request, model).name)
        running = running_of(studio, found)
        plan = running.plan if running else await asyncio.to_thread(studio.planning.plan, found)
        return _props(found, plan, is_loaded=running is not None, is_near=is_near(request))

    @routes.post("/props", response_model=None)
    async def change() -> Response:
        raise PropsAreFixed()

    @routes.get("/slots", response_model=None)
    async def slots(request: Request, model: str = "", fail_on_no_slot: bool = False) -> Response:
        """The caller's own slots and the free ones of a loaded model; never what is in them."""
        running = running_of(studio, named_or_current(studio, request, model))
        if running is None:
            return JSONResponse([])
        if fail_on_no_slot and running.busy >= running.plan.slots:
            raise QueueFull(running.waiting, 1)
        owner = caller_of(request).owner_id
        own = [slot for slot in running.slots if slot.owner in ("", owner)]
        return JSONResponse([_slot(slot, running.plan) for slot in own])

    @routes.post("/slots/{number}", response_model=None)
    async def act(number: int, action: str = "") -> Response:
        if action not in SLOT_ACTIONS:
            raise BadParameter(
                "action", action[:80], phrase("expected.one_of", names=", ".join(SLOT_ACTIONS))
            )
        raise SlotsAreKept(action)

    return routes


def running_of(studio: Studio, model: LocalModel) -> Running | None:
    rows = studio.supervisor.running()
    return next((row for row in rows if row.model == model.name), None)


def is_near(request: Request) -> bool:
    """Whether whoever asks sits at this machine: paths of it are nobody else's business."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:  # a socket without an address
        return False


def _slot(slot: SlotState, plan: Plan) -> dict[str, Any]:
    guesses = bool(plan.options.draft or plan.options.speculation not in (None, "none"))
    return {
        "id": slot.number,
        "n_ctx": plan.context,
        "speculative": guesses,
        "is_processing": slot.is_busy,
        "n_tokens": slot.tokens,
        "is_chat": slot.is_chat,
    }


def _props(model: LocalModel, plan: Plan, *, is_loaded: bool, is_near: bool) -> dict[str, Any]:
    template = ChatTemplate(model.chat_template, bos=model.bos_token, eos=model.eos_token)
    here = bool(is_near and not model.elsewhere)
    return {
        "default_generation_settings": {"params": settings(NEUTRAL), "n_ctx": plan.context},
        "total_slots": plan.slots,
        "model_alias": model.name,
        "model_ftype": model.quantization,
        "model_path": str(model.path) if here else model.path.name or model.name,
        "modalities": {"vision": bool(model.projector), "video": False, "audio": False},
        "media_marker": MARKER,
        "endpoint_slots": True,
        "endpoint_props": False,
        "endpoint_metrics": True,
        "chat_template": template.source,
        "chat_template_caps": _caps(template),
        "bos_token": model.bos_token,
        "eos_token": model.eos_token,
        "build_info": f"fabula {__version__}",
        "is_sleeping": not is_loaded,
    }


def _caps(template: ChatTemplate) -> dict[str, bool]:
    """What the template does with the parts of a conversation, found by trying and by its variables."""
    tools = takes_tools(template.source)
    return {
        "supports_system_role": _shows_system(template),
        "supports_string_content": True,
        "supports_typed_content": False,  # contents are given to it as text
        "supports_tools": tools,
        "supports_tool_calls": tools,
        "supports_parallel_tool_calls": tools,
        "supports_object_arguments": tools,
        "supports_reasoning_effort": any(template.knows(name) for name in families.EFFORTS),
        "supports_preserve_reasoning": any(template.knows(name) for name in families.KEEPS),
    }


def _shows_system(template: ChatTemplate) -> bool:
    rows = [{"role": "system", "content": PROBE}, {"role": "user", "content": "Hello"}]
    try:
        return PROBE in template.render(rows, add_generation_prompt=True)
    except TemplateRefused:
        return False
