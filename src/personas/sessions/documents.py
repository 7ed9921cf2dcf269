"""The files that a signed-in persona is kept in, as models: what was written by one is read again by it.

Each remembers which service issued the session, so that it is never sent to another.
"""

from __future__ import annotations

import json
import shlex
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from personas.errors import UsageError
from personas.secret import Secret
from personas.service.cookies import is_cookie
from personas.service.models import Moment
from personas.service.signing import Session
from personas.sessions.forms import Form

if TYPE_CHECKING:
    from personas.sessions.signed_in import SignedIn


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment is not None else None


Ends = Annotated[Moment, PlainSerializer(_written)]
"""When a session ends, to the second; None when nobody said."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Document(_Model):
    """One persona's session, as a file holds it."""

    @abstractmethod
    def session(self, email: str, host: str) -> Session | None:
        """The session in it.

        Args:
            email: Whose it should be; None is returned when it says that it is somebody else's.
            host: Where a browser would go with it; None is returned when its cookie is for another.
        """

    @property
    def issuer(self) -> str | None:
        """The base URL of the service that issued it, empty for one in process; None when it is not said."""
        return (getattr(self, "service", None) or "") if "service" in self.model_fields_set else None


class Variables(Document):
    """What a shell gets."""

    model_config = ConfigDict(alias_generator=lambda name: f"PERSONA_{name.upper()}")

    email: str
    name: str = ""
    user_id: str = ""
    service: str = ""
    jwt: Annotated[str, Field(repr=False)] = ""
    cookie: Annotated[str, Field(repr=False)]
    expires_at: Annotated[Moment, PlainSerializer(lambda moment: _written(moment) or "")] = None

    @classmethod
    def of(cls, signed_in: SignedIn) -> Self:
        """The variables of somebody who is signed in."""
        session = signed_in.session
        return cls(
            email=session.email,
            name=session.name or "",
            user_id=session.user_id or "",
            service=signed_in.service,
            jwt=signed_in.token.reveal(),
            cookie=session.header.reveal(),
            expires_at=session.expires_at,
        )

    def session(self, email: str, host: str) -> Session | None:
        """The session in it; a shell goes to any host."""
        del host
        name, _, value = self.cookie.partition("=")
        return Session(email, name, Secret(value), self.expires_at) if self.email == email else None


class _Cookie(_Model):
    name: str
    value: Annotated[str, Field(repr=False)]
    secure: bool


class SessionDocument(Document):
    """What a program gets."""

    email: str
    name: str | None = None
    user_id: str | None = None
    service: str | None = None
    jwt: Annotated[str, Field(repr=False)] = ""
    cookie: _Cookie
    expires_at: Ends = None

    @classmethod
    def of(cls, signed_in: SignedIn) -> Self:
        """The document of somebody who is signed in."""
        session = signed_in.session
        return cls(
            email=session.email,
            name=session.name,
            user_id=session.user_id,
            service=signed_in.service or None,
            jwt=signed_in.token.reveal(),
            cookie=_Cookie(name=session.cookie_name, value=session.cookie.reveal(), secure=session.secure),
            expires_at=session.expires_at,
        )

    def session(self, email: str, host: str) -> Session | None:
        """The session in it; a program goes to any host."""
        del host
        cookie = self.cookie
        found = Session(email, cookie.name, Secret(cookie.value), self.expires_at, cookie.secure)
        return found if self.email == email else None


class BrowserCookie(_Cookie):
    """A cookie as Playwright has it."""

    domain: str
    path: str = "/"
    expires: int | float = -1
    http_only: bool = True
    same_site: str = "Lax"


class StorageState(Document):
    """What a browser gets: Playwright's storage state, which leaves keys that it does not know."""

    cookies: tuple[BrowserCookie, ...] = Field(strict=False)
    origins: tuple[Any, ...] = Field(default=(), strict=False)
    service: str | None = None

    @classmethod
    def of(cls, signed_in: SignedIn, base_url: str | None = None) -> Self:
        """The state of a browser in which somebody is signed in.

        Args:
            signed_in: Who.
            base_url: Where the browser will go; the service itself when left out. Only its host matters.

        Raises:
            UsageError: There is no host to set the cookie for.
        """
        session, address = signed_in.session, urlsplit(base_url or signed_in.service)
        host = address.hostname
        if not host:
            raise UsageError(
                "the embedded service in process has no address that a browser could go to",
                hint="Say where the browser will find it: --base-url http://localhost:3001",
            )
        cookie = BrowserCookie(
            name=session.cookie_name,
            value=session.cookie.reveal(),
            domain=f"[{host}]" if ":" in host else host,
            expires=int(session.expires_at.timestamp()) if session.expires_at else -1,
            secure=session.secure or address.scheme == "https",
        )
        return cls(cookies=(cookie,), service=signed_in.service or None)

    def session(self, email: str, host: str) -> Session | None:
        """The session in it; whose it is, only the service knows."""
        for cookie in self.cookies:
            if cookie.name.endswith("session_token") and cookie.domain.strip("[]") == host:
                ends = datetime.fromtimestamp(cookie.expires, UTC) if cookie.expires > 0 else None
                return Session(email, cookie.name, Secret(cookie.value), ends, cookie.secure)
        return None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file of before is good for.

    Attributes:
        session: The session in it that may be sent to the service; None when there is none.
        why_not: Why a session in it may not be sent there; empty where there is nothing to say.
    """

    session: Session | None = None
    why_not: str = ""


def read_kept(text: str, form: Form, *, email: str, service: str, base_url: str | None = None) -> Kept:
    """Find the session in a file of before.

    Args:
        text: What is in the file.
        form: Its form, one of `REUSABLE`.
        email: Whose session it should be.
        service: The service's base URL: a session belongs to scheme, host and port of who issued it.
        base_url: For a browser: where it will go, when that is not the service itself.
    """
    try:
        document = _READERS[form](text)
        session = document.session(email, urlsplit(base_url or service).hostname or "")
    except (ValueError, OverflowError, OSError, RecursionError):
        return Kept()
    # It becomes a header: nothing else may hide in it.
    if session is None or not is_cookie(session.cookie_name, session.cookie.reveal()):
        return Kept()
    if document.issuer is None:
        return Kept(why_not="it does not say which service issued its session")
    if document.issuer != service:
        return Kept(why_not=f"its session was issued by {document.issuer or 'an embedded service'}")
    return Kept(session)


def _read_variables(text: str) -> Document:
    words: Mapping[str, str] = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    return Variables.model_validate(words)


_READERS: dict[Form, Callable[[str], Document]] = {
    Form.ENV: _read_variables,
    Form.JSON: lambda text: SessionDocument.model_validate(json.loads(text)),
    Form.STORAGE_STATE: lambda text: StorageState.model_validate(json.loads(text)),
}
