"""The password of a persona, derived from its email and one secret; pure.

Other programs derive the same password by themselves: not a bit of the rule may change.
"""

from __future__ import annotations

import base64
import hmac
import re

from personas.errors import Refused, UsageError

DEVELOPMENT_SECRET = "dev-persona-seed-secret-rotate-in-prod"  # noqa: S105 - public on purpose, and refused elsewhere

_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
_LENGTH = 32


def derive_password(email: str, secret: str) -> str:
    """Derive the password of one persona.

    Args:
        email: The persona's email, used exactly as given.
        secret: The seed secret.

    Returns:
        At most 32 letters and digits of ASCII, always the same for the same email and secret.

    Raises:
        UsageError: The email or the secret cannot be written as UTF-8.
    """
    for text, what in ((secret, "the seed secret"), (email, "the email")):
        if not _is_text(text):
            # The error's traceback must not hold the secret.
            del secret, text
            raise _not_utf8(what)
    digest = hmac.digest(secret.encode(), email.encode(), "sha256")
    return _NOT_ALPHANUMERIC.sub("", base64.b64encode(digest).decode("ascii"))[:_LENGTH]


def check_secret(secret: str | None, *, loopback: bool, production: bool) -> str:
    """Choose the seed secret of a run, or refuse.

    Args:
        secret: What was given; None or nothing stands for the development secret.
        loopback: Whether the service is on this machine.
        production: Whether this is a production environment.

    Returns:
        The secret to derive passwords from.

    Raises:
        Refused: It is the development secret, which everybody knows, and this is no place for it.
        UsageError: The secret cannot be written as UTF-8.
    """
    chosen = secret or DEVELOPMENT_SECRET
    del secret
    if not _is_text(chosen):
        del chosen
        raise _not_utf8("the seed secret")
    if chosen != DEVELOPMENT_SECRET or (loopback and not production):
        return chosen
    del chosen
    place = "under production" if production else "for a service that is not on this machine"
    raise Refused(
        f"the development secret is refused {place}: everybody could sign in as these personas",
        hint="Set PERSONA_SEED_SECRET to the secret that the other programs of this environment use.",
    )


def _is_text(text: str) -> bool:
    # A variable whose bytes are not UTF-8 arrives with lone surrogates.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_utf8(what: str) -> UsageError:
    return UsageError(f"{what} is not valid UTF-8", hint="Set it again, as UTF-8 text.")
