"""Reading and changing shared spaces (organizations), signed in as their owners and members."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import AliasPath, BeforeValidator, Field, TypeAdapter, ValidationError

from personas.catalog.models import Catalog, Space
from personas.catalog.select import matches
from personas.concurrency import Cancel, run_concurrently
from personas.errors import NoResponseError, ResponseError, ServiceError, UsageError, WrongPasswordError
from personas.passwords import PasswordDeriver
from personas.services.base import Service
from personas.services.models import Answer, Body, LiveMember, LiveSpace, ServiceModel, Session
from personas.services.sign_in import response_error
from personas.spaces.plan import SpaceState, selects

Model = TypeVar("Model")


class SignInCache:
    """Signs each persona in at most once, also where preview and execution use different event loops.

    Without `passwords` (no seed secret), every sign-in fails.
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
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
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


@dataclass(frozen=True)
class SpaceClient:
    """The calls on spaces as one persona; each raises ResponseError where the service refuses."""

    service: Service
    session: Session

    async def list_spaces(self) -> tuple[LiveSpace, ...]:
        """Return the spaces that the persona is in, the personal one as well, without their members."""
        what = f"listing the spaces of {self.session.email}"
        return tuple(self._live(space) for space in _parse(_SPACES, await self._call("list", what), what))

    async def read(self, space: LiveSpace) -> LiveSpace:
        """Return a space as it is now, with its members; without them if it is broken."""
        what, query = f"reading the space {space.slug}", urlencode({"organizationId": space.space_id})
        answer = await self._call(f"get-full-organization?{query}", what, allow=500)
        if answer.status == 500:
            # The service cannot show a space after the account of a member was deleted.
            return space.model_copy(update={"members": (), "broken": True, "reader": self.session.email})
        found = self._live(_parse(_SPACE, answer, what))
        if found.space_id != space.space_id or not found.members:
            raise ResponseError(f"{what}: the answer is about another space, or has no members.")
        return found

    async def is_taken(self, slug: str) -> bool:
        """Whether a space has this slug, also one that the persona is not in."""
        what = f"checking the slug {slug}"
        return (await self._call("check-slug", what, {"slug": slug}, allow=400)).status == 400

    async def create(self, space: Space) -> LiveSpace:
        """Create a space that the persona owns, without other members."""
        what = f"creating the space {space.slug}"
        body = {"name": space.name, "slug": space.slug, **self._metadata(space, {})}
        return self._live(_parse(_SPACE, await self._call("create", what, body), what))

    async def update(self, live: LiveSpace, space: Space) -> None:
        """Change name and type to the catalog's; other metadata is kept."""
        data = {"name": space.name, **self._metadata(space, live.metadata)}
        await self._write(live, "update", "updating", data=data)

    async def invite(self, live: LiveSpace, email: str, role: str) -> str:
        """Invite a persona, also again; return the invitation's id."""
        # Without `resend`, the service refuses a repeated call after the first answer was lost.
        what, body = f"inviting {email}", {"email": email, "role": role, "resend": True}
        return _parse(_INVITATION, await self._write(live, "invite-member", f"{what} to", **body), what).id

    async def accept(self, live: LiveSpace, invitation_id: str) -> None:
        """Accept an invitation to a space."""
        what = f"adding {self.session.email} to the space {live.slug}"
        await self._call("accept-invitation", what, {"invitationId": invitation_id})

    async def change_role(self, live: LiveSpace, member: LiveMember, role: str) -> None:
        """Give a member another role."""
        doing = f"changing the role of {member.email} in"
        await self._write(live, "update-member-role", doing, memberId=member.member_id, role=role)

    async def remove(self, live: LiveSpace, member: LiveMember) -> None:
        """Remove a member."""
        doing = f"removing {member.email} from"
        await self._write(live, "remove-member", doing, memberIdOrEmail=member.member_id)

    async def delete(self, live: LiveSpace) -> None:
        """Delete a space for good, also a broken one; owners may."""
        await self._write(live, "delete", "deleting")

    async def _write(self, live: LiveSpace, name: str, doing: str, **body: object) -> Answer:
        what = f"{doing} the space {live.slug}"
        return await self._call(name, what, body | {"organizationId": live.space_id})

    async def _call(self, name: str, what: str, body: Body = None, *, allow: int = 200) -> Answer:
        """Make one call; `allow` is a status that is an answer too."""
        method, path = "GET" if body is None else "POST", f"organization/{name}"
        answer = await self.service.call(self.session, method, path, what=what, body=body)
        if answer.status in {200, allow}:
            return answer
        raise response_error(answer, what)

    def _metadata(self, space: Space, old: dict[str, object]) -> dict[str, object]:
        return {"metadata": {**old, "type": str(space.type)}} if self.service.capabilities.space_types else {}

    def _live(self, space: LiveSpace) -> LiveSpace:
        kind = str(space.metadata.get("type") or "") if self.service.capabilities.space_types else None
        return space.model_copy(update={"type": kind, "reader": self.session.email})


