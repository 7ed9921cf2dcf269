"""Passwords, hashed exactly as Better Auth does: `salt:key` in hex, scrypt over the NFKC form.

The salt goes into scrypt as its hexadecimal *text*, not as the bytes that the text stands for.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from typing import Any, Final

MIN_PASSWORD: Final = 8  # in UTF-16 units, as JavaScript counts
MAX_PASSWORD: Final = 128
SCRYPT_N: Final = 16384


def js_length(value: str | list[Any]) -> int:
    """The length of a text, in UTF-16 units, or of a list, as JavaScript counts it."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(value, str) else len(value)


class Hasher:
    """Hashes and verifies passwords, each in about 0.1 s of one core; less with a small N, for tests."""

    def __init__(self, scrypt_n: int = SCRYPT_N) -> None:
        self._n = scrypt_n

    def hash(self, password: str) -> str:
        """Hash with a fresh salt."""
        salt = secrets.token_hex(16)
        return f"{salt}:{self._derive(password, salt)}"

    def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password is right; without a hash it costs the same and is wrong.

        A password of impossible length is wrong at once: its NFKC form could take seconds.
        """
        if js_length(password) > MAX_PASSWORD:
            return False
        salt, _, key = (stored or "0:").partition(":")
        return hmac.compare_digest(self._derive(password, salt), key)

    def _derive(self, password: str, salt: str) -> str:
        text = unicodedata.normalize("NFKC", password).encode("utf-8", "ignore")
        key = hashlib.scrypt(text, salt=salt.encode(), n=self._n, r=16, p=1, maxmem=2**26, dklen=64)
        return key.hex()
