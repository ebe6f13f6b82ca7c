"""A certificate for the studio: whether it can be used, and what it is known by. Knows no route."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from fabula.core.errors import SettingInvalid
from fabula.core.texts import phrase
from fabula.store.settings import Settings

CERT, KEY = "server.tls_cert", "server.tls_key"
END = "-----END CERTIFICATE-----"


def check(settings: Settings) -> None:
    """Raises SettingInvalid, naming the setting, where they do not fit together or cannot be read."""
    cert, key = settings.server_tls_cert, settings.server_tls_key
    if key and not cert:
        raise SettingInvalid(KEY, key, phrase("expected.beside_certificate"))
    if not cert:
        return
    for name, path in ((CERT, cert), (KEY, key)):
        if path and not Path(path).is_file():
            raise SettingInvalid(name, path, phrase("expected.file"))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key or None, _no_password)
    except (OSError, ValueError) as reason:  # ssl.SSLError is an OSError
        raise SettingInvalid(CERT, cert, phrase("expected.certificate", reason=f"{reason}")) from reason


def _no_password() -> str:
    """Nobody is there to type one."""
    raise ValueError("the key is encrypted")


def fingerprint(path: str) -> str:
    """SHA-256 of the first certificate of a file, by which our own programs know it again."""
    text = Path(path).read_text(encoding="ascii", errors="replace")
    first = text[text.index("-----BEGIN CERTIFICATE-----") : text.index(END) + len(END)]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
