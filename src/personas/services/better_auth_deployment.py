"""Before the first call: which service answers, the session of an admin, and what a deployment declares."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Unpack

from pydantic import BeforeValidator, Field

from personas.concurrency import run_concurrently
from personas.config import DEFAULT_ENDPOINT, Address
from personas.errors import CredentialsError, NotOfferedError
from personas.services.base import DESCRIPTORS
from personas.services.http import HttpClient, HttpOptions
from personas.services.models import Answer, LivePersona, ServiceModel, Session
from personas.services.sign_in import AdminAccess, read_claims

PERSONA = "persona"
ADMIN = "admin"
USE_TOKEN = "Pass a session token of an admin with --token (PERSONAS_ADMIN_TOKEN)."  # noqa: S105 - a hint
# Sends one call below the auth endpoints as the admin, and returns an answer with any status.
Ask = Callable[[str, str, dict[str, object] | None], Awaitable[Answer]]

_RIGHTS = {
    "user": ("create", "list", "get", "update", "set-password", "delete", "set-email"),
    "session": ("list", "revoke"),
}
_DECLARE = (
    "Declare it: user: {additionalFields: {kind: {type: 'string', required: false, input: false}}}, "
    "or add persona to the roles of the admin plugin."
)


class AdminSession(AdminAccess[Session]):
    """The session of the admin: the given one, or one that is opened with email and password when needed."""

    async def _request(self) -> Session:
        given = self._credentials
        if self._token:
            if read_claims(self._token) is not None:
                message = "The admin token is a JWT, and the admin endpoints of Better Auth refuse JWTs."
                raise CredentialsError(message, hint=USE_TOKEN)
            return Session("", "", self._token, bearer=self._token)
        if not given.email or not given.password:
            raise CredentialsError("The admin's credentials are missing.", hint=USE_TOKEN)
        try:
            return await self._sign_in(given.email, given.password, "PERSONAS", USE_TOKEN)
        except NotOfferedError as error:  # the deployment has no sign-in with a password
            raise CredentialsError(error.message, hint=USE_TOKEN) from None


async def probe_service(
    address: Address, *, base_path: str, endpoint: str = DEFAULT_ENDPOINT, **options: Unpack[HttpOptions]
) -> Literal["mana", "better-auth"]:
    """Return which service answers at an address; sends up to three requests, without credentials.

    Raises:
        NotOfferedError: It is neither, or a Better Auth without the admin plugin.
        UnreachableError: There is no answer.
    """
    what = f"finding out which service {address} is"
    async with HttpClient(address.url, loopback=address.loopback, **options) as http:
        # First mana, because it contains a Better Auth.
        answer = await http.request("GET", endpoint, what=what)
        if answer.status == 401 and isinstance(answer.body, dict) and "statusCode" in answer.body:
            return "mana"
        answer = await http.request("GET", f"{base_path}/ok", what=what)
        if answer.status != 200 or answer.body != {"ok": True}:
            message = f"Neither mana nor Better Auth answers at {address}."
            hint = "Check --auth (MANA_AUTH_URL), or name the service: --service mana|better-auth."
            raise NotOfferedError(message, hint=hint)
        answer = await http.request("GET", f"{base_path}/admin/list-users", what=what)
    if answer.status == 401:
        return "better-auth"
    message = f"The Better Auth at {address} does not have the admin plugin (HTTP {answer.status})."
    raise NotOfferedError(message, hint="Add admin() to its plugins.")


def _as_text(value: object) -> str:
    """Return a stored text; the service does not check types, so it can be anything."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _as_weights(value: object) -> object:
    """Return stored weights, which some databases return as JSON text; empty if they are something else."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return {}
    numbers = isinstance(value, dict) and all(type(weight) in {int, float} for weight in value.values())
    return value if numbers else {}


_Text = Annotated[str, BeforeValidator(_as_text)]


class User(ServiceModel):
    """An account as the admin endpoints return it. Some databases leave out fields without a value."""

    id: str
    email: str
    name: _Text = ""
    role: _Text = ""
    kind: _Text = ""
    banned: bool | None = None
    email_verified: bool | None = None
    created_at: datetime | None = None
    archetype: _Text = ""
    system_prompt: _Text = ""
    module_mix: Annotated[dict[str, float], BeforeValidator(_as_weights)] = Field(default_factory=dict)
    tick_cadence: _Text = ""

    @property
    def roles(self) -> list[str]:
        """Its roles, which the service joins with commas."""
        return [role.strip() for role in self.role.split(",") if role.strip()]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment declares."""

    admin_id: str  # of the admin who asked
    marker: Literal["kind", "role"]  # what marks personas
    fields: frozenset[str]  # the descriptors that are stored

    def is_persona(self, user: User) -> bool:
        """Whether the account has the marker."""
        return user.kind == PERSONA if self.marker == "kind" else PERSONA in user.roles

    def is_admin(self, user: User) -> bool:
        """Whether the account is certainly an admin; other admin roles of a deployment are not visible."""
        return ADMIN in user.roles or user.id == self.admin_id

    def mark(self, roles: list[str]) -> dict[str, object]:
        """Return what to store to mark an account that has these roles."""
        if self.marker == "kind":
            return {"kind": PERSONA}
        roles = [*(role for role in roles if role != PERSONA), PERSONA]
        return {"role": roles if len(roles) > 1 else PERSONA}

    def to_live(self, user: User) -> LivePersona:
        """Return the persona, without the fields that are not stored."""
        known = {field: getattr(user, field) for field in ("email", "name", "email_verified", "created_at")}
        values = user.model_dump(by_alias=True)
        stored = {field: values[field] for field in self.fields}
        return LivePersona.model_validate({"user_id": user.id, **known, **stored})


