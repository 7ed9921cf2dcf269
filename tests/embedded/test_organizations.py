"""Spaces themselves; the ordinary ways, and most refusals, are in the recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from personas.embedded import schema

from .client import ANNA, BO, Client
from .flat import CLEO, PREFIX, Flat, code

if TYPE_CHECKING:
    import httpx


def _message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def test_a_stranger_neither_sees_nor_changes_a_space(flat: Flat) -> None:
    outside = "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION"
    assert code(flat.ask(CLEO, "get-full-organization", organizationSlug="flat")) == (403, outside)
    assert code(flat.call(CLEO, "set-active")) == (403, outside)
    assert code(flat.call(CLEO, "update", data={"name": "X"})) == (400, outside)
    assert code(flat.call(CLEO, "delete")) == (400, outside)
    listed = flat.ask(CLEO, "list-members", organizationId=flat.id)
    assert code(listed) == (403, "YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION")
    unknown = (400, "MEMBER_NOT_FOUND")
    assert code(flat.call(CLEO, "invite-member", email=CLEO, role="member")) == unknown
    assert code(flat.call(CLEO, "update-member-role", memberId=flat.members[BO], role="admin")) == unknown
    assert code(flat.call(CLEO, "remove-member", memberIdOrEmail=BO)) == unknown
    assert code(flat.call(CLEO, "leave")) == unknown


@pytest.mark.parametrize(
    ("action", "body", "told"),
    [
        ("create", {"name": "X", "slug": "x", "metadata": {"type": "club"}}, b""),
        ("delete", {"organizationId": "x"}, b""),
        ("update", {"organizationId": "x", "data": {"name": "X"}}, b'{"message":"User not found"}'),
        ("check-slug", {"slug": "x"}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
        ("set-active", {}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
        ("leave", {"organizationId": "x"}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
    ],
)
def test_without_a_session_a_right_body_is_unauthorized(
    small: Client, action: str, body: dict[str, Any], told: bytes
) -> None:
    answer = small.call("POST", f"{PREFIX}/{action}", json=body)
    assert (answer.status_code, answer.content) == (401, told)
    assert answer.headers["content-type"] == "application/json"


def test_a_space_keeps_the_logo_and_the_whole_metadata_it_was_made_with(flat: Flat) -> None:
    metadata = {"type": "club", "deep": {"list": [1, None, "ü"]}}
    made = flat.send(ANNA, "create", {"name": "C", "slug": "c", "metadata": metadata, "logo": ""})
    assert (made.status_code, made.json()["logo"], "metadata" in made.json()) == (200, "", False)
    shown = flat.ask(ANNA, "get-full-organization", organizationId=made.json()["id"]).json()
    assert (shown["logo"], shown["metadata"]) == ("", metadata)


def test_a_space_is_found_by_its_slug_before_its_id_and_shows_as_many_members_as_asked(flat: Flat) -> None:
    own = flat.send(ANNA, "create", {"name": "C", "slug": "c", "metadata": {"type": "club"}}).json()
    shown = flat.ask(ANNA, "get-full-organization", organizationId=own["id"], organizationSlug="flat")
    assert shown.json()["id"] == flat.id
    for limit, number in (("1", 1), ("2", 2), ("0", 2), ("nonsense", 2)):
        shown = flat.ask(ANNA, "get-full-organization", organizationId=flat.id, membersLimit=limit)
        assert len(shown.json()["members"]) == number


def test_an_owner_and_an_admin_change_a_space_and_a_member_does_not(flat: Flat) -> None:
    refused = flat.call(BO, "update", data={"name": "Mine"})
    assert code(refused) == (403, "YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION")
    changes = {"name": "Loft", "slug": "loft", "logo": "x.png", "metadata": {"type": "team", "floor": 5}}
    changed = flat.call(ANNA, "update", data=changes)
    assert changed.status_code == 200
    assert changed.json() == {"id": flat.id, "createdAt": changed.json()["createdAt"], **changes}
    flat.call(ANNA, "update-member-role", memberId=flat.members[BO], role="admin")
    assert flat.call(BO, "update", data={"slug": "loft", "name": "Attic"}).json()["name"] == "Attic"
    shown = flat.ask(BO, "get-full-organization", organizationSlug="loft").json()
    assert {key: shown[key] for key in changes} == {**changes, "name": "Attic"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"slug": "persona-bo"}, "Organization slug already taken"),
        ({}, "[body.data] Nothing to change"),
        ({"name": ""}, "[body.data.name] Too small: expected string to have >=1 characters"),
        ({"logo": None}, "[body.data.logo] Invalid input: expected string, received null"),
        ({"metadata": []}, "[body.data.metadata] Invalid input: expected record, received array"),
        ({"slug": "é" * 1301}, "[body.slug] At most 2600 bytes"),
        (None, "[body.data] Invalid input: expected object, received null"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_the_space_stays(
    small_flat: Flat, data: object, told: str
) -> None:
    before = small_flat.client.rows(schema.organizations)
    assert _message(small_flat.call(ANNA, "update", data=data)) == (400, told)
    assert small_flat.client.rows(schema.organizations) == before


def test_a_change_needs_a_space_that_is_named(small_flat: Flat) -> None:
    for body in ({"data": {"name": "X"}}, {"data": {"name": "X"}, "organizationId": ""}):
        assert code(small_flat.send(ANNA, "update", body)) == (400, "ORGANIZATION_NOT_FOUND")


def test_a_slug_is_free_or_taken(flat: Flat) -> None:
    free = flat.send(BO, "check-slug", {"slug": "FLAT"})
    assert (free.status_code, free.json()) == (200, {"status": True})
    assert code(flat.send(BO, "check-slug", {"slug": "flat"})) == (400, "ORGANIZATION_SLUG_ALREADY_TAKEN")


def test_the_active_space_is_told_and_not_remembered(flat: Flat) -> None:
    shown = flat.ask(BO, "get-full-organization", organizationId=flat.id).json()
    expected = {key: shown[key] for key in shown if key not in ("members", "invitations")}
    for body in ({"organizationId": flat.id, "organizationSlug": "nope"}, {"organizationSlug": "flat"}):
        active = flat.send(BO, "set-active", body)
        assert (active.status_code, active.json()) == (200, expected)
        assert flat.ask(BO, "get-full-organization").json() is None
        assert code(flat.send(BO, "remove-member", {"memberIdOrEmail": BO})) == (
            400,
            "NO_ACTIVE_ORGANIZATION",
        )


@pytest.mark.parametrize(
    "body", [{}, {"organizationId": None, "organizationSlug": "flat"}, {"organizationId": ""}]
)
def test_no_space_can_be_the_active_one(small_flat: Flat, body: dict[str, Any]) -> None:
    answer = small_flat.send(ANNA, "set-active", body)
    assert (answer.status_code, answer.json()) == (200, None)


def test_an_unknown_space_is_not_the_active_one(small_flat: Flat) -> None:
    unknown = small_flat.send(ANNA, "set-active", {"organizationSlug": "nope"})
    assert code(unknown) == (400, "ORGANIZATION_NOT_FOUND")
    unknown = small_flat.send(ANNA, "set-active", {"organizationId": "nope"})
    assert code(unknown) == (403, "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION")


def test_a_deleted_space_takes_its_members_and_invitations_along(flat: Flat) -> None:
    flat.invite(CLEO)
    assert code(flat.call(BO, "delete")) == (403, "YOU_ARE_NOT_ALLOWED_TO_DELETE_THIS_ORGANIZATION")
    assert flat.call(ANNA, "delete").json()["slug"] == "flat"
    assert flat.client.rows(schema.invitations) == []
    assert all(row["organization_id"] != flat.id for row in flat.client.rows(schema.members))


def test_a_space_that_could_not_be_made_wholly_is_not_there(flat: Flat) -> None:
    before = flat.client.rows(schema.organizations)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("personas.embedded.spaces.describe_member")
        made = flat.send(ANNA, "create", {"name": "C", "slug": "c", "metadata": {"type": "club"}})
    assert made.status_code == 500
    assert flat.client.rows(schema.organizations) == before


@pytest.mark.parametrize(
    ("action", "body", "expected"),
    [
        ("create", {"name": "", "slug": "x", "metadata": {"type": "club"}}, "VALIDATION_ERROR"),
        ("create", {"name": "X", "slug": "x" * 2601, "metadata": {"type": "club"}}, "VALIDATION_ERROR"),
        ("create", {"name": "X", "slug": "x", "metadata": {"type": ["club"]}}, "SPACE_METADATA_INVALID"),
        ("create", {"name": "X", "slug": "x"}, "SPACE_METADATA_INVALID"),
        ("invite-member", {"email": "x", "role": "member"}, "INVALID_EMAIL"),
        ("invite-member", {"email": CLEO, "role": "member", "organizationId": "x"}, "MEMBER_NOT_FOUND"),
        ("accept-invitation", {"invitationId": "x"}, "INVITATION_NOT_FOUND"),
        ("update-member-role", {"memberId": "x", "role": "admin"}, "MEMBER_NOT_FOUND"),
        ("remove-member", {"memberIdOrEmail": "x"}, "MEMBER_NOT_FOUND"),
        ("remove-member", {"memberIdOrEmail": "x@mana.test"}, "MEMBER_NOT_FOUND"),
        ("delete", {"organizationId": 5}, "VALIDATION_ERROR"),
    ],
)
def test_a_bad_request_is_refused_with_its_code(
    small_flat: Flat, action: str, body: dict[str, Any], expected: str
) -> None:
    assert code(small_flat.call(ANNA, action, **body)) == (400, expected)
