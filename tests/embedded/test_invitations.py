"""Invitations: for whom, for how long, and what becomes of them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from personas.embedded import schema
from personas.embedded.tokens import make_id

from .client import ANNA, BO, PASSWORD, Clock
from .flat import CLEO, PREFIX, Flat, code

ROUNDS = 20
NOT_FOR_YOU = (403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
UNKNOWN = (400, "INVITATION_NOT_FOUND")


def _statuses(flat: Flat) -> dict[str, str]:
    return {row["email"]: row["status"] for row in flat.client.rows(schema.invitations)}


def test_an_invitation_is_for_its_recipient_once_and_for_two_days(flat: Flat, clock: Clock) -> None:
    invitation = flat.invite(CLEO)
    assert code(flat.call(BO, "accept-invitation", invitationId=invitation)) == NOT_FOR_YOU
    clock.advance(hours=48)
    assert code(flat.call(CLEO, "accept-invitation", invitationId=invitation)) == UNKNOWN
    assert code(flat.call(CLEO, "reject-invitation", invitationId=invitation)) == UNKNOWN
    listed = flat.ask(CLEO, "list-user-invitations").json()
    assert [each["id"] for each in listed] == [invitation]  # though it has run out
    again = flat.invite(CLEO)
    assert flat.call(CLEO, "accept-invitation", invitationId=again).status_code == 200
    assert code(flat.call(CLEO, "accept-invitation", invitationId=again)) == UNKNOWN


def test_an_open_invitation_is_renewed_on_demand_and_keeps_its_id_and_role(flat: Flat, clock: Clock) -> None:
    first = flat.call(ANNA, "invite-member", email=CLEO, role="member").json()
    clock.advance(hours=1)
    refused = flat.call(ANNA, "invite-member", email=CLEO.upper(), role="admin")
    assert code(refused) == (400, "USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION")
    renewed = flat.call(ANNA, "invite-member", email=CLEO.upper(), role="admin", resend=True)
    assert (renewed.status_code, renewed.json()) == (
        200,
        {**first, "expiresAt": "2026-11-25T13:00:00.000Z"},
    )


def test_a_rejected_invitation_is_closed_and_makes_nobody_a_member(flat: Flat) -> None:
    invitation = flat.invite(CLEO)
    assert code(flat.call(BO, "reject-invitation", invitationId=invitation)) == NOT_FOR_YOU
    rejected = flat.call(CLEO, "reject-invitation", invitationId=invitation)
    assert rejected.status_code == 200
    assert (rejected.json()["invitation"]["status"], rejected.json()["member"]) == ("rejected", None)
    assert flat.ask(CLEO, "list-user-invitations").json() == []
    again = flat.call(CLEO, "reject-invitation", invitationId=invitation)
    assert (again.status_code, again.json()) == (
        400,
        {"message": "Invitation not found!", "code": "INVITATION_NOT_FOUND"},
    )


def test_an_invitation_is_taken_back_by_who_may(flat: Flat) -> None:
    invitation = flat.invite(CLEO)
    cancel = {"invitationId": invitation}
    assert code(flat.send(CLEO, "cancel-invitation", cancel)) == (400, "MEMBER_NOT_FOUND")
    refused = flat.send(BO, "cancel-invitation", cancel)
    assert code(refused) == (403, "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION")
    canceled = flat.send(ANNA, "cancel-invitation", cancel)
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert code(flat.call(CLEO, "accept-invitation", invitationId=invitation)) == UNKNOWN
    assert code(flat.send(ANNA, "cancel-invitation", {"invitationId": "nope"})) == UNKNOWN


def test_an_invitation_is_shown_to_its_recipient_with_its_space_and_who_sent_it(flat: Flat) -> None:
    made = flat.call(ANNA, "invite-member", email=CLEO, role="admin").json()
    shown = flat.ask(CLEO, "get-invitation", id=made["id"])
    assert (shown.status_code, shown.json()) == (
        200,
        {**made, "organizationName": "Flat", "organizationSlug": "flat", "inviterEmail": ANNA},
    )
    assert code(flat.ask(BO, "get-invitation", id=made["id"])) == NOT_FOR_YOU
    unknown = flat.ask(CLEO, "get-invitation", id="nope")
    assert (unknown.status_code, unknown.json()) == (400, {"message": "Invitation not found!"})
    unnamed = flat.ask(CLEO, "get-invitation")
    message = "[query.id] Invalid input: expected string, received undefined"
    assert (unnamed.status_code, unnamed.json()["message"]) == (400, message)
    nobody = flat.client.call("GET", f"{PREFIX}/get-invitation?id=x")
    assert (nobody.status_code, nobody.json()) == (401, {"message": "Not authenticated"})


def test_an_invitation_of_somebody_who_has_left_is_not_shown_but_accepted(flat: Flat) -> None:
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="owner")
    invitation = flat.invite(CLEO)
    flat.call(ANNA, "leave")
    shown = flat.ask(CLEO, "get-invitation", id=invitation)
    assert code(shown) == (400, "INVITER_IS_NO_LONGER_A_MEMBER_OF_THE_ORGANIZATION")
    assert flat.call(CLEO, "accept-invitation", invitationId=invitation).status_code == 200


def test_roles_are_checked_word_by_word(flat: Flat) -> None:
    unknown = flat.call(ANNA, "invite-member", email=CLEO, role=["king", "member", "Owner"])
    assert (unknown.status_code, unknown.json()) == (400, {"message": "ROLE_NOT_FOUND: king, Owner"})
    invited = flat.call(ANNA, "invite-member", email=CLEO, role=["member", "owner"])
    assert invited.json()["role"] == "member,owner"
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="admin")
    refused = flat.call(BO, "invite-member", email="x@mana.test", role=["member", "owner"])
    assert code(refused) == (403, "YOU_ARE_NOT_ALLOWED_TO_INVITE_USER_WITH_THIS_ROLE")


def test_a_space_has_a_hundred_open_invitations_at_most(flat: Flat, clock: Clock) -> None:
    old = flat.client.rows(schema.invitations)[0]
    rows = [
        {**old, "id": make_id(), "email": f"x{number}@mana.test", "status": "pending"}
        for number in range(100)
    ]
    flat.client.write(sa.insert(schema.invitations).values(rows))
    full = flat.call(ANNA, "invite-member", email=CLEO, role="member")
    assert code(full) == (403, "INVITATION_LIMIT_REACHED")
    assert (
        flat.call(ANNA, "invite-member", email="x7@mana.test", role="member", resend=True).status_code == 200
    )
    clock.advance(hours=48)  # those that have run out do not count
    flat.cookies[ANNA] = flat.client.cookie(ANNA)
    assert flat.call(ANNA, "invite-member", email=CLEO, role="member").status_code == 200


def test_a_space_has_a_hundred_members_at_most(flat: Flat, clock: Clock) -> None:
    invitation = flat.invite(CLEO)
    human = flat.client.user(ANNA)
    users = [{**human, "id": f"u{number}", "email": f"u{number}@mana.test"} for number in range(98)]
    members = [
        {"id": user["id"], "user_id": user["id"], "organization_id": flat.id, "role": "member"}
        for user in users
    ]
    flat.client.write(
        sa.insert(schema.users).values(users),
        sa.insert(schema.members).values([{**each, "created_at": clock.moment} for each in members]),
    )
    full = flat.call(CLEO, "accept-invitation", invitationId=invitation)
    assert code(full) == (403, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED")
    assert _statuses(flat)[CLEO] == "pending"


def test_an_invitation_accepted_twice_at_once_makes_one_member(flat: Flat) -> None:
    for _ in range(ROUNDS):
        body = {"invitationId": flat.invite(CLEO)}
        assert flat.at_once("accept-invitation", *[(CLEO, body)] * 3) == [200, 400, 400]
        assert flat.call(ANNA, "remove-member", memberIdOrEmail=CLEO).status_code == 200


def test_an_email_invited_twice_at_once_is_invited_once(flat: Flat) -> None:
    for number in range(ROUNDS):
        body = {"organizationId": flat.id, "email": f"x{number}@mana.test", "role": "member"}
        assert flat.at_once("invite-member", *[(ANNA, body)] * 3) == [200, 400, 400]


def test_an_invitation_that_could_not_be_accepted_wholly_is_still_open(flat: Flat) -> None:
    invitation = flat.invite(CLEO)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("personas.embedded.spaces.describe_invitation")
        assert flat.call(CLEO, "accept-invitation", invitationId=invitation).status_code == 500
    assert _statuses(flat)[CLEO] == "pending"
    assert flat.call(CLEO, "accept-invitation", invitationId=invitation).status_code == 200


def test_an_invitation_waits_for_whoever_signs_up_with_its_email(flat: Flat) -> None:
    invitation = flat.call(ANNA, "invite-member", email="New@mana.test", role="member").json()["id"]
    flat.client.seed("new@mana.test", password=PASSWORD)
    flat.cookies["new"] = flat.client.cookie("new@mana.test")
    (listed,) = flat.ask("new", "list-user-invitations").json()
    assert (listed["id"], listed["organizationName"]) == (invitation, "Flat")
    assert flat.call("new", "accept-invitation", invitationId=invitation).status_code == 200
