"""The members of spaces, and invitations to spaces: Better Auth's organization plugin.

A role is a list with commas; a word that is not a role allows nothing. Sessions on the real service have no
active organization, so a call that names no space always concerns none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from personas.embedded.answers import Crash, Refusal, as_json, auth_error, query_text
from personas.embedded.bodies import Check, boolean, optional, read_auth_json, shape, string, validate
from personas.embedded.schema import invitations, members, organizations, users
from personas.embedded.service import Service
from personas.embedded.tokens import make_id
from personas.embedded.users import add_member, is_email

PREFIX: Final = "/api/auth/organization"
INVITATION_LIFETIME: Final = dt.timedelta(hours=48)
MAX_MEMBERS: Final = 100
MAX_INVITATIONS: Final = 100  # pending ones of a space

ROLES: Final = ("owner", "admin", "member")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a user that changes something."""

    user: sa.Row[Any]
    body: dict[str, Any]
    now: dt.datetime

    @property
    def space_id(self) -> str:
        """The id of the space, empty if the call names none."""
        return str(self.body.get("organizationId", ""))

    @property
    def role(self) -> str:
        """The wanted role; a list of roles has commas."""
        role = self.body["role"]
        return role if isinstance(role, str) else ",".join(role)


UNAUTHORIZED: Final = {"message": "Unauthorized", "code": "UNAUTHORIZED"}
Work: TypeAlias = Callable[[Connection, Call], Any]


def post(
    name: str, check: Check, work: Work, *, unauthorized: Mapping[str, str] | None = UNAUTHORIZED
) -> Route:
    """A route that does the work in one transaction and answers with its result.

    Like the real service, it checks the body before the session; without one `unauthorized` is the answer.
    """

    async def endpoint(request: Request) -> Response:
        service = Service.of(request)
        body = await read_auth_json(request)
        service.require_origin(request)
        body = validate(body, check)

        def run(connection: Connection) -> Any:
            user = service.find_session(request, connection)
            if user is None:
                raise Refusal(401, unauthorized)
            return work(connection, Call(user, body, service.clock()))

        return JSONResponse(await service.write(run))

    return Route(f"{PREFIX}/{name}", endpoint, methods=["POST"])


def _roles(place: str, value: object) -> Iterator[str]:
    """Check for a role, or a list of roles."""
    roles = value if isinstance(value, list) else [value]
    if not all(isinstance(role, str) for role in roles):
        yield f"[{place}] Invalid input"


# --- members ------------------------------------------------------------------------------------------------


def is_owner(role: str) -> bool:
    """Return whether a role is an owner's."""
    return "owner" in role.split(",")


def manages(role: str) -> bool:
    """Return whether a role may change a space, its members and its invitations."""
    return is_owner(role) or "admin" in role.split(",")


