"""Read what a person types: one line or several, with a history. Knows nothing of chats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fabula.cli import screen
from fabula.store.home import Home

FENCE = '"""'
HISTORY_LINES = 1000
FIRST, MORE = "> ", ". "

Ask = Callable[[str], str]


def read(ask: Ask = input) -> str:
    '''One message: a line, lines that end in a backslash, or lines between """ and """.'''
    text = ask(FIRST)
    if text.startswith(FENCE):
        return _fenced(text.removeprefix(FENCE), ask)
    while text.endswith("\\"):
        text = f"{text[:-1]}\n{ask(MORE)}"
    return text


def _fenced(text: str, ask: Ask) -> str:
    while not text.endswith(FENCE):
        text += f"\n{ask(MORE)}"
    return text.removesuffix(FENCE).strip("\n")


def ask_twice(hint: str, ask: Ask = input) -> str | None:
    """A message, or None when the person leaves: with Ctrl-D, or with Ctrl-C twice in a row."""
    for attempt in range(2):
        try:
            return read(ask)
        except EOFError:
            break
        except KeyboardInterrupt:
            if attempt == 0:
                screen.note(f"\n{hint}")
    screen.note("")
    return None


@contextmanager
def history(home: Path | None) -> Iterator[None]:
    """Arrow keys bring back earlier lines, of earlier chats too. Where there is no readline: no history."""
    try:
        import readline
    except ImportError:  # Windows: the console keeps a history of its own
        yield
        return
    file = Home.locate(home).path / "history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            file.touch(mode=0o600)
            readline.write_history_file(file)
