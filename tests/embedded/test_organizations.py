"""Who may do what in a space; the ordinary ways are in the recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from personas.embedded import schema

from .client import ANNA, BO, Client, Clock

if TYPE_CHECKING:
    import httpx

CLEO = "persona.cleo@mana.test"


@dataclass
class Flat:
    """A space of Anna's with Bo as a member; Cleo is none."""

    client: Client
    id: str
    cookies: dict[str, str]
    members: dict[str, str]

    def call(self, who: str, action: str, **body: Any) -> httpx.Response:
        path = f"/api/auth/organization/{action}"
        return self.client.as_user(self.cookies[who], "POST", path, json={"organizationId": self.id, **body})

    def role(self, who: str) -> str | None:
        rows = {row["id"]: row["role"] for row in self.client.rows(schema.members)}
        return rows.get(self.members[who])


@pytest.fixture
def flat(client: Client) -> Flat:
    return _move_in(client)


@pytest.fixture
def small_flat(small: Client) -> Flat:
    return _move_in(small)


def _move_in(client: Client) -> Flat:
    for email in (ANNA, BO, CLEO):
        client.seed(email)
    made = Flat(client, "", {email: client.cookie(email) for email in (ANNA, BO, CLEO)}, {})
    space = made.call(ANNA, "create", name="Flat", slug="flat", metadata={"type": "family"}).json()
    made.id = space["id"]
    made.members[ANNA] = space["members"][0]["id"]
    invitation = made.call(ANNA, "invite-member", email=BO.upper(), role="member").json()
    accepted = made.call(BO, "accept-invitation", invitationId=invitation["id"])
    made.members[BO] = accepted.json()["member"]["id"]
    return made


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_stranger_neither_sees_nor_changes_a_space(flat: Flat) -> None:
    outside = (403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")
    shown = flat.client.as_user(
        flat.cookies[CLEO], "GET", "/api/auth/organization/get-full-organization?organizationSlug=flat"
    )
    assert _code(shown) == outside
    assert _code(flat.call(CLEO, "invite-member", email=CLEO, role="member")) == outside
    assert _code(flat.call(CLEO, "update-member-role", memberId=flat.members[BO], role="admin")) == outside
    assert _code(flat.call(CLEO, "remove-member", memberIdOrEmail=BO)) == outside
    assert _code(flat.call(CLEO, "delete")) == outside


def test_a_plain_member_changes_nothing_but_may_leave(flat: Flat) -> None:
    assert flat.call(BO, "invite-member", email=CLEO, role="member").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 403
    assert flat.call(BO, "remove-member", memberIdOrEmail=ANNA).status_code == 403
    assert flat.call(BO, "delete").status_code == 403
    assert flat.call(BO, "remove-member", memberIdOrEmail=flat.members[BO]).status_code == 200
    assert flat.role(BO) is None


def test_an_admin_of_a_space_invites_but_touches_no_owner(flat: Flat) -> None:
    assert flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="admin").status_code == 200
    assert flat.call(BO, "invite-member", email=CLEO, role="member").status_code == 200
    assert flat.call(BO, "invite-member", email="x@mana.test", role="owner").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[ANNA], role="member").status_code == 403
    assert flat.call(BO, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 403
    assert flat.call(BO, "remove-member", memberIdOrEmail=ANNA).status_code == 403
    assert flat.role(ANNA) == "owner"


def test_a_space_keeps_an_owner(flat: Flat) -> None:
    demoted = flat.call(ANNA, "update-member-role", memberId=flat.members[ANNA], role="member")
    assert _code(demoted) == (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_WITHOUT_AN_OWNER")
    left = flat.call(ANNA, "remove-member", memberIdOrEmail=ANNA)
    assert _code(left) == (400, "YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER")
    assert flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="owner").status_code == 200
    assert flat.call(ANNA, "remove-member", memberIdOrEmail=ANNA).status_code == 200


def test_an_invitation_is_for_its_recipient_once_and_for_two_days(flat: Flat, clock: Clock) -> None:
    invitation = flat.call(ANNA, "invite-member", email=CLEO, role="member").json()["id"]
    other = flat.call(BO, "accept-invitation", invitationId=invitation)
    assert _code(other) == (403, "YOU_ARE_NOT_THE_RECIPIENT_OF_THE_INVITATION")
    clock.advance(hours=48)
    late = flat.call(CLEO, "accept-invitation", invitationId=invitation)
    assert _code(late) == (400, "INVITATION_NOT_FOUND")
    listed = flat.client.as_user(flat.cookies[CLEO], "GET", "/api/auth/organization/list-user-invitations")
    assert listed.json() == []
    again = flat.call(ANNA, "invite-member", email=CLEO, role="member").json()["id"]
    assert flat.call(CLEO, "accept-invitation", invitationId=again).status_code == 200
    assert flat.call(CLEO, "accept-invitation", invitationId=again).status_code == 400


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("create", {"name": "", "slug": "x", "metadata": {"type": "club"}}, "VALIDATION_ERROR"),
        ("create", {"name": "X", "slug": "x" * 201, "metadata": {"type": "club"}}, "VALIDATION_ERROR"),
        ("create", {"name": "X", "slug": "x", "metadata": {"type": ["club"]}}, "SPACE_METADATA_INVALID"),
        ("create", {"name": "X", "slug": "x"}, "SPACE_METADATA_INVALID"),
        ("invite-member", {"email": "x", "role": "member"}, "INVALID_EMAIL"),
        ("invite-member", {"email": CLEO, "role": "king"}, "ROLE_NOT_FOUND"),
        ("invite-member", {"email": CLEO, "role": "member", "organizationId": "x"}, "ORGANIZATION_NOT_FOUND"),
        ("accept-invitation", {"invitationId": "x"}, "INVITATION_NOT_FOUND"),
        ("update-member-role", {"memberId": "x", "role": "admin"}, "MEMBER_NOT_FOUND"),
        ("remove-member", {"memberIdOrEmail": "x"}, "MEMBER_NOT_FOUND"),
        ("remove-member", {"memberIdOrEmail": "x@mana.test"}, "MEMBER_NOT_FOUND"),
        ("delete", {"organizationId": 5}, "VALIDATION_ERROR"),
    ],
)
def test_a_bad_request_is_refused_with_its_code(
    small_flat: Flat, action: str, body: dict[str, Any], code: str
) -> None:
    assert _code(small_flat.call(ANNA, action, **body)) == (400, code)


def test_personal_spaces_of_like_names_get_slugs_of_their_own(client: Client) -> None:
    for email in ("persona.anna@mana.test", "persona-anna@mana.test", "--@mana.test"):
        client.seed(email)
    slugs = [row["slug"] for row in client.rows(schema.organizations)]
    assert len(set(slugs)) == 4
    assert sorted(slug[:12] for slug in slugs if slug != "admin") == ["persona-anna", "persona-anna", "space"]
