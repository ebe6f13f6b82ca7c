"""One line of a SillyTavern chat file as a message with its alternatives, and back. PURE.

After SillyTavern 1.19.0's own files (tests/fixtures/roleplay/chats). Its swipes are our alternatives. What a
line says besides (`extra`, `gen_started`, `force_avatar` …) is kept with the message that it showed, and is
written again.
"""

from __future__ import annotations

from typing import Any

from fabula.chats.exchange.said import Said, iso, storable, when
from fabula.core.messages import Role

Line = dict[str, Any]
INFO = ("send_date", "gen_started", "gen_finished", "extra")  # what swipe_info repeats of a line


def read(line: Line) -> tuple[list[Said], int]:
    """The alternatives of a line, and which of them it shows."""
    shown, texts = _swipes(line)
    rest = {name: value for name, value in line.items() if name not in _held(line)}
    made = [_said(line, rest, number, text, number == shown) for number, text in enumerate(texts)]
    return made, shown


def _swipes(line: Line) -> tuple[int, list[str]]:
    """(index of the one shown, texts); a line without usable swipes has one text."""
    swipes, at, text = line.get("swipes"), line.get("swipe_id"), line.get("mes")
    text = text if isinstance(text, str) else ""
    if not _has_swipes(line) or not isinstance(swipes, list) or not isinstance(at, int):
        return 0, [text]
    return at, [*swipes[:at], text, *swipes[at + 1 :]]


def _has_swipes(line: Line) -> bool:
    swipes, at = line.get("swipes"), line.get("swipe_id")
    if not isinstance(swipes, list) or not all(isinstance(one, str) for one in swipes):
        return False
    return type(at) is int and 0 <= at < len(swipes)


def _held(line: Line) -> tuple[str, ...]:
    """Fields whose values are kept as texts of messages."""
    mes = ("mes",) if isinstance(line.get("mes"), str) else ()
    return (*mes, *(("swipes", "swipe_id") if _has_swipes(line) else ()))


def _said(line: Line, rest: Line, number: int, text: str, shown: bool) -> Said:
    origin: dict[str, Any] = {"swipe": number} if _has_swipes(line) else {}
    if _has_swipes(line) and line["swipes"][number] != storable(text):
        origin["raw_swipe"] = line["swipes"][number]
    if shown:
        origin["line"] = rest
        if text != storable(text):
            origin["raw"] = text
    about = line if shown else _info(line, number)
    extra = about.get("extra")
    extra = extra if isinstance(extra, dict) else {}
    return Said(
        role=role_of(line),
        author=author_of(line),
        text=storable(text),
        created=when(about.get("send_date")),
        reasoning=_text(extra.get("reasoning")),
        model=_text(extra.get("model")),
        left_out=bool(line.get("is_system")),
        checkpoint=checkpoint_of(line) if shown else "",
        origin=origin,
    )


def _info(line: Line, number: int) -> dict[str, Any]:
    infos = line.get("swipe_info")
    found = infos[number] if isinstance(infos, list) and number < len(infos) else None
    return found if isinstance(found, dict) else {}


def role_of(line: Line) -> Role:
    if line.get("is_user"):
        return "user"
    return "system" if _extra(line).get("type") == "narrator" else "assistant"


def author_of(line: Line) -> str:
    return _text(line.get("name"))


def checkpoint_of(line: Line) -> str:
    return _text(_extra(line).get("bookmark_link"))


def _extra(line: Line) -> dict[str, Any]:
    extra = line.get("extra")
    return extra if isinstance(extra, dict) else {}


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


# ── back ────────────────────────────────────────────────────────────────────────────────────────────


def written(shown: Said, group: list[Said]) -> Line:
    """The line that shows a message among its alternatives."""
    origins = (one.origin or {} for one in (shown, *group))
    base: Line | None = next((origin["line"] for origin in origins if "line" in origin), None)
    line = _as_shown(dict(base), shown, group) if base is not None else _new(shown)
    if not isinstance(line.get("mes"), str) and (shown.text or "mes" not in line):
        line["mes"] = shown.text if shown.fresh else (shown.origin or {}).get("raw", shown.text)
    _mark(line, shown)
    if len(group) > 1 or "swipe" in (shown.origin or {}):
        line["swipe_id"] = group.index(shown)
        line["swipes"] = [_swipe(one) for one in group]
        if [_number(one) for one in group] != list(range(len(group))) or "swipe_info" in line or base is None:
            line["swipe_info"] = [_info_of(one, line, shown) for one in group]
    return line


def _swipe(one: Said) -> str:
    return one.text if one.fresh else str((one.origin or {}).get("raw_swipe", one.text))


def _number(one: Said) -> int:
    return int((one.origin or {}).get("swipe", -1))


def _as_shown(line: Line, shown: Said, group: list[Said]) -> Line:
    """Where another alternative is shown than the line was written for, its own dates and extras hold."""
    if "line" in (shown.origin or {}):
        return line
    about = _info(line, _number(shown)) if _number(shown) >= 0 else _new(shown)
    return line | {name: about[name] for name in INFO if name in about}


def _info_of(one: Said, line: Line, shown: Said) -> Any:
    infos, number = line.get("swipe_info"), _number(one)
    if isinstance(infos, list) and 0 <= number < len(infos):
        return infos[number]
    about = line if one is shown else _new(one)
    return {name: about[name] for name in INFO if name in about}


def _mark(line: Line, shown: Said) -> None:
    """What may have been changed here since, where it differs from what the line says."""
    if author_of(line) != shown.author:
        line["name"] = shown.author
    if bool(line.get("is_system")) != shown.left_out:
        line["is_system"] = shown.left_out
    if checkpoint_of(line) != shown.checkpoint:
        extra = {name: value for name, value in _extra(line).items() if name != "bookmark_link"}
        line["extra"] = extra | ({"bookmark_link": shown.checkpoint} if shown.checkpoint else {})


def _new(one: Said) -> Line:
    extra: dict[str, Any] = {"type": "narrator"} if one.role == "system" else {}
    extra |= {"model": one.model} if one.model else {}
    extra |= {"reasoning": one.reasoning} if one.reasoning else {}
    line: Line = {"name": one.author, "is_user": one.role == "user", "is_system": one.left_out}
    return line | ({"send_date": iso(one.created)} if one.created else {}) | {"extra": extra}
