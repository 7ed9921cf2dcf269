"""The members of spaces, and invitations to spaces: Better Auth's organization plugin.

A role is a list with commas; a word that is not a role allows nothing. Sessions on the real service have no
active organization, so a call that names no space always concerns none.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from personas.embedded.answers import Crash, Refusal, as_json, auth_error, iso, query_text
from personas.embedded.bodies import Body, problem, read_auth_json
from personas.embedded.schema import invitations, members, organizations, users
from personas.embedded.service import Service
from personas.embedded.tokens import make_id
from personas.embedded.users import is_email

AnyBody = TypeVar("AnyBody", bound=Body)

PREFIX: Final = "/api/auth/organization"
INVITATION_LIFETIME: Final = dt.timedelta(hours=48)
MAX_MEMBERS: Final = 100
MAX_INVITATIONS: Final = 100  # pending ones of a space

_ADMIN: Final = frozenset({"organization:update", "member:update", "member:delete", "invitation:create"})
PERMISSIONS: Final = {
    "owner": _ADMIN | {"organization:delete"},
    "admin": _ADMIN,
    "member": frozenset[str](),
}


def _one_or_several(given: Any, validate: ValidatorFunctionWrapHandler) -> list[str]:
    try:
        roles: list[str] = validate([given] if isinstance(given, str) else given)
    except ValidationError:
        raise problem("Invalid input") from None
    return roles


Roles = Annotated[list[str], WrapValidator(_one_or_several)]


class NewInvitation(Body):
    """The body of `invite-member`."""

    email: str
    role: Roles
    organization_id: str = ""
    resend: bool = False


class NamedInvitation(Body):
    """The body of `accept-invitation`."""

    invitation_id: str


class NewRole(Body):
    """The body of `update-member-role`."""

    role: Roles
    member_id: str
    organization_id: str = ""


class Removal(Body):
    """The body of `remove-member`."""

    member_id_or_email: str
    organization_id: str = ""


class NamedSpace(Body):
    """The body of `leave`, and of `delete` for a space."""

    organization_id: str


async def read_call(
    request: Request, model: type[AnyBody], *, unauthorized: Refusal | None = None
) -> tuple[sa.Row[Any], AnyBody]:
    """The user and the body of a call; like the real service, this checks the body before the session.

    Raises:
        Refusal: For the body or its origin; `unauthorized`, or else 401, without a session.
    """
    service = Service.of(request)
    value = await read_auth_json(request)
    service.require_origin(request)
    body = model.check(value)
    user = await service.find_session(request)
    if user is None:
        raise unauthorized or auth_error(401, "UNAUTHORIZED")
    return user, body


# --- members ------------------------------------------------------------------------------------------------


def is_owner(role: str) -> bool:
    """Return whether a role is an owner's."""
    return "owner" in role.split(",")


def may(role: str, act: str) -> bool:
    """Return whether a role allows an act."""
    return any(act in PERMISSIONS.get(each, ()) for each in role.split(","))


def _select_members() -> sa.Select[Any]:
    """Members with their users, oldest first; `email` is None for a user that was deleted."""
    return (
        sa.select(members, users.c.name.label("user_name"), users.c.email, users.c.image)
        .outerjoin(users, users.c.id == members.c.user_id)
        .order_by(members.c.created_at, members.c.id)
    )


def find_member(
    connection: Connection, space_id: str, *, user_id: str | None = None, email: str | None = None
) -> sa.Row[Any] | None:
    """The membership of a user, by the id or by the email in any case, in a space."""
    who = members.c.user_id == user_id if email is None else users.c.email == email.lower()
    return connection.execute(
        _select_members().where(members.c.organization_id == space_id, who)
    ).one_or_none()


def find_member_by_id(connection: Connection, member_id: str) -> sa.Row[Any]:
    """A membership in any space.

    Raises:
        Refusal: 400 if it does not exist.
        Crash: Its user was deleted, which the real service does not expect.
    """
    member = connection.execute(_select_members().where(members.c.id == member_id)).one_or_none()
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    if member.email is None:
        raise Crash
    return member


def list_members(connection: Connection, space_id: str) -> list[sa.Row[Any]]:
    """The members of a space.

    Raises:
        Crash: The user of a member was deleted: the real service cannot list such a space any more.
    """
    query = _select_members().where(members.c.organization_id == space_id).limit(MAX_MEMBERS)
    found = list(connection.execute(query))
    if any(member.email is None for member in found):
        raise Crash
    return found