def _parse(model: TypeAdapter[Model], answer: Answer, what: str) -> Model:
    try:
        return model.validate_python(answer.body)
    except ValidationError:
        raise ResponseError(f"{what}: the answer cannot be understood.") from None


async def fetch_spaces(
    service: Service, catalog: Catalog, sign_ins: SignInCache, *, only: Sequence[str] = ()
) -> SpaceState:
    """Read the catalog's spaces, and the other spaces of their owners, who stay signed in for `apply_spaces`.

    Raises UsageError for a pattern of `only` (slug, name, owner or member) that matches nothing, and
    ServiceError if the service is unreachable or refuses the admin's credentials.
    """
    live = await service.list_personas()
    state = SpaceState(service.address, {p.email.lower() for p in live if catalog.scope.contains(p.email)})
    wanted = [space for space in catalog.spaces if selects(catalog, only, space)]
    if not all(any(selects(catalog, (pattern,), space) for space in wanted) for pattern in only):
        wanted = list(catalog.spaces)  # the pattern may mean a space that only the service has
    absent = [space for space in wanted if space.owner not in state.personas]
    state.unread = {s.slug: f"{s.owner} is not live; `personas seed` creates personas" for s in absent}
    owners = [owner for owner in dict.fromkeys(s.owner for s in wanted) if owner in state.personas]

    async def read(owner: str) -> None:
        try:
            await _read_spaces(sign_ins.client(service, owner), state, catalog, wanted)
        except ResponseError as error:
            state.unread.update({space.slug: error.message for space in wanted if space.owner == owner})

    await sign_ins.open(service, owners)
    await run_concurrently(owners, read, limit=service.concurrency)
    sides: list[Space | LiveSpace] = [*wanted, *state.spaces.values()]
    for pattern in only:
        unread = any(matches((pattern,), email=slug) for slug in state.unread)
        if not unread and not any(selects(catalog, (pattern,), side) for side in sides):
            raise UsageError(f"--only {pattern} matches no space in {catalog.file} or on the service.")
    return state


async def _read_spaces(client: SpaceClient, state: SpaceState, catalog: Catalog, wanted: list[Space]) -> None:
    """Read the spaces of one owner."""
    owner = client.session.email
    foreign = {space.slug for space in catalog.spaces if space.owner != owner}
    own = [space.slug for space in wanted if space.owner == owner]
    spaces: dict[str, LiveSpace | None] = dict.fromkeys(own)
    # The service gives each user a personal space, which is never shared.
    spaces |= {s.slug: s for s in await client.list_spaces() if s.type != "personal"}
    for slug in sorted(spaces.keys() - foreign):
        try:
            space = spaces[slug]
            whole = await client.read(space) if space else None
            if whole is None and await client.is_taken(slug):
                state.taken.add(slug)
        except ResponseError as error:
            state.unread[slug] = error.message
            continue
        # A space of another account, where the persona is a guest, does not concern the catalog.
        if whole and (whole.broken or slug in own or owner in whole.owners):
            state.spaces[slug] = whole
