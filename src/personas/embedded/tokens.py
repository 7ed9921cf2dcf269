"""Access tokens (Ed25519 JWTs with a JWKS), session tokens and their signed cookie, and random ids."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

MAX_TOKEN: Final = 4096  # what is longer is no token of ours, and is not kept
AUDIENCE: Final = "mana"
LIFETIME: Final = dt.timedelta(minutes=15)
SESSION_LIFETIME: Final = dt.timedelta(days=7)
FORGOTTEN_LIFETIME: Final = dt.timedelta(days=1)  # of a session that is not to be remembered
COOKIE: Final = "mana.session_token"
CACHE: Final = "mana.session_data"  # never set here; a client that has one from the original loses it
FORGETFUL: Final = "mana.dont_remember"
ATTRIBUTES: Final = "Path=/; HttpOnly; SameSite=Lax"
ALPHABET: Final = string.ascii_letters + string.digits


def make_id() -> str:
    """A random id of 32 letters and digits, as the service gives to everything it stores."""
    return "".join(secrets.choice(ALPHABET) for _ in range(32))


@dataclass(frozen=True, slots=True)
class Key:
    """One signing key.

    Attributes:
        kid: Its id in the JWKS and in the header of its tokens.
        seed: The private key, 32 bytes in base64url.
        x: The public key, likewise.
    """

    kid: str
    seed: str
    x: str

    @classmethod
    def generate(cls) -> Key:
        """A fresh key."""
        private = Ed25519PrivateKey.generate()
        x = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(kid=make_id(), seed=_encode(private.private_bytes_raw()), x=_encode(x))


class Signer:
    """Signs with the newest key and accepts what any of the keys has signed.

    Args:
        keys: Newest first, at least one.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        # A client sends the same token with every call: its signature is checked once, its end every time.
        self._checked = lru_cache(maxsize=128)(self._check)
        self._kid = keys[0].kid
        self._private = {key.kid: Ed25519PrivateKey.from_private_bytes(_decode(key.seed)) for key in keys}
        self._jwks = [
            {"alg": "EdDSA", "crv": "Ed25519", "kty": "OKP", "x": key.x, "kid": key.kid} for key in keys
        ]

    def jwks(self) -> dict[str, Any]:
        """The public keys, for anyone who verifies tokens."""
        return {"keys": self._jwks}

    def sign(self, claims: Mapping[str, str], *, issuer: str, now: dt.datetime) -> str:
        """A token of 15 minutes with these claims."""
        start = int(now.timestamp())
        end = start + int(LIFETIME.total_seconds())
        payload = {"iat": start, **claims, "exp": end, "iss": issuer, "aud": AUDIENCE}
        headers: dict[str, Any] = {
            "kid": self._kid,
            "typ": "",
        }  # an empty typ is left out, as the original does
        return jwt.encode(payload, self._private[self._kid], algorithm="EdDSA", headers=headers)

    def verify(self, token: str, *, now: dt.datetime) -> dict[str, Any] | None:
        """The claims of a token that is whole, ours, and not expired; else None.

        The issuer is not compared: one database is served at several addresses, and its keys are what counts.
        """
        claims = self._checked(token) if len(token) <= MAX_TOKEN else None
        return claims if claims is not None and claims["exp"] > now.timestamp() else None

    def _check(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that is whole and ours, whenever it ends."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            private = self._private.get(kid) if isinstance(kid, str) else None
            if private is None:
                return None
            claims = jwt.decode(
                token,
                private.public_key(),
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return claims if isinstance(claims["exp"], int) else None


class Cookies:
    """Signs session tokens into cookies and reads them back, as Better Auth does.

    Args:
        secret: The key of the signature.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode("utf-8")

    def set(self, token: str) -> str:
        """The value of a Set-Cookie header that signs someone in for seven days."""
        return self._set(COOKIE, token, lifetime=SESSION_LIFETIME)

    def give(self, response: Response, token: str, *, remember: bool = True) -> None:
        """Sign a browser in: for seven days, or until it is closed."""
        if remember:
            response.headers.append("set-cookie", self.set(token))
        else:
            response.headers.append("set-cookie", self._set(FORGETFUL, "true"))
            response.headers.append("set-cookie", self._set(COOKIE, token))

    def take(self, response: Response) -> None:
        """Sign a browser out."""
        for name in (COOKIE, CACHE, FORGETFUL):
            response.headers.append("set-cookie", self.clear(name))

    def read(self, header: str) -> str | None:
        """The session token in a Cookie header, if its signature is right."""
        return self._read(header, COOKIE)

    def is_forgetful(self, header: str) -> bool:
        """Tell whether a Cookie header says that the session is not to be remembered."""
        return self._read(header, FORGETFUL) is not None

    @staticmethod
    def clear(name: str = COOKIE) -> str:
        """The value of a Set-Cookie header that takes a cookie away."""
        return f"{name}=; Max-Age=0; {ATTRIBUTES}"

    def _set(self, name: str, value: str, *, lifetime: dt.timedelta | None = None) -> str:
        signed = quote(f"{value}.{self._signature(value)}", safe="!~*'()")
        age = "" if lifetime is None else f"Max-Age={int(lifetime.total_seconds())}; "
        return f"{name}={signed}; {age}{ATTRIBUTES}"

    def _read(self, header: str, wanted: str) -> str | None:
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == wanted:
                text, _, signature = unquote(value).rpartition(".")
                expected = self._signature(text).encode("utf-8")
                if hmac.compare_digest(expected, signature.encode("utf-8")):
                    return text
        return None

    def _signature(self, token: str) -> str:
        return base64.b64encode(hmac.digest(self._secret, token.encode("utf-8"), hashlib.sha256)).decode(
            "ascii"
        )


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
