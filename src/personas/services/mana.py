"""The service "mana" and its other deployments: their paths, statuses and JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from pydantic import Field

from personas.concurrency import run_concurrently
from personas.errors import CredentialsError, NotFoundError, NotOfferedError, ResponseError, ServiceError
from personas.redact import Secret, redact
from personas.services.base import DESCRIPTORS, Capabilities
from personas.services.http import WRONG_SERVICE
from personas.services.models import (
    Answer,
    Body,
    FoundUser,
    LivePersona,
    ModuleFeedback,
    Params,
    RecentAction,
    ServiceModel,
)
from personas.services.sign_in import SignInService, read_answer, response_error

if TYPE_CHECKING:
    from personas.catalog.models import Persona

USERS = "/api/v1/admin/users"
MAX_ROWS = "100"


class _Listed(ServiceModel):
    personas: tuple[LivePersona, ...]


class _Detail(ServiceModel):
    persona: LivePersona
    recent_actions: tuple[RecentAction, ...] = ()
    feedback_by_module: tuple[ModuleFeedback, ...] = ()


class _Written(ServiceModel):
    ok: Literal[True]


class _Saved(_Written):
    user_id: str


class _User(ServiceModel):
    id: str
    email: str


class _Users(ServiceModel):
    users: tuple[_User, ...]
    total: int | None = Field(default=None, ge=0)


class ManaService(SignInService):
    """Implements `Service`; use it as an async context manager."""

    capabilities = Capabilities(
        stored=DESCRIPTORS | {"name"},
        updatable=DESCRIPTORS,
        complete_list=False,
        space_types=True,
    )
    _listed: tuple[LivePersona, ...] = ()

    async def list_personas(self) -> tuple[LivePersona, ...]:
        """Return every persona of the service, without prompts and weights."""
        what = "listing the personas"
        answer = await self._send("GET", self._endpoint, what)
        self._listed = read_answer(_Listed, self._check(answer, what), what).personas
        return self._listed

    async def get_persona(self, live: LivePersona) -> LivePersona:
        """Return the persona with prompt, weights, actions and feedback; raises NotFoundError."""
        what = f"reading {live.email}"
        answer = await self._send("GET", self._path(live), what)
        detail = read_answer(_Detail, self._check(answer, what), what)
        # The detail lacks what the list has (actions of 7 days), and the other way round.
        read = dict(detail.persona, recent_actions=detail.recent_actions, feedback=detail.feedback_by_module)
        return live.model_copy(update={name: value for name, value in read.items() if value is not None})

    async def create(self, persona: Persona, password: Secret, *, existing: FoundUser | None = None) -> str:
        """Create the persona, or complete the half-created account; return the user id."""
        what = f"{'completing' if existing else 'creating'} {persona.email}"
        return await self._save(persona, password, what)

    async def update(
        self, live: LivePersona, persona: Persona, fields: Collection[str], password: Secret
    ) -> str:
        """Update the descriptors; the service demands name and password, but does not change them."""
        del live, fields  # the service finds the persona by email, and replaces all descriptors at once
        return await self._save(persona, password, f"updating {persona.email}")

    async def _save(self, persona: Persona, password: Secret, what: str) -> str:
        body = persona.model_dump(mode="json", by_alias=True) | {"password": password.reveal()}
        answer = await self._send("POST", self._endpoint, what, body=body)
        return read_answer(_Saved, self._check(answer, what), what, written=True).user_id

    async def delete(self, live: LivePersona) -> bool:
        """Delete the persona for good; False if it was already gone. A warning raises ResponseError."""
        what = f"deleting {live.email}"
        answer = await self._send("DELETE", self._path(live), what)
        if answer.status == 404 and answer.is_json:
            if answer.server_error:
                # Some deployments answer 500 when they deleted only a part, and 404 afterwards.
                message = f"{what}: the service failed, and then did not find it; its account may remain."
                raise ResponseError(message, maybe_applied=True)
            return False
        return read_answer(_Written, self._check(answer, what), what, written=True).ok

    async def count_users(self, domain: str) -> int | None:
        """Return how many accounts have an email in this domain; None if the service does not say."""
        return await self._count(domain, f"counting the accounts of {domain}")

    async def find_users(self, emails: Sequence[str]) -> Mapping[str, FoundUser | ServiceError]:
        """Look up each email (lower case); an email without an account has no entry."""
        found: dict[str, FoundUser | ServiceError] = {}

        async def look_up(email: str) -> None:
            try:
                if user := await self._find_user(email):
                    found[email] = user
            except NotOfferedError:
                raise
            except ResponseError as error:
                found[email] = error

        await run_concurrently(emails, look_up, limit=self.concurrency)
        return found

    async def _find_user(self, email: str) -> FoundUser | None:
        what = f"looking up {email}"
        total = await self._count(email, what)
        if total == 0:
            return None
        answer = await self._send("GET", USERS, what, params={"search": email, "limit": MAX_ROWS})
        if answer.status == 500:
            # As soon as one row belongs to a user with a session; totals still work.
            return await self._find_by_totals(email, what)
        rows = read_answer(_Users, self._check(answer, what), what).users
        user = next((FoundUser(row.id, email) for row in rows if row.email.lower() == email), None)
        if user is None and (total is None or total > len(rows)):
            raise ResponseError(f"{what}: the service found more accounts than it returned.")
        return user

    async def _find_by_totals(self, email: str, what: str) -> FoundUser | None:
        """Decide by numbers whether an account has this email, and not only a similar one."""
        literal = re.sub(r"[\\%_]", r"\\\g<0>", email)
        total = await self._count(literal, what)
        similar = [p for p in self._listed if p.email != email and email in f"{p.email}\n{p.name}".lower()]
        if total is not None and total <= len(similar):
            return None
        # `_` stands for any character: how often does another one stand before the email?
        if await self._count(f"_{literal}", what) == total:
            raise ResponseError(f"{what}: the service cannot separate it from a similar, signed-in account.")
        return FoundUser("", email)

    async def _count(self, search: str, what: str) -> int | None:
        """Return how many emails or names contain the text; without rows, which can answer 500."""
        answer = await self._send("GET", USERS, what, params={"search": search, "limit": "0"})
        if answer.status in {404, 405, 501}:
            raise NotOfferedError(f"{what}: the service has no user look-up (HTTP {answer.status}).")
        return read_answer(_Users, self._check(answer, what), what).total

    async def _send(
        self, method: str, path: str, what: str, *, params: Params = None, body: Body = None
    ) -> Answer:
        """Call an admin endpoint; once more after a 401 (with a new token), or a 500 (a write)."""
        renewed = repeated = retried = False
        while True:
            token = await self._admin.get()
            answer = await self._http.request(method, path, what=what, params=params, body=body, bearer=token)
            retried = retried or answer.retried
            if answer.status == 401 and not renewed and self._admin.renew(token):
                renewed = True
            elif answer.status == 500 and method != "GET" and not repeated:
                # Two seeds at once sign the same user up; the second attempt finds it.
                repeated = True
            else:
                failed = answer.server_error or (repeated and answer.status != 500)
                return replace(answer, retried=retried, server_error=failed)

    def _check(self, answer: Answer, what: str) -> Answer:
        """Return a successful answer; raise what any other one means."""
        if answer.status == 200:
            if isinstance(answer.body, dict) and {"ok", "warning"} <= answer.body.keys():
                warning = redact(str(answer.body["warning"]))
                raise ResponseError(f"{what}: the service warns: {warning}")
            return answer
        error: ServiceError = response_error(answer, what)
        match answer.status:
            case 401:
                error = self._admin.refusal(answer.detail)
            case 403:
                message = f"{what}: the service refuses this admin token: {answer.detail or 'HTTP 403'}."
                error = CredentialsError(message, hint="Use the token of an admin.")
            case 404 if answer.is_json:
                error = NotFoundError(error.message)
            case 404 | 405 | 501:
                # A wrong path answers 404 as plain text.
                message = f"{what}: the service does not have this call (HTTP {answer.status})."
                error = NotOfferedError(message, hint=WRONG_SERVICE)
        error.maybe_applied = answer.retried or answer.server_error
        raise error

    def _path(self, live: LivePersona) -> str:
        if live.user_id in {"", ".", ".."} or not live.user_id.isprintable():
            # With it the path would be another call.
            raise ResponseError(f"the service returned an unusable id of {live.email}.")
        return f"{self._endpoint}/{quote(live.user_id, safe='')}"