def select_members(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Members with their users, oldest first; `email` is None for a user that was deleted."""
    return (
        sa.select(members, users.c.name.label("user_name"), users.c.email, users.c.image)
        .outerjoin(users, users.c.id == members.c.user_id)
        .where(*conditions)
        .order_by(members.c.created_at, members.c.id)
    )


def find_member(connection: Connection, space_id: str, who: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
    """The membership of a user in a space, or None."""
    return connection.execute(select_members(members.c.organization_id == space_id, who)).one_or_none()


def list_members(connection: Connection, space_id: str) -> list[sa.Row[Any]]:
    """The members of a space; a Crash if the user of one was deleted, as on the real service."""
    query = select_members(members.c.organization_id == space_id).limit(MAX_MEMBERS)
    found = list(connection.execute(query))
    if any(member.email is None for member in found):
        raise Crash
    return found


def show_member(member: sa.Row[Any], *, with_user: bool = True) -> dict[str, Any]:
    """A membership as answers show it."""
    described = as_json({name: value for name, value in member._asdict().items() if name in members.c})
    if with_user:
        user = {"id": member.user_id, "name": member.user_name, "email": member.email, "image": member.image}
        described["user"] = user
    return described


def _find_by_id(connection: Connection, member_id: str) -> sa.Row[Any]:
    """A membership in any space; a Crash if its user was deleted, which the real service does not expect."""
    member = connection.execute(select_members(members.c.id == member_id)).one_or_none()
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    if member.email is None:
        raise Crash
    return member


def _find_own(connection: Connection, call: Call) -> sa.Row[Any]:
    if not call.space_id:
        raise auth_error(400, "NO_ACTIVE_ORGANIZATION")
    member = find_member(connection, call.space_id, members.c.user_id == call.user.id)
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    return member


def _is_only_owner(connection: Connection, space_id: str) -> bool:
    roles = connection.scalars(sa.select(members.c.role).where(members.c.organization_id == space_id))
    return sum(is_owner(role) for role in roles) <= 1


def update_member_role(connection: Connection, call: Call) -> dict[str, Any]:
    """Give a member another role, which may be any word."""
    if call.body["role"] in ("", [""]):
        raise Refusal(400, None)
    own = _find_own(connection, call)
    member = _find_by_id(connection, call.body["memberId"])
    is_allowed = is_owner if is_owner(call.role) or is_owner(member.role) else manages
    if member.organization_id != own.organization_id or not is_allowed(own.role):
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
    steps_down = member.id == own.id and is_owner(own.role) and not is_owner(call.role)
    if steps_down and _is_only_owner(connection, own.organization_id):
        raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER")
    connection.execute(sa.update(members).where(members.c.id == member.id).values(role=call.role))
    return {**show_member(member, with_user=False), "role": call.role}


def remove_member(connection: Connection, call: Call) -> dict[str, Any]:
    """Remove a member by its id, or by the email of its user, which the answer then shows."""
    own = _find_own(connection, call)
    named: str = call.body["memberIdOrEmail"]
    by_email = "@" in named
    if by_email:
        member = find_member(connection, own.organization_id, users.c.email == named.lower())
    else:
        member = _find_by_id(connection, named)
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    if is_owner(member.role):
        owners = [each for each in list_members(connection, own.organization_id) if is_owner(each.role)]
        if own.role != "owner" or len(owners) <= 1:
            raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
    if not manages(own.role):
        raise auth_error(401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
    if member.organization_id != own.organization_id:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    connection.execute(sa.delete(members).where(members.c.id == member.id))
    return {"member": show_member(member, with_user=by_email)}


def leave(connection: Connection, call: Call) -> dict[str, Any]:
    """End the own membership."""
    member = _find_own(connection, call)
    if is_owner(member.role) and _is_only_owner(connection, call.space_id):
        raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
    connection.execute(sa.delete(members).where(members.c.id == member.id))
    return show_member(member)


# --- invitations --------------------------------------------------------------------------------------------


def invite_member(connection: Connection, call: Call) -> dict[str, Any]:
    """Invite an email, which need not belong to a user; `resend` renews an invitation that is pending."""
    space_id, email = call.space_id, call.body["email"].lower()
    if not space_id:
        raise auth_error(400, "ORGANIZATION_NOT_FOUND")
    if not is_email(email):
        raise auth_error(400, "INVALID_EMAIL")
    _check_may_invite(_find_own(connection, call).role, call.role)
    if find_member(connection, space_id, users.c.email == email) is not None:
        raise auth_error(400, "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION")
    pending = sa.select(invitations).where(
        invitations.c.organization_id == space_id,
        invitations.c.status == "pending",
        invitations.c.expires_at > call.now,
    )
    found = list(connection.execute(pending))
    same = next((each for each in found if each.email == email), None)
    if same is not None and not call.body.get("resend"):
        raise auth_error(400, "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION")
    expires_at = call.now + INVITATION_LIFETIME
    if same is not None:
        return _change_invitation(connection, same.id, expires_at=expires_at)
    if len(found) >= MAX_INVITATIONS:
        raise auth_error(403, "INVITATION_LIMIT_REACHED")
    values = {"organization_id": space_id, "email": email, "role": call.role, "status": "pending"}
    origin = {"inviter_id": call.user.id, "expires_at": expires_at, "created_at": call.now}
    new = sa.insert(invitations).values(id=make_id(), **values, **origin)
    return as_json(connection.execute(new.returning(*invitations.c)).one())


def _check_may_invite(own_role: str, role: str) -> None:
    if not manages(own_role):
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION")
    words = [word.strip() for word in role.split(",")]
    unknown = [word for word in words if word and word not in ROLES]
    if unknown:
        raise Refusal(400, {"message": f"ROLE_NOT_FOUND: {', '.join(unknown)}"})
    if is_owner(role) and not is_owner(own_role):
        message = "You are not allowed to invite a user with this role"
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE", message)


def _change_invitation(connection: Connection, invitation_id: str, **values: Any) -> dict[str, Any]:
    changed = sa.update(invitations).where(invitations.c.id == invitation_id).values(**values)
    return as_json(connection.execute(changed.returning(*invitations.c)).one())


def accept_invitation(connection: Connection, call: Call) -> dict[str, Any]:
    """Become a member by an invitation to the own email."""
    pending = sa.and_(invitations.c.status == "pending", invitations.c.expires_at > call.now)
    query = sa.select(invitations).where(invitations.c.id == call.body["invitationId"], pending)
    invitation = connection.execute(query).one_or_none()
    if invitation is None:
        raise auth_error(400, "INVITATION_NOT_FOUND")
    if invitation.email != call.user.email:
        raise auth_error(403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
    space_id = invitation.organization_id
    count = sa.select(sa.func.count()).where(members.c.organization_id == space_id)
    if connection.execute(count).scalar_one() >= MAX_MEMBERS:
        raise auth_error(403, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED")
    accepted = _change_invitation(connection, invitation.id, status="accepted")
    member = add_member(connection, space_id, call.user.id, invitation.role, call.now)
    return {"invitation": accepted, "member": member}


def list_user_invitations(request: Request) -> Response:
    """The own pending invitations, also those that have expired."""
    service = Service.of(request)
    if query_text(request, "email"):
        raise Refusal(400, {"message": "User email cannot be passed for client side API calls."})
    with service.database.read() as connection:
        user = service.find_session(request, connection)
        if user is None:
            raise Refusal(400, {"message": "Missing session headers, or email query parameter."})
        found = connection.execute(
            sa.select(invitations, organizations.c.name.label("organization_name"))
            .join(organizations, organizations.c.id == invitations.c.organization_id)
            .where(invitations.c.email == user.email, invitations.c.status == "pending")
            .order_by(invitations.c.created_at, invitations.c.id)
        )
        return JSONResponse([as_json(invitation) for invitation in found])


_invitation: Final = shape(
    email=string, role=_roles, organizationId=optional(string), resend=optional(boolean)
)
_new_role: Final = shape(role=_roles, memberId=string, organizationId=optional(string))
_removal: Final = shape(memberIdOrEmail=string, organizationId=optional(string))

routes: Final = [
    Route(f"{PREFIX}/list-user-invitations", list_user_invitations),
    post("invite-member", _invitation, invite_member),
    post("accept-invitation", shape(invitationId=string), accept_invitation),
    post("update-member-role", _new_role, update_member_role),
    post("remove-member", _removal, remove_member),
    post("leave", shape(organizationId=string), leave),
]
