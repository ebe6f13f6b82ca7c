"""The texts of the command line in the language of the person at it. Knows no terminal and no home folder.

`FABULA_LANGUAGE` comes first, then the locale. Help is written before any home is known, so the setting
`language` of a home's `config.toml` reaches the command line only through `prefer`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from fabula.core import texts

# In the order in which gettext asks them; LANGUAGE may name several, separated by colons.
LOCALES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

_preferred = ""


def prefer(language: str) -> None:
    """Speak this language unless FABULA_LANGUAGE says another one; "" leaves it to the locale."""
    global _preferred
    _preferred = language if language in texts.LANGUAGES else ""


def language() -> str:
    """One of `texts.LANGUAGES`."""
    if wanted := os.environ.get("FABULA_LANGUAGE"):
        return texts.choose_language(wanted)
    return _preferred or texts.choose_language(_locale())


def say(key: str, /, **fields: Any) -> str:
    return texts.say(key, language(), **fields)


def _locale() -> str:
    for name in LOCALES:
        if value := os.environ.get(name):
            return value
    return _windows_locale() if sys.platform == "win32" else ""


def _windows_locale() -> str:
    """ "zh_TW" for the language of the desktop: Windows sets none of the variables."""
    import ctypes
    import locale

    windll = getattr(ctypes, "windll", None)
    return locale.windows_locale.get(windll.kernel32.GetUserDefaultUILanguage(), "") if windll else ""
