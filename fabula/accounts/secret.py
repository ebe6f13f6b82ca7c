"""Random words that open something, and what is kept of them. Knows nothing of what they open."""

from __future__ import annotations

import hashlib
import secrets

BYTES = 32
MARK = "fab_"
SHOWN = len(MARK) + 6
"""Characters of a key that lists show: 36 of its 256 bits."""


def new(mark: str = "") -> str:
    return mark + secrets.token_urlsafe(BYTES)


def digest(secret: str) -> str:
    """What is kept instead of the secret, in hexadecimal.

    One fast hash is right here. Slow ones (bcrypt, argon2) protect words that people choose, as those can
    be guessed; nobody guesses 256 random bits, however fast the hash, and each request has to pay for it. The
    hash's own key keeps these digests from meaning anything elsewhere.
    """
    data = secret.encode(errors="surrogatepass")
    return hashlib.blake2b(data, key=b"fabula.accounts", digest_size=32).hexdigest()
