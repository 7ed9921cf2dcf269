"""Signed in as a persona: with the derived password, through the one endpoint that tells the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from personas.errors import CredentialsRefused
from personas.passwords import check_secret, derive_password
from personas.secret import Secret
from personas.service.signing import WrongPassword
from personas.settings import find_seed_secret, is_production

if TYPE_CHECKING:
    from personas.catalog.reading import Persona
    from personas.service.endpoints import AuthService
    from personas.service.signing import Session
    from personas.settings import Address

# A session that ends sooner is as good as ended: whoever takes it has work to do with it.
ENDS_SOON = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A persona that is signed in: a session cookie of days, and a JWT of minutes.

    Attributes:
        session: The session, its cookie, and when it ends.
        token: The JWT.
        service: The service's base URL; empty for the embedded service in process.
    """

    session: Session
    token: Secret
    service: str = ""

    @property
    def email(self) -> str:
        """Who."""
        return self.session.email

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request by this persona: both the JWT and the cookie, in the clear."""
        return {
            "authorization": f"Bearer {self.token.reveal()}",
            "cookie": self.session.header.reveal(),
        }

    def storage_state(self, base_url: str | None = None) -> dict[str, Any]:
        """A browser's state with this persona signed in, as Playwright's `storageState` wants it.

        Args:
            base_url: Where the browser will go; the service itself when left out. Only its host matters.

        Raises:
            UsageError: There is no host to set the cookie for.
        """
        from personas.sessions.documents import StorageState

        return StorageState.of(self, base_url).model_dump(by_alias=True, exclude={"service"})


def choose_secret(address: Address, given: Secret | str | None = None) -> Secret:
    """The seed secret to derive passwords from.

    Args:
        address: The service that the passwords are for.
        given: The secret; None takes PERSONA_SEED_SECRET, and without that the development secret.

    Raises:
        Refused: It is the development secret, and this is no place for it.
    """
    given = Secret(given) if isinstance(given, str) else given or find_seed_secret()
    chosen = check_secret(
        given.reveal() if given else None, loopback=address.loopback, production=is_production()
    )
    return Secret(chosen)


async def sign_in(
    service: AuthService, persona: Persona | str, secret: Secret | str | None = None
) -> SignedIn:
    """Sign in as a persona; needs no admin's credentials.

    Args:
        service: Where.
        persona: Who, as an entry of the catalog or as an email.
        secret: The seed secret; None takes PERSONA_SEED_SECRET, and without that the development secret.

    Raises:
        WrongPassword: The persona is not seeded there, or it is locked out.
        CredentialsRefused: The password is right, but the email is not verified.
        ServiceError: The service is unreachable, stays busy, or cannot be understood.
        Refused: The development secret is no secret for this service.
    """
    email = persona if isinstance(persona, str) else persona.email
    chosen = choose_secret(service.address, secret)
    password = Secret(derive_password(email, chosen.reveal()))
    try:
        session = await service.sign_in(email, password)
    except WrongPassword:
        raise WrongPassword(
            f"{email} cannot sign in at {service.address}: the service says that email or password is wrong",
            hint="Either it is not seeded there (personas seed), or it is locked out: seeded with another "
            "secret than PERSONA_SEED_SECRET (personas seed --recreate).",
        ) from None
    return SignedIn(session, await service.token_of(session), service.address.url)


async def resume(service: AuthService, session: Session) -> SignedIn | None:
    """Take up a session of before, with a fresh JWT.

    Returns:
        None when the service has ended it, when it is somebody else's, or when it ends within the hour.
    """
    found = await service.find_session(session)
    if found is None or found.email != session.email:
        return None
    ends = [moment for moment in (session.expires_at, found.expires_at) if moment is not None]
    if ends and min(ends) - datetime.now(UTC) < ENDS_SOON:
        return None
    try:
        token = await service.token_of(found)
    except CredentialsRefused:
        return None
    return SignedIn(found, token, service.address.url)
