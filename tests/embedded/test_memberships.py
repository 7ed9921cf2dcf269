"""The members of a space: who may give roles, remove and leave."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .client import ANNA, BO
from .flat import CLEO, Flat, code

ROUNDS = 20
ONLY_OWNER = (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")


def test_a_plain_member_changes_nothing_but_may_leave(flat: Flat) -> None:
    assert flat.call(BO, "invite-member", email=CLEO, role="member").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 403
    assert code(flat.call(BO, "remove-member", memberIdOrEmail=ANNA)) == ONLY_OWNER
    # Not even itself: to leave is a call of its own.
    removed = flat.call(BO, "remove-member", memberIdOrEmail=flat.members[BO])
    assert code(removed) == (401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
    left = flat.call(BO, "leave")
    assert (left.status_code, left.json()["id"]) == (200, flat.members[BO])
    assert left.json()["user"]["email"] == BO
    assert flat.role(BO) is None
    assert code(flat.call(BO, "leave")) == (400, "MEMBER_NOT_FOUND")


def test_an_admin_of_a_space_invites_and_removes_but_touches_no_owner(flat: Flat) -> None:
    assert flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="admin").status_code == 200
    flat.take_in(CLEO)
    assert flat.call(BO, "invite-member", email="x@mana.test", role="owner").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[ANNA], role="member").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 403
    assert code(flat.call(BO, "remove-member", memberIdOrEmail=ANNA)) == ONLY_OWNER
    assert flat.role(ANNA) == "owner"
    removed = flat.call(BO, "remove-member", memberIdOrEmail=CLEO.upper())
    assert removed.json()["member"]["user"]["email"] == CLEO
    assert flat.role(CLEO) is None


def test_a_space_keeps_an_owner(flat: Flat) -> None:
    demoted = flat.call(ANNA, "update-member-role", memberId=flat.members[ANNA], role="member")
    assert code(demoted) == (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER")
    assert code(flat.call(ANNA, "remove-member", memberIdOrEmail=ANNA)) == ONLY_OWNER
    assert code(flat.call(ANNA, "leave")) == ONLY_OWNER
    assert flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 200
    assert flat.call(ANNA, "leave").status_code == 200
    assert (flat.role(ANNA), flat.role(BO)) == (None, "owner")


def test_two_owners_who_demote_each_other_at_once_do_not_leave_the_space_without_one(flat: Flat) -> None:
    for _ in range(ROUNDS):
        flat.client.write(sa.update(schema.members).values(role="owner"))
        calls = ((ANNA, BO), (BO, ANNA))
        bodies = [
            (who, {"organizationId": flat.id, "memberId": flat.members[other], "role": "member"})
            for who, other in calls
        ]
        assert flat.at_once("update-member-role", *bodies) == [200, 403]
        assert sorted([str(flat.role(ANNA)), str(flat.role(BO))]) == ["member", "owner"]


@pytest.mark.parametrize("action", ["leave", "remove-member"])
def test_a_space_whose_owner_is_gone_goes_with_its_last_member(flat: Flat, action: str) -> None:
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="admin")
    flat.client.admin("DELETE", f"/api/v1/admin/personas/{flat.client.user(ANNA)['id']}")
    assert "flat" in {row["slug"] for row in flat.client.rows(schema.organizations)}
    assert flat.call(BO, action, memberIdOrEmail=BO).status_code == 200
    assert "flat" not in {row["slug"] for row in flat.client.rows(schema.organizations)}


def test_roles_are_a_list_and_each_of_them_counts(flat: Flat) -> None:
    roles = ["member", "admin"]
    changed = flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role=roles)
    assert changed.json()["role"] == "member,admin"
    assert flat.call(BO, "invite-member", email=CLEO, role="member").status_code == 200
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role=["member", "owner"])
    assert flat.call(BO, "delete").status_code == 200


def test_a_role_that_is_no_role_allows_nothing(flat: Flat) -> None:
    roles: tuple[object, ...] = ("king", " ", [])
    for role in roles:
        changed = flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role=role)
        assert changed.status_code == 200
        assert flat.call(BO, "invite-member", email=CLEO, role="member").status_code == 403
    empty = flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="")
    assert (empty.status_code, empty.content) == (400, b"")


def test_another_spaces_member_is_neither_changed_nor_removed(flat: Flat) -> None:
    body = {"name": "C", "slug": "c", "metadata": {"type": "club"}}
    other = flat.send(CLEO, "create", body).json()["members"][0]["id"]
    changed = flat.call(ANNA, "update-member-role", memberId=other, role="member")
    assert code(changed) == (403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="owner")
    assert code(flat.call(ANNA, "remove-member", memberIdOrEmail=other)) == (400, "MEMBER_NOT_FOUND")
    assert other in {row["id"] for row in flat.client.rows(schema.members)}


def _listed(flat: Flat, **query: str) -> tuple[list[str], int]:
    told = flat.ask(BO, "list-members", **{"organizationId": flat.id, **query}).json()
    return [member["user"]["email"] for member in told["members"]], told["total"]


def test_members_are_listed_with_their_users_oldest_first(flat: Flat) -> None:
    shown = flat.ask(BO, "get-full-organization", organizationSlug="flat").json()["members"]
    for query in ({"organizationId": flat.id}, {"organizationSlug": "flat", "organizationId": "x"}):
        told = flat.ask(BO, "list-members", **query)
        assert (told.status_code, told.json()) == (200, {"members": shown, "total": 2})


def test_members_are_listed_in_the_order_and_the_part_that_is_asked_for(flat: Flat) -> None:
    flat.take_in(CLEO)
    by_role = {"sortBy": "role", "filterField": "role"}
    assert _listed(flat, sortBy="role", sortDirection="desc")[0][0] == ANNA
    assert _listed(flat, limit="1", offset="1", sortBy="role", sortDirection="desc")[1] == 3
    assert len(_listed(flat, limit="2", offset="1")[0]) == 2
    assert _listed(flat, filterField="role", filterValue="owner") == ([ANNA], 1)
    assert _listed(flat, **by_role, filterOperator="ne", filterValue="member") == ([ANNA], 1)
    assert _listed(flat, **by_role, filterOperator="contains", filterValue="wn") == ([ANNA], 1)
    assert _listed(flat, **by_role, filterOperator="contains", filterValue="%") == ([], 0)
    assert sorted(_listed(flat, **by_role, filterOperator="lt", filterValue="owner")[0]) == [BO, CLEO]
    assert sorted(_listed(flat, **by_role, filterOperator="lte", filterValue="member")[0]) == [BO, CLEO]
    assert _listed(flat, **by_role, filterOperator="gt", filterValue="member") == ([ANNA], 1)
    assert _listed(flat, **by_role, filterOperator="gte", filterValue="owner") == ([ANNA], 1)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"organizationId": ""}, "NO_ACTIVE_ORGANIZATION"),
        ({"organizationSlug": "nope"}, "ORGANIZATION_NOT_FOUND"),
        ({"sortDirection": "up"}, "VALIDATION_ERROR"),
        ({"sortBy": "password"}, "VALIDATION_ERROR"),
        ({"filterField": "createdAt"}, "VALIDATION_ERROR"),
        ({"filterField": "role", "filterOperator": "like"}, "VALIDATION_ERROR"),
    ],
)
def test_a_list_that_cannot_be_is_refused(small_flat: Flat, query: dict[str, str], expected: str) -> None:
    told = small_flat.ask(BO, "list-members", **{"organizationId": small_flat.id, **query})
    assert code(told) == (400, expected)
