"""The password of a persona, derived from its email and the seed secret; pure.

Three other programs derive the same password: the rule must stay identical to the bit.
"""

from __future__ import annotations

import base64
import hmac
import re

from personas.redact import Secret

DEVELOPMENT_SECRET = "dev-persona-seed-secret-rotate-in-prod"  # noqa: S105 - public, refused off loopback


def derive_password(email: str, secret: str) -> str:
    """Return the password for an email, used exactly as given: at most 32 ASCII letters and digits."""
    digest = hmac.digest(secret.encode(), email.encode(), "sha256")
    return re.sub("[^A-Za-z0-9]", "", base64.b64encode(digest).decode("ascii"))[:32]


class PasswordDeriver:
    """Derives passwords with one seed secret."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self.development = secret.reveal() == DEVELOPMENT_SECRET  # which is public

    def derive(self, email: str) -> Secret:
        """Return the password of the persona with this email."""
        return Secret(derive_password(email, self._secret.reveal()))
