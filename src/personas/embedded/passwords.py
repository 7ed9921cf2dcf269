"""Passwords, hashed exactly as Better Auth does: `salt:key` in hex, scrypt over the NFKC form.

The salt goes into scrypt as its hexadecimal *text*, not as the bytes which that text stands for.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from typing import Final

from personas.embedded.answers import utf16_length

MIN_PASSWORD: Final = 8  # in UTF-16 units, as JavaScript counts
MAX_PASSWORD: Final = 128
COST: Final = 16384  # scrypt's N
BLOCK_SIZE: Final = 16  # scrypt's r
KEY_BYTES: Final = 64
SALT_BYTES: Final = 16
MAX_MEMORY: Final = 64 * 1024 * 1024


class Hasher:
    """Hashes and verifies; takes about a tenth of a second of one core each time.

    Args:
        cost: scrypt's N. Anything but the default makes hashes that Better Auth cannot verify.
    """

    def __init__(self, cost: int = COST) -> None:
        self._cost = cost
        self._nobody = self._join("0" * 2 * SALT_BYTES, bytes(KEY_BYTES))

    def hash(self, password: str) -> str:
        """Hash with a fresh salt.

        Raises:
            ValueError: The password is longer than any that is taken.
        """
        if is_too_long(password):
            msg = f"a password has at most {MAX_PASSWORD} UTF-16 units"
            raise ValueError(msg)
        salt = secrets.token_hex(SALT_BYTES)
        return self._join(salt, self._derive(password, salt))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password is right; without a stored hash it costs the same and is wrong.

        One that nobody can have is wrong at once: to bring combining marks into NFKC takes a time that grows
        with the square of their number, seconds for some 100 KB.
        """
        if is_too_long(password):
            return False
        salt, _, key = (stored or self._nobody).partition(":")
        right = hmac.compare_digest(self._derive(password, salt).hex(), key)
        return right and stored is not None

    def _derive(self, password: str, salt: str) -> bytes:
        text = unicodedata.normalize("NFKC", password).encode("utf-8")
        return hashlib.scrypt(
            text,
            salt=salt.encode("ascii"),
            n=self._cost,
            r=BLOCK_SIZE,
            p=1,
            maxmem=MAX_MEMORY,
            dklen=KEY_BYTES,
        )

    @staticmethod
    def _join(salt: str, key: bytes) -> str:
        return f"{salt}:{key.hex()}"


def is_too_long(password: str) -> bool:
    """Tell whether a password is longer than any that is taken."""
    return utf16_length(password) > MAX_PASSWORD
