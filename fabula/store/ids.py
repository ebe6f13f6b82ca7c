"""Names for rows and files. Knows nothing of what is named."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """24 hex digits that sort by time (to the millisecond) and cannot be guessed (48 random bits)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"
