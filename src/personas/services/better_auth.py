"""The service Better Auth with its admin plugin: any stock deployment of 1.6.17 or newer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlencode

import anyio
from pydantic import Field

from personas.concurrency import run_concurrently
from personas.errors import CredentialsError, NotFoundError, NotOfferedError, ResponseError, ServiceError
from personas.redact import Secret
from personas.services.base import DESCRIPTORS, Capabilities
from personas.services.better_auth_deployment import (
    PERSONA,
    USE_TOKEN,
    AdminSession,
    Deployment,
    User,
    inspect,
)
from personas.services.models import Answer, Body, FoundUser, LivePersona, Params, ServiceModel, Session
from personas.services.sign_in import TOO_LONG, SignInService, read_answer, response_error

if TYPE_CHECKING:
    from personas.catalog.models import Persona

PAGE_SIZE = 500
# Many proxies refuse URLs above 8 KB.
MAX_FILTER_CHARS = 6_000

_TAKEN = "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"


class _Page(ServiceModel):
    users: tuple[User, ...]
    total: Annotated[int, Field(ge=0)]
    limit: int | None = None


class _Created(ServiceModel):
    user: User


class BetterAuthService(SignInService):
    """Implements `Service`; use it as an async context manager.

    A persona is an account with the marker: the field `kind` with the value `persona` where the deployment
    declares it, otherwise the role `persona`. The admin endpoints change any account, so every deletion and
    update reads the account first and checks that it is a persona.
    """

    capabilities = Capabilities(
        stored=DESCRIPTORS | {"name"},
        updatable=DESCRIPTORS | {"name", "password"},
        complete_list=True,
        space_types=False,
    )

    _known: Deployment | None = None
    _session: AdminSession
    _inspecting: anyio.Lock

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._session = AdminSession(self._credentials, self)
        self._inspecting = anyio.Lock()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._session.close()
        await super().__aexit__(*args)

    async def admin_token(self) -> Secret:
        """Return the session token of the admin, which stays valid; raises CredentialsError."""
        session = await self._session.get()
        if session.bearer is None:
            raise NotOfferedError("Without the plugin bearer(), the service has no token to hand out.")
        self._session.hand_over()
        return session.bearer

    async def list_personas(self) -> tuple[LivePersona, ...]:
        """Return every persona of the service, in pages of 500."""
        deployment = await self._deployment()
        operator = "eq" if deployment.marker == "kind" else "contains"
        query = {"filterField": deployment.marker, "filterOperator": operator, "filterValue": PERSONA}
        query |= {"sortBy": "id", "limit": str(PAGE_SIZE)}  # updates change the default order
        users: dict[str, User] = {}
        offset = 0
        while True:
            page = await self._list({**query, "offset": str(offset)}, "listing the personas")
            users |= {user.id: user for user in page.users}
            offset += len(page.users)
            if not page.users or offset >= page.total:
                break
        found = [u for u in users.values() if deployment.is_persona(u) and not deployment.is_admin(u)]
        if banned := [user.email for user in found if user.banned]:
            self.notes.append(f"Banned on the service, so they cannot sign in: {', '.join(banned)}.")
        return tuple(map(deployment.to_live, found))

    async def get_persona(self, live: LivePersona) -> LivePersona:
        """Return the persona as it is now; raises NotFoundError."""
        what = f"reading {live.email}"
        deployment, user = await self._deployment(), await self._read_user(live.user_id, what)
        if not deployment.is_persona(user):
            raise NotFoundError(f"{what}: the account is not a persona any more.")
        return deployment.to_live(user)

    async def create(self, persona: Persona, password: Secret, *, existing: FoundUser | None = None) -> str:
        """Create the persona, or mark the account `existing` as one; return the user id.

        The service refuses a taken email. An account that lost its marker at once is deleted again.
        """
        what = f"creating {persona.email}"
        deployment = await self._deployment()
        if existing is not None:
            user = await self._guard(existing.user_id, persona.email, what, marked=False)
            return await self._complete(user, persona, what)
        data: dict[str, object] = {**_values(persona, deployment.fields), "emailVerified": True}
        body: dict[str, object] = {"email": persona.email, "name": persona.name, "data": data}
        body["password"] = password.reveal()
        # The call takes a role beside the data, but the field `kind` among them.
        (body if deployment.marker == "role" else data).update(deployment.mark([]))
        answer = await self._send("POST", "create-user", what, body=body)
        if answer.code == _TAKEN or (answer.status >= 500 and not answer.code):
            # An attempt without an answer, or another run, may have created it.
            user = await self._find_created(persona, answer, what)
            await self._complete(user, persona, what)
            await self._set_password(user.id, password, what)
            return user.id
        user = read_answer(_Created, self._check(answer, what), what, written=True).user
        if user.email.lower() != persona.email:
            message = f"{what}: the deployment stored another email: {user.email}."
            raise ResponseError(message, maybe_applied=True)
        if not deployment.is_persona(user):
            await self._remove(user.id, f"deleting {persona.email} again")
            message = f"{what}: the deployment removed the marker ({deployment.marker} {PERSONA!r}), so the "
            raise ResponseError(f"{message}account was deleted again. Check its database hooks.")
        return user.id

    async def update(
        self, live: LivePersona, persona: Persona, fields: Collection[str], password: Secret
    ) -> str:
        """Update these fields, return the user id; a new password ends the persona's sessions."""
        what = f"updating {persona.email}"
        await self._guard(live.user_id, persona.email, what)
        data = _values(persona, fields)
        if "emailVerified" in fields:
            data["emailVerified"] = True
        if data:
            await self._update_user(live.user_id, data, what)
        if "password" in fields:
            await self._set_password(live.user_id, password, what)
        return live.user_id

    async def delete(self, live: LivePersona) -> bool:
        """Delete the persona for good; False if it was already gone."""
        what = f"deleting {live.email}"
        try:
            await self._guard(live.user_id, live.email, what)
            await self._remove(live.user_id, what)
        except NotFoundError:
            return False
        return True

    async def count_users(self, domain: str) -> int | None:
        """Return how many accounts, personas included, have an email in this domain."""
        query = {"searchField": "email", "searchOperator": "ends_with", "searchValue": domain, "limit": "1"}
        return (await self._list(query, f"counting the accounts of {domain}")).total

    async def find_users(self, emails: Sequence[str]) -> Mapping[str, FoundUser | ServiceError]:
        """Look up each email (lower case); an email without an account has no entry."""
        found: dict[str, FoundUser | ServiceError] = {}

        async def look_up(batch: list[str]) -> None:
            try:
                for user in await self._find(batch, f"looking up {len(batch)} emails"):
                    found[user.email.lower()] = FoundUser(user.id, user.email.lower())
            except ResponseError as error:
                found.update(dict.fromkeys(batch, error))

        await run_concurrently(_split(emails), look_up, limit=self.concurrency)
        return found

    async def call(
        self, session: Session, method: str, path: str, *, what: str, params: Params = None, body: Body = None
    ) -> Answer:
        """Call a path below the auth endpoints: as bearer, or with cookie and Origin without that plugin."""
        if session.bearer is None:
            return await super().call(session, method, path, what=what, params=params, body=body)
        path = f"{self._base_path}/{path}"
        return await self._http.request(
            method, path, what=what, params=params, body=body, bearer=session.bearer
        )

    async def _deployment(self) -> Deployment:
        """Return what the deployment declares; read with the first admin call, then known."""
        async with self._inspecting:
            if self._known is None:
                what = "reading what the deployment declares"

                async def ask(method: str, path: str, body: dict[str, object] | None) -> Answer:
                    return await self._call_as_admin(method, path, what, body=body)

                self._known = await inspect(ask, limit=self.concurrency)
                stored = self._known.fields | {"name"}
                self.capabilities = replace(self.capabilities, stored=stored, updatable=stored | {"password"})
            return self._known

    async def _guard(self, user_id: str, email: str, what: str, *, marked: bool = True) -> User:
        """Read an account now, and check that it is this persona: the service protects no account."""
        deployment, user = await self._deployment(), await self._read_user(user_id, what)
        problem = ""
        if user.id != user_id or user.email.lower() != email.lower():
            problem = f"has another email now: {user.email}"
        elif deployment.is_admin(user):
            problem = "is an admin"
        elif marked and not deployment.is_persona(user):
            problem = f"is not a persona any more ({deployment.marker} is not {PERSONA!r})"
        if problem:
            raise ResponseError(f"{what}: skipped, because the account {problem}.")
        return user

    async def _complete(self, user: User, persona: Persona, what: str) -> str:
        """Give an account all fields of the persona, and the marker beside its other roles; return its id."""
        deployment = await self._deployment()
        data = {**_values(persona, deployment.fields | {"name"}), "emailVerified": True}
        changed = await self._update_user(user.id, {**data, **deployment.mark(user.roles)}, what)
        if not deployment.is_persona(changed):
            message = f"{what}: the deployment removed the marker ({deployment.marker} {PERSONA!r})."
            raise ResponseError(f"{message} Check its database hooks.", maybe_applied=True)
        return user.id

    async def _find_created(self, persona: Persona, answer: Answer, what: str) -> User:
        """Return the persona that exists although this creation was refused; raises ResponseError."""
        deployment = await self._deployment()
        for user in await self._find([persona.email], f"looking up {persona.email}"):
            if not deployment.is_persona(user) or deployment.is_admin(user):
                message = f"{what}: the email belongs to an account that is not a persona."
                raise ResponseError(message, hint="Use another email in the catalog.")
            return user
        raise response_error(answer, what)

    async def _update_user(self, user_id: str, data: Mapping[str, object], what: str) -> User:
        answer = await self._send("POST", "update-user", what, body={"userId": user_id, "data": dict(data)})
        return read_answer(User, self._check(answer, what), what, written=True)

    async def _set_password(self, user_id: str, password: Secret, what: str) -> None:
        """Set the password, and end the sessions that were opened with the old one."""
        body = {"userId": user_id, "newPassword": password.reveal()}
        self._check(await self._send("POST", "set-user-password", what, body=body), what)
        what = f"{what}: ending its sessions"
        self._check(await self._send("POST", "revoke-user-sessions", what, body={"userId": user_id}), what)

    async def _remove(self, user_id: str, what: str) -> None:
        self._check(await self._send("POST", "remove-user", what, body={"userId": user_id}), what)

    async def _read_user(self, user_id: str, what: str) -> User:
        answer = await self._send("GET", f"get-user?{urlencode({'id': user_id})}", what)
        return read_answer(User, self._check(answer, what), what)

    async def _find(self, emails: Sequence[str], what: str) -> list[User]:
        # The operator fails for a single value, so it is sent twice.
        values = [*emails, *emails] if len(emails) == 1 else emails
        query = {"filterField": "email", "filterOperator": "in", "limit": str(len(values))}
        page = await self._list({**query, "filterValue": values}, what)
        return [user for user in page.users if user.email.lower() in emails]

    async def _list(self, query: Mapping[str, str | Sequence[str]], what: str) -> _Page:
        """Return one page; the query must have a `limit`."""
        answer = await self._send("GET", f"list-users?{urlencode(query, doseq=True)}", what)
        page = read_answer(_Page, self._check(answer, what), what)
        # A list that failed inside the service is answered as an empty one, without `limit`.
        if page.limit is None:
            raise ResponseError(f"{what}: the service could not read the list, and answered an empty one.")
        return page

    async def _send(self, method: str, path: str, what: str, *, body: Body = None) -> Answer:
        await self._deployment()
        return await self._call_as_admin(method, f"admin/{path}", what, body=body)

    async def _call_as_admin(self, method: str, path: str, what: str, *, body: Body = None) -> Answer:
        """Make one call as the admin; once more with a new session after a 401."""
        session = await self._session.get()
        answer = await self.call(session, method, path, what=what, body=body)
        # A session that has ended is answered with 401, but here with `null`.
        ended = path == "get-session" and answer.status == 200 and answer.body is None
        if (ended or answer.status == 401) and self._session.renew(session):
            session = await self._session.get()
            answer = await self.call(session, method, path, what=what, body=body)
        return answer

    def _check(self, answer: Answer, what: str) -> Answer:
        """Return a successful answer; raise what any other one means."""
        if answer.status == 200:
            return answer
        error: ServiceError = response_error(answer, what)
        match answer.status, answer.code:
            case 400, "PASSWORD_TOO_LONG":
                error = ResponseError(f"{what}: {TOO_LONG}")
            case 401, _:
                message = f"{what}: the service does not accept the admin's session any more."
                error = CredentialsError(message, hint=USE_TOKEN)
            case 403, _:
                hint = "Use an admin with this right. Without the plugin bearer(), the deployment must trust "
                hint += f"the origin {self._origin}." if self._origin else "the origin of --auth."
                error = CredentialsError(f"{what}: refused: {answer.detail or 'HTTP 403'}.", hint=hint)
            case 404, "USER_NOT_FOUND":
                error = NotFoundError(f"{what}: the account does not exist.")
            case 404, _:
                error = NotOfferedError(f"{what}: the service does not have this call (HTTP 404).")
        server_failed = answer.status >= 500 and not answer.code
        error.maybe_applied = answer.retried or answer.server_error or server_failed
        raise error


def _values(persona: Persona, fields: Collection[str]) -> dict[str, object]:
    """Return the catalog's values of these fields, by their JSON names."""
    values = persona.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in values.items() if key in fields}


def _split(emails: Sequence[str]) -> Iterator[list[str]]:
    """Yield the emails in parts that fit into a URL."""
    batch: list[str] = []
    size = 0
    for email in emails:
        added = len(urlencode({"filterValue": email})) + 1
        if batch and size + added > MAX_FILTER_CHARS:
            yield batch
            batch, size = [], 0
        batch.append(email)
        size += added
    if batch:
        yield batch
