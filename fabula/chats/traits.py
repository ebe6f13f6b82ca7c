"""Traits of a character's chats: how strong adapters and control vectors are when one begins. Pure.

They stand in the card, under `extensions.fabula.traits`, so that they go where the card goes. Knows no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling

FIELDS = ("adapters", "control_vectors")
PLACE = ("extensions", "fabula", "traits")


def of_card(data: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the sampling, as the card's `data` has them; {} for none, and for what is none."""
    found: Any = data
    for name in PLACE:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    values = {name: found[name] for name in FIELDS if found.get(name)}
    try:
        Sampling.of(dict(values))
    except BadParameter:  # a stranger's card may say anything
        return {}
    return values


def into_card(data: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The card's `extensions` with the traits of a sampling; nothing else in them changes."""
    extensions = data.get("extensions")
    extensions = dict(extensions) if isinstance(extensions, Mapping) else {}
    own = extensions.get("fabula")
    own = dict(own) if isinstance(own, Mapping) else {}
    traits = {name: sampling[name] for name in FIELDS if sampling.get(name)}
    own = {**own, "traits": traits} if traits else {name: own[name] for name in own if name != "traits"}
    return {**extensions, "fabula": own} if own else {n: extensions[n] for n in extensions if n != "fabula"}
