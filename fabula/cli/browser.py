"""Open the studio in a browser where there is one. Knows no address."""

from __future__ import annotations

import os
import sys
import threading


def has_screen() -> bool:
    """Whether somebody sits in front of this machine's own screen."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> None:
    """Shows the page; in the background, as some browsers answer only when they are closed."""
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