async def inspect(ask: Ask, *, limit: int) -> Deployment:
    """Return what the deployment declares; `limit` is how many calls to make at once.

    Raises:
        CredentialsError: The session is not valid, or the account lacks a right.
        NotOfferedError: The deployment is too old, or declares no marker.
        ServiceError: The service does not answer as expected.
    """
    session = await ask("GET", "get-session", None)
    user = session.body.get("user") if isinstance(session.body, dict) else None
    if session.status != 200 or not isinstance(user, dict) or not isinstance(user.get("id"), str):
        raise CredentialsError(
            "The service does not accept the admin's session token.",
            hint="It may have expired: sign in again. The deployment needs the plugin bearer().",
        )
    admin_id = user["id"]
    unused = _unused_id(admin_id)
    # The session shows declared fields, but some databases leave out those without a value.
    declared = {field for field in (*DESCRIPTORS, "kind") if field in user}

    async def check_field(field: str) -> None:
        # A list that fails is answered as an empty one, without the `limit` of a successful answer.
        # Sorted and filtered, because sorting a single row does not fail everywhere.
        query = f"limit=1&sortBy={field}&filterField={field}&filterValue={PERSONA}"
        answer = await ask("GET", f"admin/list-users?{query}", None)
        if isinstance(answer.body, dict) and "limit" in answer.body:
            declared.add(field)

    async def check_version() -> None:
        answer = await ask("POST", "admin/update-user", {"userId": unused, "data": {"name": "x"}})
        if answer.status == 200:
            raise NotOfferedError(
                "This Better Auth is too old: it accepts an update of an unknown user id, as before 1.6.16.",
                hint="Update better-auth to 1.6.17 or newer.",
            )

    missing = [field for field in (*DESCRIPTORS, "kind") if field not in declared]
    await check_version()  # first, because old versions do not know all rights
    await _check_rights(ask, _RIGHTS)
    await run_concurrently(missing, check_field, limit=limit)
    if "kind" in declared:
        return Deployment(admin_id, "kind", frozenset(declared - {"kind"}))
    await _check_rights(ask, {"user": ("set-role",)})
    answer = await ask("POST", "admin/set-role", {"userId": unused, "role": PERSONA})
    if answer.status != 404:
        raise NotOfferedError(
            "The deployment has nothing that marks personas: neither the field kind nor the role persona.",
            hint=_DECLARE,
        )
    return Deployment(admin_id, "role", frozenset(declared))


async def _check_rights(ask: Ask, rights: dict[str, tuple[str, ...]]) -> None:
    """Raise a CredentialsError that names the rights that the account lacks."""

    async def has(permissions: dict[str, tuple[str, ...]]) -> bool:
        answer = await ask("POST", "admin/has-permission", {"permissions": permissions})
        return isinstance(answer.body, dict) and answer.body.get("success") is True

    if await has(rights):
        return
    pairs = [(resource, right) for resource, names in rights.items() for right in names]
    lacking = [f"{resource}:{right}" for resource, right in pairs if not await has({resource: (right,)})]
    if lacking:
        message = f"This account may not do what personas needs: {', '.join(lacking)}."
        hint = "Use an admin, or add these rights to its role. If this is not Better Auth, correct --service."
        raise CredentialsError(message, hint=hint)


def _unused_id(known: str) -> str:
    """Return an id that no account has, in the format of a known one: a wrong format is a server error."""
    if known.isdecimal():
        return "2147483647"
    try:
        uuid.UUID(known)
    except ValueError:
        return "personas-no-such-user"
    return str(uuid.uuid4())
