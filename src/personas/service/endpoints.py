"""AuthService: the only module that knows the service's endpoints, statuses and bodies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from personas.errors import BadAnswer, CredentialsRefused, ServiceError
from personas.secret import Secret
from personas.service.answers import WRONG_ENDPOINT, read
from personas.service.calls import NOTHING, Answer, Call, reason_of
from personas.service.credentials import HINT, Credentials, clocks_apart
from personas.service.models import (
    Deleted,
    FoundUser,
    Listed,
    LiveDetail,
    LivePersona,
    LoginCheck,
    Upserted,
    UsersPage,
)
from personas.service.pacing import spread
from personas.service.signing import AdminToken, NotOffered, Session, SignIn
from personas.service.transport import Line, Observer, Patience
from personas.settings import DEFAULT_CONCURRENCY, DEFAULT_ENDPOINT, DEFAULT_TIMEOUT, Address, parse_auth

USERS = "/api/v1/admin/users"
USERS_PER_PAGE = 100
MOST_PAGES = 1000
NOT_SAID = "the service answered without saying that it is done"


class NotFound(BadAnswer):
    """The service says that there is no such persona."""


class AuthService:
    """The service's calls, each answering with models; use it as an async context manager.

    Args:
        address: Where it is: a URL, or an Address.
        credentials: What opens the admin endpoints; not needed to sign in as a persona.
        endpoint: The path of the persona endpoints.
        timeout: Seconds for one attempt of a call.
        concurrency: How many calls at once, at the most.
        app: An ASGI application to call in process; `address` is then only its name.
        patience: How long a call is tried again.
        observe: Told of each attempt of a call.
    """

    def __init__(
        self,
        address: str | Address,
        credentials: Credentials | None = None,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        timeout: float = DEFAULT_TIMEOUT,
        concurrency: int = DEFAULT_CONCURRENCY,
        app: Any = None,
        patience: Patience | None = None,
        observe: Observer | None = None,
    ) -> None:
        address = parse_auth(address) if isinstance(address, str) else address
        url = address.url or "http://embedded.localhost"
        self.address = address
        self.endpoint = endpoint
        self.line = Line(
            url,
            loopback=address.loopback,
            timeout=timeout,
            concurrency=concurrency,
            app=app,
            patience=patience,
            observe=observe,
        )
        self._signing = SignIn(self.line, "/".join(url.split("/")[:3]))
        self._admin_token = AdminToken(credentials or Credentials(), self._signing)

    async def __aenter__(self) -> Self:
        await self.line.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin_token.give_back()
        await self.line.__aexit__()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.line.requests

    @property
    def safety_requests(self) -> int:
        """How many of them a safety rule cost."""
        return self.line.safety_requests

    # Personas

    async def list_personas(self) -> tuple[LivePersona, ...]:
        """Every live persona, in the service's order; without prompts and weights."""
        what = "listing the live personas"
        body = await self._admin("GET", self.endpoint, what)
        return read(Listed, body, what).personas

    async def get_persona(self, user_id: str, *, who: str = "", safety: bool = False) -> LiveDetail:
        """One live persona with its prompt, weights, last actions and feedback.

        Raises:
            NotFound: There is no persona with this id.
        """
        what = f"reading {who or user_id}"
        body = await self._admin("GET", self._path_of(user_id, what), what, safety=safety)
        detail = read(LiveDetail, body, what)
        if detail.persona.user_id != user_id:
            raise BadAnswer(f"{what}: the service answered for another persona")
        return detail

    async def upsert(
        self,
        *,
        email: str,
        name: str,
        password: Secret,
        archetype: str,
        system_prompt: str,
        module_mix: Mapping[str, float],
        tick_cadence: str,
    ) -> str:
        """Create a persona, or update all of it but name and password.

        Returns:
            The user's id, by the service's word that it is done.
        """
        what = f"seeding {email}"
        wanted = {
            "email": email,
            "name": name,
            "archetype": archetype,
            "systemPrompt": system_prompt,
            "moduleMix": {module: _number(weight) for module, weight in module_mix.items()},
            "tickCadence": tick_cadence,
        }
        # No name is kept for the text with the password in it: a traceback may carry what has one.
        text = Secret(json.dumps({**wanted, "password": password.reveal()}))
        body = await self._admin("POST", self.endpoint, what, body=text, secrets=(password,))
        done = read(Upserted, body, what, problem=NOT_SAID)
        if done.email is not None and done.email.lower() != email.lower():
            raise BadAnswer(f"{what}: the service answered for another email")
        return done.user_id

    async def delete(self, user_id: str, *, who: str = "") -> bool:
        """Hard-delete a persona.

        Returns:
            True when it was deleted, False when there was none (any more).
        """
        what = f"deleting {who or user_id}"
        try:
            body = await self._admin("DELETE", self._path_of(user_id, what), what)
        except NotFound:
            return False
        done = read(Deleted, body, what, problem=NOT_SAID)
        if done.deleted not in {None, user_id}:
            raise BadAnswer(f"{what}: the service answered for another persona")
        return True

    # Users

    async def find_users(self, emails: Sequence[str], *, domain: str) -> dict[str, FoundUser | ServiceError]:
        """Look up which of these emails belong to a user, persona or not.

        Args:
            emails: What to look for, in lower case.
            domain: The ending that they share, such as `@mana.test`.

        Returns:
            For each email that somebody has, the user; for each that could not be looked up, the error.

        Raises:
            NotOffered: The service has no look-up.
            CredentialsRefused: The look-up is forbidden.
        """
        if not emails:
            return {}
        wanted = set(emails)
        try:
            users = await self._users_in_bulk(domain, most_pages=len(wanted))
        except (NotOffered, CredentialsRefused):
            raise
        except ServiceError as error:
            return dict.fromkeys(wanted, error)
        if users is not None:
            return {email: user for email, user in users.items() if email in wanted}
        found: dict[str, FoundUser | ServiceError] = {}

        async def look_up(email: str) -> None:
            try:
                first, total = await self._users_page(email, 1)
                users = await self._users_rest(email, first, total)
                if users is None:
                    found[email] = BadAnswer(
                        f"looking up {email}: the pages of the answer do not fit together"
                    )
                elif email in users:
                    found[email] = users[email]
            except CredentialsRefused:
                raise
            except ServiceError as error:
                found[email] = error

        await spread(sorted(wanted), look_up, workers=self.line.gate.limit)
        return found

    async def _users_in_bulk(self, domain: str, *, most_pages: int) -> dict[str, FoundUser] | None:
        """Everybody with this domain; None when that takes more pages, or the pages shifted."""
        first, total = await self._users_page(domain, 1)
        if total is None or math.ceil(total / max(1, len(first))) > most_pages:
            return None
        return await self._users_rest(domain, first, total)

    async def _users_page(self, search: str, page: int) -> tuple[dict[str, FoundUser], int | None]:
        """One page: users by id, and how many there are in all, when the service tells."""
        what = f"looking up {search}"
        params: dict[str, str | int] = {"search": search, "page": page, "limit": USERS_PER_PAGE}
        try:
            body = await self._admin("GET", USERS, what, params=params, safety=True)
        except NotFound as error:
            raise NotOffered(f"{what}: the service offers no look-up of users") from error
        found = read(UsersPage, body, what)
        return {user.user_id or user.email: user for user in found.users}, found.total

    async def _users_rest(
        self, search: str, first: dict[str, FoundUser], total: int | None
    ) -> dict[str, FoundUser] | None:
        """All pages from the first on, by lower-case email; None when they shifted while they were read."""
        users = dict(first)
        page = 1
        more = first
        while more if total is None else len(users) < total:
            page += 1
            if page > MOST_PAGES:
                return None
            more, now = await self._users_page(search, page)
            new = more.keys() - users.keys()
            if total is None:
                more = more if new else {}
            elif not new or now is None or now < total:
                return None
            users |= more
            total = now
        return {user.email.lower(): user for user in users.values()}

    # Signing in

    async def check_password(self, email: str, password: Secret) -> LoginCheck:
        """Whether a password is right, by the one endpoint that tells the truth; at most one wrong try."""
        return await self._signing.check_password(email, password)

    async def sign_in(self, email: str, password: Secret) -> Session:
        """Sign in with a password.

        Raises:
            WrongPassword: The service says so.
            CredentialsRefused: The password is right, but the email is not verified.
        """
        return await self._signing.sign_in(email, password)

    async def sign_out(self, session: Session) -> None:
        """End a session; one that cannot be ended runs out by itself."""
        await self._signing.sign_out(session)

    async def token_of(self, session: Session) -> Secret:
        """A fresh JWT of who is signed in; it lives for minutes."""
        return await self._signing.token_of(session)

    async def find_session(self, session: Session) -> Session | None:
        """A session as the service knows it now; None when it has ended."""
        return await self._signing.find_session(session)

    async def admin_token(self) -> Secret:
        """The admin's JWT, fresh enough to be used.

        Raises:
            CredentialsRefused: There is none to be had, or what there is will be refused.
        """
        return await self._admin_token.get()

    async def _admin(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Secret | None = None,
        secrets: tuple[Secret, ...] = (),
        safety: bool = False,
    ) -> dict[str, Any]:
        """One call of an admin endpoint, down to its JSON object."""
        renewed = repeated = False
        while True:
            token = await self.admin_token()
            headers = {"authorization": Secret(f"Bearer {token.reveal()}")}
            call = Call(
                method,
                path,
                what,
                params=params,
                headers=headers,
                body=body,
                secrets=(token, *secrets),
                safety=safety,
            )
            answer = await self.line.call(call)
            if answer.status == 401 and not renewed and self._admin_token.renewable:
                self._admin_token.drop(token)
                renewed = True
            elif answer.status == 500 and not repeated:
                # Two seeds at once can make one call fail: the next try finds the user.
                repeated = True
            else:
                break
        try:
            return _object(answer, call, clocks_apart(self.line.clock_difference))
        except ServiceError as error:
            error.lost = answer.lost
            raise

    def _path_of(self, user_id: str, what: str) -> str:
        if not _PLAIN_ID.fullmatch(user_id):
            raise BadAnswer(f"{what}: the service gave an id that cannot be used")
        return f"{self.endpoint}/{quote(user_id, safe='')}"


