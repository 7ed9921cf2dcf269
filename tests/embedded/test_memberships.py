"""The members of a space: who may give roles, remove and leave, beyond what the recordings show."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from personas.embedded import schema

from .client import ANNA, BO
from .flat import CLEO, Flat, code

ROUNDS = 5
ONLY_OWNER = (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")


def test_a_plain_member_removes_nobody_but_may_leave(small_flat: Flat) -> None:
    assert code(small_flat.call(BO, "remove-member", memberIdOrEmail=ANNA)) == ONLY_OWNER
    # Not even itself: to leave is a call of its own.
    removed = small_flat.call(BO, "remove-member", memberIdOrEmail=small_flat.members[BO])
    assert code(removed) == (401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
    left = small_flat.call(BO, "leave")
    assert (left.status_code, left.json()["id"]) == (200, small_flat.members[BO])
    assert left.json()["user"]["email"] == BO
    assert small_flat.role(BO) is None
    assert code(small_flat.call(BO, "leave")) == (400, "MEMBER_NOT_FOUND")


def test_an_admin_of_a_space_gives_nobody_the_role_of_an_owner_beside_another(small_flat: Flat) -> None:
    bo, roles = small_flat.members[BO], ["member", "owner"]
    small_flat.call(ANNA, "update-member-role", memberId=bo, role="admin")
    changed = small_flat.call(BO, "update-member-role", memberId=bo, role=roles)
    assert code(changed) == (403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_MEMBER")
    invited = small_flat.call(BO, "invite-member", email=CLEO, role=roles)
    assert code(invited) == (403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE")
    assert small_flat.role(BO) == "admin"


def test_an_owner_leaves_a_space_that_has_another(small_flat: Flat) -> None:
    bo = small_flat.members[BO]
    assert code(small_flat.call(ANNA, "leave")) == ONLY_OWNER
    assert small_flat.call(ANNA, "update-member-role", memberId=bo, role="owner").status_code == 200
    assert small_flat.call(ANNA, "leave").status_code == 200
    assert (small_flat.role(ANNA), small_flat.role(BO)) == (None, "owner")


def test_two_owners_who_demote_each_other_at_once_do_not_leave_the_space_without_one(flat: Flat) -> None:
    calls = [
        (who, {"organizationId": flat.id, "memberId": flat.members[other], "role": "member"})
        for who, other in ((ANNA, BO), (BO, ANNA))
    ]
    for _ in range(ROUNDS):
        flat.client.write(sa.update(schema.members).values(role="owner"))
        assert flat.at_once("update-member-role", *calls) == [200, 403]
        assert sorted([str(flat.role(ANNA)), str(flat.role(BO))]) == ["member", "owner"]


@pytest.mark.parametrize("action", ["leave", "remove-member"])
def test_a_space_whose_owner_is_gone_goes_with_its_last_member(small_flat: Flat, action: str) -> None:
    client = small_flat.client
    small_flat.call(ANNA, "update-member-role", memberId=small_flat.members[BO], role="admin")
    client.admin("DELETE", f"/api/v1/admin/personas/{client.user(ANNA)['id']}")
    assert "flat" in {row["slug"] for row in client.rows(schema.organizations)}
    assert small_flat.call(BO, action, memberIdOrEmail=BO).status_code == 200
    assert "flat" not in {row["slug"] for row in client.rows(schema.organizations)}


def test_roles_are_a_list_of_which_each_counts_and_what_is_no_role_allows_nothing(small_flat: Flat) -> None:
    bo = small_flat.members[BO]
    cases: tuple[tuple[object, str, int], ...] = (
        ("king", "king", 403),
        (" ", " ", 403),
        ([], "", 403),
        (["member", "admin"], "member,admin", 200),
    )
    for role, stored, status in cases:
        changed = small_flat.call(ANNA, "update-member-role", memberId=bo, role=role)
        assert (changed.status_code, changed.json()["role"]) == (200, stored)
        assert small_flat.call(BO, "invite-member", email=CLEO, role="member").status_code == status
    small_flat.call(ANNA, "update-member-role", memberId=bo, role=["member", "owner"])
    assert small_flat.call(BO, "delete").status_code == 200


def test_members_are_listed_with_their_users_oldest_first(small_flat: Flat) -> None:
    shown = small_flat.ask(BO, "get-full-organization", organizationSlug="flat").json()["members"]
    for query in ({"organizationId": small_flat.id}, {"organizationSlug": "flat", "organizationId": "x"}):
        told = small_flat.ask(BO, "list-members", **query)
        assert (told.status_code, told.json()) == (200, {"members": shown, "total": 2})


def test_members_are_listed_in_the_order_and_the_part_that_is_asked_for(flat: Flat) -> None:
    flat.take_in(CLEO)

    def listed(query: str) -> tuple[set[str], int]:
        given = dict(pair.split("=") for pair in query.split())
        told = flat.ask(BO, "list-members", organizationId=flat.id, sortBy="role", **given).json()
        return {member["user"]["email"] for member in told["members"]}, told["total"]

    assert listed("sortDirection=desc limit=1") == ({ANNA}, 3)
    assert listed("limit=2") == ({BO, CLEO}, 3)
    assert listed("limit=1 offset=2") == ({ANNA}, 3)
    by_role = "filterField=role filterOperator"
    assert listed("filterField=role filterValue=owner") == ({ANNA}, 1)
    for operator, value, found in (
        ("ne", "member", {ANNA}),
        ("contains", "wn", {ANNA}),
        ("contains", "%", set()),
        ("lt", "owner", {BO, CLEO}),
        ("lte", "member", {BO, CLEO}),
        ("gt", "member", {ANNA}),
        ("gte", "owner", {ANNA}),
    ):
        assert listed(f"{by_role}={operator} filterValue={value}") == (found, len(found))


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
