"""Spaces, beyond the recorded calls: update, leave, check-slug, limits, and spaces with deleted members."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest

from .conftest import ANNA, BO, CLEO, Calls

ONLY_OWNER = (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code, or else the message, of an answer."""
    body = answer.json() if answer.content else {}
    return answer.status_code, str(body.get("code") or body.get("message") or "")


def test_call_without_session(calls: Calls) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("delete", {"organizationId": "x"}, ""),
        ("update", {"organizationId": "x", "data": {"name": "X"}}, "User not found"),
        ("check-slug", {"slug": "x"}, "UNAUTHORIZED"),
        ("leave", {"organizationId": "x"}, "UNAUTHORIZED"),
        ("accept-invitation", {"invitationId": "x"}, "UNAUTHORIZED"),
    ]
    for action, body, code in cases:
        assert outcome(calls.write("", action, **body)) == (401, code), action


# --- update, check-slug, leave ------------------------------------------------------------------------------


def test_owner_and_admin_update_a_space(calls: Calls) -> None:
    space = calls.make_space(ANNA, BO)
    changes = {"name": "Loft", "slug": "loft", "logo": "x.png", "metadata": {"type": "team", "floor": 5}}
    updated = calls.write(ANNA, "update", organizationId=space, data=changes)
    assert (updated.status_code, updated.json()["id"]) == (200, space)
    assert changes.items() <= updated.json().items()
    change = {"memberId": calls.member_id(BO, "loft"), "organizationId": space}
    refused_roles: tuple[object, ...] = ("king", [], "member")
    for role in refused_roles:
        calls.write(ANNA, "update-member-role", role=role, **change)
        refused = calls.write(BO, "update", organizationId=space, data={"name": "Mine"})
        assert outcome(refused) == (403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION")
    calls.write(ANNA, "update-member-role", role=["member", "admin"], **change)
    calls.write(BO, "update", organizationId=space, data={"name": "Attic", "slug": "loft"})
    shown = calls.read(BO, "get-full-organization", organizationSlug="loft").json()
    assert {key: shown[key] for key in changes} == {**changes, "name": "Attic"}


def test_update_that_is_refused_changes_nothing(calls: Calls) -> None:
    space = calls.make_space(ANNA)
    before = calls.read(ANNA, "list").json()
    named = {"data": {"name": "X"}}
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"data": {"slug": "bo"}}, 400, "ORGANIZATION_SLUG_ALREADY_TAKEN"),
        ({"data": {"name": ""}}, 400, "VALIDATION_ERROR"),
        ({"data": {"metadata": []}}, 400, "VALIDATION_ERROR"),
        ({"data": None}, 400, "VALIDATION_ERROR"),
        ({}, 400, "VALIDATION_ERROR"),
        ({"data": {}}, 500, ""),
        ({**named, "organizationId": ""}, 400, "ORGANIZATION_NOT_FOUND"),
        ({**named, "organizationId": "nope"}, 400, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION"),
    ]
    for body, *expected in cases:
        assert [*outcome(calls.write(ANNA, "update", **{"organizationId": space, **body}))] == expected
        assert calls.read(ANNA, "list").json() == before


def test_member_leaves_but_the_only_owner_cannot(calls: Calls) -> None:
    space = calls.make_space(ANNA, BO, CLEO)
    left = calls.write(BO, "leave", organizationId=space)
    assert (left.status_code, left.json()["user"]["email"]) == (200, BO)
    assert outcome(calls.write(BO, "leave", organizationId=space)) == (400, "MEMBER_NOT_FOUND")
    assert outcome(calls.write(ANNA, "leave", organizationId=space)) == ONLY_OWNER
    change = {"memberId": calls.member_id(CLEO), "role": ["member", "owner"], "organizationId": space}
    calls.write(ANNA, "update-member-role", **change)
    assert calls.write(ANNA, "leave", organizationId=space).status_code == 200
    assert outcome(calls.write(CLEO, "leave", organizationId=space)) == ONLY_OWNER
    assert len(calls.read(CLEO, "get-full-organization", organizationId=space).json()["members"]) == 1


# --- members and invitations --------------------------------------------------------------------------------