# An id becomes part of a path: nothing that a server could take for a path of its own.
_PLAIN_ID = re.compile(r"(?!\.{1,2}$)[^\x00-\x20/\\?#%\x7f]{1,200}")


def _object(answer: Answer, call: Call, clocks: str) -> dict[str, Any]:
    """The JSON object of an answer with status 200; of any other, the error."""
    if answer.status == 200:
        body = answer.json()
        if isinstance(body, dict):
            return body
        kind = "no JSON" if body is NOTHING else "JSON of another kind than expected"
        raise BadAnswer(f"{call.what}: the answer is {kind}", hint=WRONG_ENDPOINT)
    reason = reason_of(answer, call.secrets)
    status = f"(HTTP {answer.status})"
    match answer.status:
        case 401:
            refused = f"{call.what}: the service refused the admin token{reason}{clocks}"
            raise CredentialsRefused(refused, hint=HINT)
        case 403:
            refused = f"{call.what}: the service forbids it to this admin token{reason}"
            raise CredentialsRefused(refused, hint="Use a token of an admin.")
        case 404 if answer.refusal() is not None:
            raise NotFound(f"{call.what}: not found {status}{reason}")
        case 404:
            # A wrong path is told as plain text; that is no word about the persona.
            raise NotOffered(f"{call.what}: the service has no such path {status}", hint=WRONG_ENDPOINT)
        case 405 | 501 if call.safety:
            raise NotOffered(f"{call.what}: the service does not offer it {status}")
        case status_code if 300 <= status_code < 400:
            raise BadAnswer(
                f"{call.what}: the service redirects {status}, and that is not followed",
                hint="Give the final address with --auth (MANA_AUTH_URL).",
            )
    raise BadAnswer(f"{call.what}: refused with HTTP {answer.status}{reason}")


def _number(weight: float) -> float | int:
    """A weight as it is written by hand: 1, not 1.0."""
    return int(weight) if weight == int(weight) and abs(weight) < 2**53 else weight