def add_member(
    connection: Connection, space_id: str, user_id: str, role: str, now: dt.datetime
) -> dict[str, Any]:
    """Make a user a member; return the membership as answers show it."""
    new = sa.insert(members).values(
        id=make_id(), organization_id=space_id, user_id=user_id, role=role, created_at=now
    )
    return as_json(connection.execute(new.returning(*members.c)).one())


def _own_membership(connection: Connection, space_id: str, user_id: str) -> sa.Row[Any]:
    if not space_id:
        raise auth_error(400, "NO_ACTIVE_ORGANIZATION")
    member = find_member(connection, space_id, user_id=user_id)
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    return member


def _is_only_owner(connection: Connection, space_id: str) -> bool:
    roles = connection.scalars(sa.select(members.c.role).where(members.c.organization_id == space_id))
    return sum(is_owner(role) for role in roles) <= 1


def describe_member(member: sa.Row[Any], *, with_user: bool = False) -> dict[str, Any]:
    """A membership as answers show it."""
    described = {
        "organizationId": member.organization_id,
        "userId": member.user_id,
        "role": member.role,
        "createdAt": iso(member.created_at),
        "id": member.id,
    }
    if with_user:
        user = {"id": member.user_id, "name": member.user_name, "email": member.email, "image": member.image}
        described["user"] = user
    return described


async def update_member_role(request: Request) -> Response:
    """Give a member another role, which may be any word."""
    user, body = await read_call(request, NewRole)
    if body.role == [""]:
        raise Refusal(400, None)
    return JSONResponse(await Service.of(request).write(_update_role, user.id, body))


def _update_role(connection: Connection, user_id: str, body: NewRole) -> dict[str, Any]:
    own = _own_membership(connection, body.organization_id, user_id)
    member = find_member_by_id(connection, body.member_id)
    makes_owner = "owner" in body.role
    if member.organization_id != own.organization_id or (
        (makes_owner or is_owner(member.role)) and not is_owner(own.role)
    ):
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
    steps_down = member.id == own.id and is_owner(own.role) and not makes_owner
    if steps_down and _is_only_owner(connection, own.organization_id):
        raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER")
    if not may(own.role, "member:update"):
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
    role = ",".join(body.role)
    connection.execute(sa.update(members).where(members.c.id == member.id).values(role=role))
    return {**describe_member(member), "role": role}


async def remove_member(request: Request) -> Response:
    """Remove a member by its id, or by the email of its user, which the answer then shows."""
    user, body = await read_call(request, Removal)
    return JSONResponse({"member": await Service.of(request).write(_remove, user.id, body)})


