"""What a body of /api/create asks for, with the text of an old `modelfile` in it. Knows no shelf.

Source: Ollama's docs/api.md (create) and docs/modelfile.md; fields of the body go before the Modelfile's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.texts import phrase
from fabula.server.bodies import get, unknown
from fabula.server.ollama import modelfile
from fabula.server.ollama.messages import conversation
from fabula.server.ollama.models import name_of
from fabula.server.ollama.parse import model_of

KNOWN = frozenset(
    {"model", "name", "from", "files", "adapters", "template", "license", "system", "parameters", "messages"}
    | {"quantize", "quantization", "modelfile", "stream", "requires"}
)
LOCAL = "@"  # before a digest that stands for a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`files` and `adapters` map names to digests; a name alone is one of the shelf, with "" behind it."""

    name: str
    base: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    licence: str = ""
    messages: tuple[Message, ...] = ()
    quantize: str = ""
    requires: str = ""
    ignored: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything is added to the base."""
        said = (self.parameters, self.template, self.system, self.messages, self.adapters)
        return any(said) or bool(self.licence)


def read(body: dict[str, Any]) -> Recipe:
    """Raises BadParameter or ModelfileUnreadable."""
    told = modelfile.read(get(body, "modelfile", str, ""))
    files, base = _files(body, "files"), get(body, "from", str, "") or told.base
    if base.startswith(LOCAL):
        files, base = {"model.gguf": base.removeprefix(LOCAL), **files}, ""
    if bool(base) == bool(files):
        raise BadParameter("from", base[:80], phrase("expected.from_or_files"))
    rows = get(body, "messages", list, []) or [
        {"role": role, "content": text} for role, text in told.messages
    ]
    return Recipe(
        name=name_of(model_of(body), "model"),
        base=base,
        files=files,
        adapters={**_told_adapters(told), **_files(body, "adapters")},
        parameters={**told.parameters, **get(body, "parameters", dict, {})},
        template=get(body, "template", str, "") or told.template,
        system=get(body, "system", str, "") or told.system,
        licence=_licence(body) or "\n".join(told.licences),
        messages=_said(rows),
        quantize=get(body, "quantize", str, "") or get(body, "quantization", str, ""),
        requires=get(body, "requires", str, "") or told.requires,
        ignored=unknown(body, KNOWN),
    )


def _said(rows: list[Any]) -> tuple[Message, ...]:
    """Texts of the three roles only: what else a message can hold is none of a model."""
    said = conversation(rows)
    for number, message in enumerate(said):
        if message.role == "tool" or message.images or message.tool_calls:
            raise BadParameter(f"messages[{number}]", message.role, phrase("expected.message"))
    return said


def _files(body: dict[str, Any], name: str) -> dict[str, str]:
    found = get(body, name, dict, {})
    for file, digest in found.items():
        if not isinstance(digest, str):
            raise BadParameter(f"{name}.{file}"[:80], f"{digest!r}"[:80], phrase("expected.digest"))
    return dict(found)


def _told_adapters(told: modelfile.Modelfile) -> dict[str, str]:
    """Of an old Modelfile: a digest, or the name of one that is here."""
    return {
        (f"adapter-{number}" if each.startswith(LOCAL) else each): each.removeprefix(LOCAL)
        if each.startswith(LOCAL)
        else ""
        for number, each in enumerate(told.adapters, 1)
    }


def _licence(body: dict[str, Any]) -> str:
    """One text or several."""
    value = body.get("license")
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadParameter("license", f"{value!r}"[:80], phrase("expected.texts"))
    return "\n".join(texts)
