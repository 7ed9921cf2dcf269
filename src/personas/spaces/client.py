"""The calls on shared spaces (organizations), made as signed-in personas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

from pydantic import AliasPath, BeforeValidator, Field, TypeAdapter, ValidationError

from personas.catalog.models import Space
from personas.concurrency import Cancel, run_concurrently
from personas.errors import NoResponseError, ResponseError, ServiceError, WrongPasswordError
from personas.passwords import PasswordDeriver
from personas.services.base import Service
from personas.services.models import Answer, LiveMember, LiveSpace, ServiceModel, Session
from personas.services.sign_in import response_error

Model = TypeVar("Model")


class SignInCache:
    """Signs each persona in at most once a run, and remembers failures; `close` signs out again.

    It outlives event loops and service objects, so a preview and its execution can share it. Without
    `passwords` (no seed secret) every sign-in fails.
    """

    def __init__(self, passwords: PasswordDeriver | None) -> None:
        self._passwords = passwords
        self._results: dict[str, Session | ServiceError] = {}

    async def open(self, service: Service, emails: Iterable[str], *, cancel: Cancel | None = None) -> None:
        """Sign in those that were not tried yet; raises what concerns the whole run (UnreachableError)."""

        async def sign_in(email: str) -> None:
            if self._passwords is None:
                self._results[email] = ResponseError(f"signing in as {email}: the seed secret is missing.")
                return
            try:
                self._results[email] = await service.sign_in(email, self._passwords.derive(email))
            except (WrongPasswordError, ResponseError, NoResponseError) as error:
                self._results[email] = error

        new = [email for email in dict.fromkeys(emails) if email not in self._results]
        await run_concurrently(new, sign_in, limit=service.concurrency, cancel=cancel)

    def client(self, service: Service, email: str) -> SpaceClient:
        """Return the calls as this persona; raises ResponseError if it is not signed in."""
        result = self._results.get(email) or ResponseError(f"signing in as {email}: interrupted.")
        if isinstance(result, ServiceError):
            raise ResponseError(result.message)
        return SpaceClient(service, result)

    async def close(self, service: Service) -> None:
        """Sign everyone out."""
        sessions = [result for result in self._results.values() if isinstance(result, Session)]
        self._results.clear()
        await run_concurrently(sessions, service.sign_out, limit=service.concurrency)


def _decode(metadata: object) -> object:
    """Return the metadata of a space, which some services return as JSON text."""
    try:
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


class _Member(LiveMember):
    member_id: str = Field(validation_alias="id")
    email: str = Field(default="", validation_alias=AliasPath("user", "email"))  # some calls leave it out


class _Space(LiveSpace):
    space_id: str = Field(validation_alias="id")
    members: tuple[_Member, ...] = ()
    metadata: Annotated[dict[str, object], BeforeValidator(_decode)] = Field(default_factory=dict)


class _Invitation(ServiceModel):
    id: str


_SPACE = TypeAdapter(_Space)
_SPACES = TypeAdapter(tuple[_Space, ...])
_INVITATION = TypeAdapter(_Invitation)


class SpaceClient:
    """The calls on spaces as one persona; each raises ResponseError where the service refuses."""

    def __init__(self, service: Service, session: Session) -> None:
        self._service = service
        self._session = session
        self._types = service.capabilities.space_types
        self.email = session.email

    async def list_spaces(self) -> tuple[LiveSpace, ...]:
        """Return the spaces that the persona is in, the personal one as well, without their members."""
        what = f"listing the spaces of {self.email}"
        found = _parse(_SPACES, await self._call("GET", "list", what), what)
        return tuple(self._live(space) for space in found)

    async def read(self, space: LiveSpace) -> LiveSpace:
        """Return a space as it is now, with its members; without them if it is broken."""
        what, query = f"reading the space {space.slug}", {"organizationId": space.space_id}
        answer = await self._call("GET", "get-full-organization", what, params=query, allow=500)
        if answer.status == 500:
            # The service cannot show a space that has a member whose account was deleted.
            return space.model_copy(update={"members": (), "broken": True, "reader": self.email})
        found = self._live(_parse(_SPACE, answer, what))
        if found.space_id != space.space_id or not found.members:
            raise ResponseError(f"{what}: the answer is about another space, or has no members.")
        return found

    async def is_taken(self, slug: str) -> bool:
        """Whether a space has this slug, also one that the persona is not in."""
        what = f"checking the slug {slug}"
        return (await self._call("POST", "check-slug", what, {"slug": slug}, allow=400)).status == 400

    async def create(self, space: Space) -> LiveSpace:
        """Create a space that the persona owns, without other members."""
        what = f"creating the space {space.slug}"
        body = {"name": space.name, "slug": space.slug, **self._metadata(space, {})}
        return self._live(_parse(_SPACE, await self._call("POST", "create", what, body), what))

    async def update(self, live: LiveSpace, space: Space) -> None:
        """Change name and type to the catalog's; other metadata is kept."""
        data = {"name": space.name, **self._metadata(space, live.metadata)}
        await self._write(live, "update", "updating", {"data": data})

    async def invite(self, live: LiveSpace, email: str, role: str) -> str:
        """Invite a persona, also again; return the invitation's id."""
        # Without `resend`, the service refuses the repetition of a call whose answer was lost.
        body = {"email": email, "role": role, "resend": True}
        doing = f"inviting {email} to"
        return _parse(_INVITATION, await self._write(live, "invite-member", doing, body), doing).id

    async def accept(self, live: LiveSpace, invitation_id: str) -> None:
        """Accept an invitation to a space."""
        what = f"adding {self.email} to the space {live.slug}"
        await self._call("POST", "accept-invitation", what, {"invitationId": invitation_id})

    async def change_role(self, live: LiveSpace, member: LiveMember, role: str) -> None:
        """Give a member another role."""
        body = {"memberId": member.member_id, "role": role}
        await self._write(live, "update-member-role", f"changing the role of {member.email} in", body)

    async def remove(self, live: LiveSpace, member: LiveMember) -> None:
        """Remove a member."""
        body = {"memberIdOrEmail": member.member_id}
        await self._write(live, "remove-member", f"removing {member.email} from", body)

    async def leave(self, live: LiveSpace) -> None:
        """End the persona's own membership."""
        await self._write(live, "leave", f"removing {self.email} from", {})

    async def delete(self, live: LiveSpace) -> None:
        """Delete a space for good, also a broken one; owners may."""
        await self._write(live, "delete", "deleting", {})

    async def _write(self, live: LiveSpace, name: str, doing: str, body: Mapping[str, object]) -> Answer:
        body = {**body, "organizationId": live.space_id}
        return await self._call("POST", name, f"{doing} the space {live.slug}", body)

    async def _call(
        self,
        method: str,
        name: str,
        what: str,
        body: dict[str, object] | None = None,
        *,
        params: dict[str, str] | None = None,
        allow: int = 200,
    ) -> Answer:
        """Make one call; `allow` is a status that is an answer too."""
        path = f"organization/{name}"
        answer = await self._service.call(self._session, method, path, what=what, params=params, body=body)
        if answer.status in {200, allow}:
            return answer
        raise response_error(answer, what)

    def _metadata(self, space: Space, old: dict[str, object]) -> dict[str, object]:
        return {"metadata": {**old, "type": str(space.type)}} if self._types else {}

    def _live(self, space: LiveSpace) -> LiveSpace:
        kind = str(space.metadata.get("type") or "") if self._types else None
        return space.model_copy(update={"type": kind, "reader": self.email})


def _parse(model: TypeAdapter[Model], answer: Answer, what: str) -> Model:
    try:
        return model.validate_python(answer.body)
    except ValidationError:
        raise ResponseError(f"{what}: the answer cannot be understood.") from None