def test_plain_member_removes_nobody_not_even_itself(calls: Calls) -> None:
    space = calls.make_space(ANNA, BO, CLEO)
    for email in (BO, CLEO):
        refused = calls.write(BO, "remove-member", memberIdOrEmail=email, organizationId=space)
        assert outcome(refused) == (401, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_MEMBER")
    assert outcome(calls.write(BO, "remove-member", memberIdOrEmail=ANNA, organizationId=space)) == ONLY_OWNER


def test_expired_invitation_is_listed_and_cannot_be_accepted(calls: Calls) -> None:
    space = calls.make_space(ANNA)
    invite = {"email": BO, "role": "member", "organizationId": space}
    calls.write(ANNA, "invite-member", **invite)
    calls.now += dt.timedelta(hours=48)
    (expired,) = calls.read(BO, "list-user-invitations").json()
    refused = calls.write(BO, "accept-invitation", invitationId=expired["id"])
    assert (expired["status"], outcome(refused)) == ("pending", (400, "INVITATION_NOT_FOUND"))
    fresh = calls.write(ANNA, "invite-member", **invite).json()
    assert calls.write(BO, "accept-invitation", invitationId=fresh["id"]).status_code == 200


def test_resend_renews_the_same_invitation(calls: Calls) -> None:
    invite = {"email": BO, "role": "member", "organizationId": calls.make_space(ANNA)}
    first = calls.write(ANNA, "invite-member", **invite).json()
    calls.now += dt.timedelta(hours=24)
    again = calls.write(ANNA, "invite-member", **invite, resend=True).json()
    assert again["id"] == first["id"]
    assert again["expiresAt"] > first["expiresAt"]


def test_space_has_at_most_100_pending_invitations(calls: Calls) -> None:
    invite = {"role": "member", "organizationId": calls.make_space(ANNA)}
    for number in range(100):
        assert calls.write(ANNA, "invite-member", email=f"x{number}@mana.test", **invite).status_code == 200
    refused = calls.write(ANNA, "invite-member", email="x100@mana.test", **invite)
    assert outcome(refused) == (403, "INVITATION_LIMIT_REACHED")


# --- deleted users ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [ANNA, BO])
def test_deleted_member_breaks_a_space_for_everybody(calls: Calls, gone: str) -> None:
    space = calls.make_space(ANNA, BO, CLEO)
    bo = calls.member_id(BO)
    calls.remove(gone)
    calls.create(gone)  # has the same email and is another user
    for email in (ANNA, BO, CLEO):
        assert calls.read(email, "get-full-organization", organizationId=space).status_code == 500
        assert calls.read(email, "get-full-organization", organizationSlug="flat").status_code == 500
    if gone == BO:
        by_id = calls.write(ANNA, "remove-member", memberIdOrEmail=bo, organizationId=space)
        by_email = calls.write(ANNA, "remove-member", memberIdOrEmail=BO, organizationId=space)
        assert (by_id.status_code, outcome(by_email)) == (500, (400, "MEMBER_NOT_FOUND"))


def test_only_deleted_members_break_a_space_which_its_owner_can_delete(calls: Calls) -> None:
    space = calls.make_space(ANNA, BO, CLEO)
    calls.write(ANNA, "remove-member", memberIdOrEmail=BO, organizationId=space)
    calls.remove(BO)
    assert calls.read(ANNA, "get-full-organization", organizationId=space).status_code == 200
    calls.remove(CLEO)
    assert calls.read(ANNA, "get-full-organization", organizationId=space).status_code == 500
    assert space in [each["id"] for each in calls.read(ANNA, "list").json()]
    assert calls.write(ANNA, "delete", organizationId=space).status_code == 200
    assert calls.write(ANNA, "check-slug", slug="flat").json() == {"status": True}


def test_slug_of_an_ownerless_space_stays_taken(calls: Calls) -> None:
    space = calls.make_space(ANNA, BO)
    calls.remove(ANNA)
    calls.create(ANNA)
    assert calls.write(ANNA, "check-slug", slug="FLAT").json() == {"status": True}
    assert outcome(calls.write(ANNA, "check-slug", slug="flat")) == (400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    club = {"name": "Club", "slug": "flat", "metadata": {"type": "club"}}
    assert outcome(calls.write(ANNA, "create", **club))[0] == 400
    assert outcome(calls.write(BO, "delete", organizationId=space))[0] == 403
    assert [each["slug"] for each in calls.read(ANNA, "list").json()] == ["anna-2"]
