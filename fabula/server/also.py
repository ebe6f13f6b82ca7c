"""The ports at which clients of other programs look: the studio may listen there too. Knows no route.

It is the same application at the same address, so each speaks all dialects. A port that is taken, mostly by
the very program whose clients are meant, keeps nobody from the rest.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fabula.core.errors import PortInUse, SettingInvalid
from fabula.core.texts import phrase
from fabula.server.addresses import listen
from fabula.server.security import listed

PORTS = {"ollama": 11434, "kobold": 5001, "textgen": 5000, "llamacpp": 8080}
SETTING = "server.also"
HIGHEST = 65_535
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Second:
    """A further port, by the program whose clients look there."""

    name: str
    port: int


def seconds(text: str) -> list[Second]:
    """From names separated by commas, each with its usual port or as `name:port`. Raises SettingInvalid."""
    return list(dict.fromkeys(_second(part.lower()) for part in listed(text)))


def _second(part: str) -> Second:
    name, colon, number = part.partition(":")
    is_port = number.isdecimal() and len(number) <= len(f"{HIGHEST}") and int(number) <= HIGHEST
    if name not in PORTS or bool(colon) != is_port:
        raise SettingInvalid(SETTING, part, phrase("expected.also", names=", ".join(PORTS)))
    return Second(name, int(number) if colon else PORTS[name])


def listen_too(
    host: str, text: str, taken: Callable[[Second], None]
) -> Iterator[tuple[Second, socket.socket]]:
    """A listener for each port that is free; `taken` is told the others. Raises SettingInvalid."""
    for second in seconds(text):
        try:
            yield second, listen(host, second.port)
        except PortInUse:
            log.warning("port %d (%s) is taken", second.port, second.name)
            taken(second)
