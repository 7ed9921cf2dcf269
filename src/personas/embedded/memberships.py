"""The members of spaces: listed, given another role, removed, or leaving by themselves."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from starlette.responses import JSONResponse

from personas.embedded import spaces
from personas.embedded.answers import Call, coded, query_number, query_text
from personas.embedded.bodies import Body
from personas.embedded.schema import members
from personas.embedded.spaces import PREFIX, Roles, Wordless, begin, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from personas.embedded.service import Service

FILTERS: Final = {"id": members.c.id, "userId": members.c.user_id, "role": members.c.role}
ORDERS: Final = {**FILTERS, "createdAt": members.c.created_at}
OPERATORS: Final[dict[str, Callable[[Any, str], sa.ColumnElement[bool]]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "contains": lambda column, value: column.contains(value, autoescape=True),
}


class NewRole(Body):
    """The body of `update-member-role`."""

    role: Roles
    member_id: str
    organization_id: str = ""


class Removal(Body):
    """The body of `remove-member`."""

    member_id_or_email: str
    organization_id: str = ""


class Departure(Body):
    """The body of `leave`."""

    organization_id: str


class MembershipCalls:
    """The handlers of the calls on members."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Call]:
        """Where they are."""
        return [
            Call(f"{PREFIX}/list-members", self.list, methods=["GET"]),
            Call(f"{PREFIX}/update-member-role", self.update_role, methods=["POST"]),
            Call(f"{PREFIX}/remove-member", self.remove, methods=["POST"]),
            Call(f"{PREFIX}/leave", self.leave, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """A page of a space's members, sorted and filtered as wished, and their number; to its members."""
        user = await self._service.require_session(request)
        space_id, slug = query_text(request, "organizationId"), query_text(request, "organizationSlug")
        limit = query_number(request, "limit", default=spaces.MEMBERS_LIMIT, at_most=spaces.MEMBERS_LIMIT)
        offset = query_number(request, "offset", default=0, at_most=spaces.MEMBERS_LIMIT)
        order, wanted = _order(request), _filter(request)

        def work(connection: Connection) -> dict[str, Any]:
            row = spaces.find_space_by_slug(connection, slug) if slug else None
            if slug and row is None:
                raise refusal(400, "ORGANIZATION_NOT_FOUND")
            wanted_id = space_id if row is None else row.id
            if not wanted_id:
                raise refusal(400, "NO_ACTIVE_ORGANIZATION")
            if spaces.find_member(connection, wanted_id, user.id) is None:
                raise refusal(403, "YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION")
            query = spaces.select_members().where(members.c.organization_id == wanted_id, *wanted)
            if order is not None:
                query = query.order_by(None).order_by(order, members.c.id)
            found = connection.execute(query.limit(limit).offset(offset))
            total = connection.scalar(sa.select(sa.func.count()).select_from(query.order_by(None).subquery()))
            return {"members": [spaces.describe_member_and_user(each) for each in found], "total": total}

        return JSONResponse(await self._service.read(work))

    async def update_role(self, request: Request) -> Response:
        """Change a member's role, to whatever word: one that is no role allows nothing."""
        user, body = await begin(self._service, request, NewRole)
        if body.role == [""]:
            raise Wordless(400)

        def work(connection: Connection) -> dict[str, Any]:
            own = _own_membership(connection, body.organization_id, user.id)
            member = spaces.find_member_by_id(connection, body.member_id)
            if member is None:
                raise refusal(400, "MEMBER_NOT_FOUND")
            touches_owner = spaces.is_owner(member.role) or "owner" in body.role
            if member.organization_id != own.organization_id or (
                touches_owner and not spaces.is_owner(own.role)
            ):
                raise refusal(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
            steps_down = member.id == own.id and spaces.is_owner(own.role) and "owner" not in body.role
            if steps_down and spaces.is_only_owner(connection, own.organization_id):
                raise refusal(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER")
            if not spaces.may(own.role, "member:update"):
                raise refusal(403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
            role = ",".join(body.role)
            connection.execute(sa.update(members).where(members.c.id == member.id).values(role=role))
            return {**spaces.describe_member(member), "role": role}

        return JSONResponse(await self._service.write(work))

    async def remove(self, request: Request) -> Response:
        """Remove a member, named by its id or email; the answer to an email tells its user too."""
        user, body = await begin(self._service, request, Removal)
        who = body.member_id_or_email

        def work(connection: Connection) -> dict[str, Any]:
            own = _own_membership(connection, body.organization_id, user.id)
            if "@" in who:
                member = spaces.find_member_by_email(connection, own.organization_id, who)
            else:
                member = spaces.find_member_by_id(connection, who)
            if member is None:
                raise refusal(400, "MEMBER_NOT_FOUND")
            if spaces.is_owner(member.role) and (
                own.role != "owner" or spaces.is_only_owner(connection, own.organization_id)
            ):
                raise refusal(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
            if not spaces.may(own.role, "member:delete"):
                raise refusal(401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
            if member.organization_id != own.organization_id:
                raise refusal(400, "MEMBER_NOT_FOUND")
            spaces.remove_member(connection, member)
            describe = spaces.describe_member_and_user if "@" in who else spaces.describe_member
            return {"member": describe(member)}

        return JSONResponse(await self._service.write(work))

    async def leave(self, request: Request) -> Response:
        """Leave a space; its only owner may not."""
        user, body = await begin(self._service, request, Departure)

        def work(connection: Connection) -> dict[str, Any]:
            spaces.lock_space(connection, body.organization_id)
            member = spaces.find_member(connection, body.organization_id, user.id)
            if member is None:
                raise refusal(400, "MEMBER_NOT_FOUND")
            if spaces.is_owner(member.role) and spaces.is_only_owner(connection, member.organization_id):
                raise refusal(400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
            spaces.remove_member(connection, member)
            return spaces.describe_member_and_user(member)

        return JSONResponse(await self._service.write(work))


def _own_membership(connection: Connection, space_id: str, user_id: str) -> sa.Row[Any]:
    """The membership of whoever wants to change members; of another's space nothing is told."""
    if not space_id:
        raise refusal(400, "NO_ACTIVE_ORGANIZATION")
    spaces.lock_space(connection, space_id)
    member = spaces.find_member(connection, space_id, user_id)
    if member is None:
        raise refusal(400, "MEMBER_NOT_FOUND")
    return member


def _order(request: Request) -> sa.ColumnElement[Any] | None:
    """What `sortBy` and `sortDirection` ask for."""
    name, direction = query_text(request, "sortBy"), query_text(request, "sortDirection") or "asc"
    _check_option("sortDirection", direction, ("asc", "desc"))
    if not name:
        return None
    _check_option("sortBy", name, ORDERS)
    return ORDERS[name].desc() if direction == "desc" else ORDERS[name].asc()


def _filter(request: Request) -> list[sa.ColumnElement[bool]]:
    """What `filterField`, `filterOperator` and `filterValue` ask for."""
    name, compare = query_text(request, "filterField"), query_text(request, "filterOperator") or "eq"
    _check_option("filterOperator", compare, OPERATORS)
    if not name:
        return []
    _check_option("filterField", name, FILTERS)
    return [OPERATORS[compare](FILTERS[name], query_text(request, "filterValue") or "")]


def _check_option(name: str, given: str, options: Iterable[str]) -> None:
    if given not in options:
        listed = "|".join(f'"{option}"' for option in options)
        message = f"[query.{name}] Invalid option: expected one of {listed}"
        raise coded(400, "VALIDATION_ERROR", message)