def _remove(connection: Connection, user_id: str, body: Removal) -> dict[str, Any]:
    own = _own_membership(connection, body.organization_id, user_id)
    by_email = "@" in body.member_id_or_email
    if by_email:
        member = find_member(connection, own.organization_id, email=body.member_id_or_email)
        if member is None:
            raise auth_error(400, "MEMBER_NOT_FOUND")
    else:
        member = find_member_by_id(connection, body.member_id_or_email)
    if is_owner(member.role):
        others = [each for each in list_members(connection, own.organization_id) if each.id != member.id]
        if own.role != "owner" or not any(is_owner(each.role) for each in others):
            raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
    if not may(own.role, "member:delete"):
        raise auth_error(401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
    if member.organization_id != own.organization_id:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    connection.execute(sa.delete(members).where(members.c.id == member.id))
    return describe_member(member, with_user=by_email)


async def leave(request: Request) -> Response:
    """End the own membership."""
    user, body = await read_call(request, NamedSpace)
    return JSONResponse(await Service.of(request).write(_leave, user.id, body.organization_id))


def _leave(connection: Connection, user_id: str, space_id: str) -> dict[str, Any]:
    member = find_member(connection, space_id, user_id=user_id)
    if member is None:
        raise auth_error(400, "MEMBER_NOT_FOUND")
    if is_owner(member.role) and _is_only_owner(connection, space_id):
        raise auth_error(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
    connection.execute(sa.delete(members).where(members.c.id == member.id))
    return describe_member(member, with_user=True)


# --- invitations --------------------------------------------------------------------------------------------


def _change_invitation(connection: Connection, invitation_id: str, **values: Any) -> dict[str, Any]:
    changed = sa.update(invitations).where(invitations.c.id == invitation_id).values(**values)
    return as_json(connection.execute(changed.returning(*invitations.c)).one())


async def invite_member(request: Request) -> Response:
    """Invite an email, which need not belong to a user; `resend` renews an invitation that is pending."""
    user, body = await read_call(request, NewInvitation)
    if not body.organization_id:
        raise auth_error(400, "ORGANIZATION_NOT_FOUND")
    if not is_email(body.email.lower()):
        raise auth_error(400, "INVALID_EMAIL")
    service = Service.of(request)
    return JSONResponse(await service.write(_invite, user.id, body, service.clock()))


def _invite(connection: Connection, user_id: str, body: NewInvitation, now: dt.datetime) -> dict[str, Any]:
    space_id, email, role = body.organization_id, body.email.lower(), ",".join(body.role)
    _check_may_invite(_own_membership(connection, space_id, user_id).role, role)
    if find_member(connection, space_id, email=email) is not None:
        raise auth_error(400, "USER_IS_ALREADY_A_MEMBER_OF_THIS_ORGANIZATION")
    pending = sa.select(invitations).where(
        invitations.c.organization_id == space_id,
        invitations.c.status == "pending",
        invitations.c.expires_at > now,
    )
    found = list(connection.execute(pending))
    same = next((each for each in found if each.email == email), None)
    if same is not None and not body.resend:
        raise auth_error(400, "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION")
    if same is not None:
        return _change_invitation(connection, same.id, expires_at=now + INVITATION_LIFETIME)
    if len(found) >= MAX_INVITATIONS:
        raise auth_error(403, "INVITATION_LIMIT_REACHED")
    new = sa.insert(invitations).values(
        id=make_id(),
        organization_id=space_id,
        email=email,
        role=role,
        status="pending",
        inviter_id=user_id,
        expires_at=now + INVITATION_LIFETIME,
        created_at=now,
    )
    return as_json(connection.execute(new.returning(*invitations.c)).one())


def _check_may_invite(own_role: str, role: str) -> None:
    if not may(own_role, "invitation:create"):
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USERS_TO_THIS_ORGANIZATION")
    words = [word.strip() for word in role.split(",")]
    unknown = [word for word in words if word and word not in PERMISSIONS]
    if unknown:
        raise Refusal(400, {"message": f"ROLE_NOT_FOUND: {', '.join(unknown)}"})
    if is_owner(role) and not is_owner(own_role):
        message = "You are not allowed to invite a user with this role"
        raise auth_error(403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE", message)


async def list_user_invitations(request: Request) -> Response:
    """The own pending invitations, also those that have expired."""
    if query_text(request, "email"):
        raise Refusal(400, {"message": "User email cannot be passed for client side API calls."})
    user = await Service.of(request).find_session(request)
    if user is None:
        raise Refusal(400, {"message": "Missing session headers, or email query parameter."})
    return JSONResponse(await Service.of(request).read(_list_invitations, user.email))


def _list_invitations(connection: Connection, email: str) -> list[dict[str, Any]]:
    query = (
        sa.select(invitations, organizations.c.name.label("organization_name"))
        .join(organizations, organizations.c.id == invitations.c.organization_id)
        .where(invitations.c.email == email, invitations.c.status == "pending")
        .order_by(invitations.c.created_at, invitations.c.id)
    )
    return [as_json(invitation) for invitation in connection.execute(query)]


async def accept_invitation(request: Request) -> Response:
    """Become a member by an invitation to the own email."""
    user, body = await read_call(request, NamedInvitation)
    service = Service.of(request)
    return JSONResponse(await service.write(_accept, user, body.invitation_id, service.clock()))


def _accept(
    connection: Connection, user: sa.Row[Any], invitation_id: str, now: dt.datetime
) -> dict[str, Any]:
    query = sa.select(invitations).where(invitations.c.id == invitation_id)
    invitation = connection.execute(query).one_or_none()
    if invitation is None or invitation.status != "pending" or invitation.expires_at <= now:
        raise auth_error(400, "INVITATION_NOT_FOUND")
    if invitation.email != user.email:
        raise auth_error(403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
    space_id = invitation.organization_id
    count = sa.select(sa.func.count()).where(members.c.organization_id == space_id)
    if connection.execute(count).scalar_one() >= MAX_MEMBERS:
        raise auth_error(403, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED")
    accepted = _change_invitation(connection, invitation_id, status="accepted")
    member = add_member(connection, space_id, user.id, invitation.role, now)
    return {"invitation": accepted, "member": member}
