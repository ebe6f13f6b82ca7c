"""A set of quick replies as it is edited: its rows, their order, what of its file stays. Knows no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

# Reference: QuickReplySet and QuickReply of SillyTavern 1.19, version 2.
EMPTY_SET: Mapping[str, Any] = {
    "version": 2,
    "name": "",
    "disableSend": False,
    "placeBeforeInput": False,
    "injectInput": False,
    "color": "rgba(0, 0, 0, 0)",
    "onlyBorderColor": False,
    "qrList": [],
    "idIndex": 0,
}
_AUTOMATIC = (
    "Startup",
    "User",
    "Ai",
    "ChatChange",
    "GroupMemberDraft",
    "NewChat",
    "BeforeGeneration",
)
EMPTY_ROW: Mapping[str, Any] = {
    "icon": "",
    "showLabel": False,
    "contextList": [],
    "preventAutoExecute": True,
    **{f"executeOn{moment}": False for moment in _AUTOMATIC},
    "automationId": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A reply as a person writes it. `at` is its place in the set before, counted from 0; -1 is a new one."""

    at: int = -1
    label: str
    title: str = ""
    message: str = ""
    hidden: bool = False


def with_rows(document: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """The set with these replies in this order; what a file says of one that stays is kept.

    Raises BadParameter for a place where none was, or one that is named twice.
    """
    before = list(document.get("qrList") or ())
    places = [row.at for row in rows if row.at != -1]
    for place in places:
        if not 0 <= place < len(before) or places.count(place) > 1:
            raise BadParameter("replies", str(place), phrase("expected.reply_places", count=len(before)))
    used = [one["id"] for one in before if isinstance(one.get("id"), int)]
    last = max([*used, _whole(document.get("idIndex"))], default=0)
    found = []
    for row in rows:
        old = before[row.at] if row.at != -1 else None
        if old is None:
            last += 1
            old = {"id": last, **EMPTY_ROW}
        found.append({**old, **_said(row)})
    return {**document, "qrList": found, "idIndex": last}


def _said(row: Row) -> dict[str, Any]:
    return {"label": row.label, "title": row.title, "message": row.message, "isHidden": row.hidden}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
