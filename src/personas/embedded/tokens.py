"""Access tokens (Ed25519 JWTs with a JWKS), the signed session cookie, and random ids."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import secrets
import string
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from jwt.types import Options
from starlette.requests import Request
from starlette.responses import Response

AUDIENCE: Final = "mana"
TOKEN_LIFETIME: Final = dt.timedelta(minutes=15)
SESSION_LIFETIME: Final = dt.timedelta(days=7)
COOKIE: Final = "mana.session_token"
# Better Auth clears these as well, although this service never sets them.
OTHER_COOKIES: Final = ("mana.session_data", "mana.dont_remember")
ATTRIBUTES: Final = "Path=/; HttpOnly; SameSite=Lax"
_ALPHABET: Final = string.ascii_letters + string.digits


def make_id() -> str:
    """A random id of 32 letters and digits, as the service gives to everything that it stores."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


class Signer:
    """Signs and verifies access tokens with a key, `KID:SEED`: its id and 32 bytes in hex."""

    def __init__(self, key: str) -> None:
        self._kid, _, seed = key.partition(":")
        self._private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        self._public = self._private.public_key()

    @staticmethod
    def generate() -> str:
        """A fresh key."""
        return f"{make_id()}:{secrets.token_hex(32)}"

    def jwks(self) -> dict[str, Any]:
        """The public key, for programs that verify tokens."""
        key = OKPAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{"alg": "EdDSA", **key, "kid": self._kid}]}

    def sign(self, claims: Mapping[str, str], *, issuer: str, now: dt.datetime) -> str:
        """A token of 15 minutes with these claims."""
        times = {"iat": int(now.timestamp()), "exp": int((now + TOKEN_LIFETIME).timestamp())}
        payload = {**claims, **times, "iss": issuer, "aud": AUDIENCE}
        # An empty typ is left out of the header, as the real service does.
        headers = {"kid": self._kid, "typ": ""}
        return jwt.encode(payload, self._private, algorithm="EdDSA", headers=headers)

    def verify(self, token: str, *, now: dt.datetime) -> dict[str, Any] | None:
        """The claims of a token that is signed and has not expired, else None; any issuer is accepted."""
        options: Options = {"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False}
        try:
            found = jwt.decode_complete(
                token, self._public, algorithms=["EdDSA"], audience=AUDIENCE, options=options
            )
        except (jwt.PyJWTError, ValueError):
            return None
        claims: dict[str, Any] = found["payload"]
        return claims if found["header"].get("kid") == self._kid and claims["exp"] > now.timestamp() else None


class Cookies:
    """Signs session tokens into cookies and reads them back, as Better Auth does."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def set(self, response: Response, token: str) -> None:
        """Sign a browser in, for seven days."""
        value = quote(f"{token}.{self._signature(token)}", safe="!~*'()")
        age = int(SESSION_LIFETIME.total_seconds())
        response.headers.append("set-cookie", f"{COOKIE}={value}; Max-Age={age}; {ATTRIBUTES}")

    @staticmethod
    def clear(response: Response) -> None:
        """Sign a browser out."""
        for name in (COOKIE, *OTHER_COOKIES):
            response.headers.append("set-cookie", f"{name}=; Max-Age=0; {ATTRIBUTES}")

    def read(self, request: Request) -> str | None:
        """The session token in the cookie of a request, if its signature is right."""
        token, _, signature = unquote(request.cookies.get(COOKIE, "")).rpartition(".")
        right = hmac.compare_digest(self._signature(token).encode(), signature.encode())
        return token if right else None

    def _signature(self, token: str) -> str:
        return base64.b64encode(hmac.digest(self._secret, token.encode(), "sha256")).decode()
