"""Invitations: for whom, for how long, and what becomes of them."""

from __future__ import annotations

import sqlalchemy as sa

from personas.embedded import schema
from personas.embedded.tokens import make_id

from .client import ANNA, BO, Clock
from .flat import CLEO, PREFIX, Flat, code

ROUNDS = 5
NOT_FOR_YOU = (403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
UNKNOWN = (400, "INVITATION_NOT_FOUND")


def _statuses(flat: Flat) -> dict[str, str]:
    return {row["email"]: row["status"] for row in flat.client.rows(schema.invitations)}


def test_an_invitation_is_for_two_days_and_listed_also_when_it_has_run_out(flat: Flat, clock: Clock) -> None:
    invitation = flat.invite(CLEO)
    clock.advance(hours=48)
    assert code(flat.call(CLEO, "accept-invitation", invitationId=invitation)) == UNKNOWN
    assert code(flat.call(CLEO, "reject-invitation", invitationId=invitation)) == UNKNOWN
    listed = flat.ask(CLEO, "list-user-invitations").json()
    assert [each["id"] for each in listed] == [invitation]
    again = flat.invite(CLEO)
    clock.advance(hours=47, minutes=59)
    assert flat.call(CLEO, "accept-invitation", invitationId=again).status_code == 200


def test_an_open_invitation_is_renewed_on_demand_and_stays_the_same(small_flat: Flat, clock: Clock) -> None:
    first = small_flat.call(ANNA, "invite-member", email=CLEO, role="member").json()
    clock.advance(hours=1)
    renewed = small_flat.call(ANNA, "invite-member", email=CLEO.upper(), role="admin", resend=True)
    assert renewed.status_code == 200
    assert renewed.json() == {**first, "expiresAt": "2026-11-25T13:00:00.000Z"}


def test_a_rejected_invitation_is_closed_and_makes_nobody_a_member(small_flat: Flat) -> None:
    invitation = small_flat.invite(CLEO)
    assert code(small_flat.call(BO, "reject-invitation", invitationId=invitation)) == NOT_FOR_YOU
    rejected = small_flat.call(CLEO, "reject-invitation", invitationId=invitation)
    assert rejected.status_code == 200
    assert (rejected.json()["invitation"]["status"], rejected.json()["member"]) == ("rejected", None)
    assert small_flat.ask(CLEO, "list-user-invitations").json() == []
    again = small_flat.call(CLEO, "reject-invitation", invitationId=invitation)
    told = {"message": "Invitation not found!", "code": "INVITATION_NOT_FOUND"}
    assert (again.status_code, again.json()) == (400, told)


def test_an_invitation_is_taken_back_by_who_may(small_flat: Flat) -> None:
    cancel = {"invitationId": small_flat.invite(CLEO)}
    assert code(small_flat.send(CLEO, "cancel-invitation", cancel)) == (400, "MEMBER_NOT_FOUND")
    refused = small_flat.send(BO, "cancel-invitation", cancel)
    assert code(refused) == (403, "YOU_ARE_NOT_ALLOWED_TO_CANCEL_THIS_INVITATION")
    canceled = small_flat.send(ANNA, "cancel-invitation", cancel)
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert code(small_flat.send(CLEO, "accept-invitation", cancel)) == UNKNOWN
    assert code(small_flat.send(ANNA, "cancel-invitation", {"invitationId": "nope"})) == UNKNOWN


def test_an_invitation_is_shown_to_its_recipient_with_its_space_and_who_sent_it(small_flat: Flat) -> None:
    made = small_flat.call(ANNA, "invite-member", email=CLEO, role="admin").json()
    shown = small_flat.ask(CLEO, "get-invitation", id=made["id"])
    space = {"organizationName": "Flat", "organizationSlug": "flat", "inviterEmail": ANNA}
    assert (shown.status_code, shown.json()) == (200, {**made, **space})
    assert code(small_flat.ask(BO, "get-invitation", id=made["id"])) == NOT_FOR_YOU
    unknown = small_flat.ask(CLEO, "get-invitation", id="nope")
    assert (unknown.status_code, unknown.json()) == (400, {"message": "Invitation not found!"})
    unnamed = small_flat.ask(CLEO, "get-invitation")
    message = "[query.id] Invalid input: expected string, received undefined"
    assert (unnamed.status_code, unnamed.json()["message"]) == (400, message)
    nobody = small_flat.client.call("GET", f"{PREFIX}/get-invitation?id=x")
    assert (nobody.status_code, nobody.json()) == (401, {"message": "Not authenticated"})


def test_an_invitation_of_somebody_who_has_left_is_not_shown_but_accepted(small_flat: Flat) -> None:
    small_flat.call(ANNA, "update-member-role", memberId=small_flat.members[BO], role="owner")
    invitation = small_flat.invite(CLEO)
    small_flat.call(ANNA, "leave")
    shown = small_flat.ask(CLEO, "get-invitation", id=invitation)
    assert code(shown) == (400, "INVITER_IS_NO_LONGER_A_MEMBER_OF_THE_ORGANIZATION")
    assert small_flat.call(CLEO, "accept-invitation", invitationId=invitation).status_code == 200


def test_a_space_has_a_hundred_open_invitations_at_most(small_flat: Flat, clock: Clock) -> None:
    old = small_flat.client.rows(schema.invitations)[0]
    rows = [
        {**old, "id": make_id(), "email": f"x{number}@mana.test", "status": "pending"}
        for number in range(100)
    ]
    small_flat.client.write(sa.insert(schema.invitations).values(rows))
    full = small_flat.call(ANNA, "invite-member", email=CLEO, role="member")
    assert code(full) == (403, "INVITATION_LIMIT_REACHED")
    renewed = small_flat.call(ANNA, "invite-member", email="x7@mana.test", role="member", resend=True)
    assert renewed.status_code == 200
    clock.advance(hours=48)  # those that have run out do not count
    assert small_flat.call(ANNA, "invite-member", email=CLEO, role="member").status_code == 200


def test_a_space_has_a_hundred_members_at_most(small_flat: Flat, clock: Clock) -> None:
    invitation = small_flat.invite(CLEO)
    human = small_flat.client.user(ANNA)
    users = [{**human, "id": f"u{number}", "email": f"u{number}@mana.test"} for number in range(98)]
    same = {"organization_id": small_flat.id, "role": "member", "created_at": clock.moment}
    members = [{**same, "id": user["id"], "user_id": user["id"]} for user in users]
    small_flat.client.write(sa.insert(schema.users).values(users), sa.insert(schema.members).values(members))
    full = small_flat.call(CLEO, "accept-invitation", invitationId=invitation)
    assert code(full) == (403, "ORGANIZATION_MEMBERSHIP_LIMIT_REACHED")
    assert _statuses(small_flat)[CLEO] == "pending"


def test_an_invitation_accepted_twice_at_once_makes_one_member(flat: Flat) -> None:
    for _ in range(ROUNDS):
        body = {"invitationId": flat.invite(CLEO)}
        assert flat.at_once("accept-invitation", *[(CLEO, body)] * 3) == [200, 400, 400]
        assert flat.call(ANNA, "remove-member", memberIdOrEmail=CLEO).status_code == 200


def test_an_email_invited_twice_at_once_is_invited_once(flat: Flat) -> None:
    for number in range(ROUNDS):
        body = {"organizationId": flat.id, "email": f"x{number}@mana.test", "role": "member"}
        assert flat.at_once("invite-member", *[(ANNA, body)] * 3) == [200, 400, 400]


def test_an_invitation_waits_for_whoever_signs_up_with_its_email(small_flat: Flat) -> None:
    made = small_flat.call(ANNA, "invite-member", email="New@mana.test", role="member").json()
    small_flat.client.seed("new@mana.test")
    small_flat.cookies["new"] = small_flat.client.cookie("new@mana.test")
    (listed,) = small_flat.ask("new", "list-user-invitations").json()
    assert (listed["id"], listed["organizationName"]) == (made["id"], "Flat")
    assert small_flat.call("new", "accept-invitation", invitationId=made["id"]).status_code == 200
