"""Spaces themselves; the ordinary ways, and most refusals, are in the recordings."""

from __future__ import annotations

from typing import Any

import pytest

from personas.embedded import schema

from .client import ANNA, BO, Client
from .flat import CLEO, PREFIX, Flat, code

CLUB = {"name": "C", "slug": "c", "metadata": {"type": "club"}}


def test_a_stranger_neither_sees_nor_changes_a_space(small_flat: Flat) -> None:
    outside = "USER_IS_NOT_A_MEMBER_OF_THE_ORGANIZATION"
    assert code(small_flat.call(CLEO, "set-active")) == (403, outside)
    assert code(small_flat.call(CLEO, "update", data={"name": "X"})) == (400, outside)
    listed = small_flat.ask(CLEO, "list-members", organizationId=small_flat.id)
    assert code(listed) == (403, "YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION")
    assert code(small_flat.call(CLEO, "leave")) == (400, "MEMBER_NOT_FOUND")


@pytest.mark.parametrize(
    ("action", "body", "told"),
    [
        ("delete", {"organizationId": "x"}, b""),
        ("update", {"organizationId": "x", "data": {"name": "X"}}, b'{"message":"User not found"}'),
        ("check-slug", {"slug": "x"}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
        ("set-active", {}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
        ("leave", {"organizationId": "x"}, b'{"message":"Unauthorized","code":"UNAUTHORIZED"}'),
    ],
)
def test_a_body_without_a_session_is_unauthorized(
    small: Client, action: str, body: dict[str, Any], told: bytes
) -> None:
    answer = small.call("POST", f"{PREFIX}/{action}", json=body)
    assert (answer.status_code, answer.content) == (401, told)


def test_a_space_shows_as_many_members_as_asked(small_flat: Flat) -> None:
    for limit, number in (("1", 1), ("2", 2), ("0", 2), ("nonsense", 2)):
        query = {"organizationId": small_flat.id, "membersLimit": limit}
        shown = small_flat.ask(ANNA, "get-full-organization", **query)
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
    ("body", "told"),
    [
        ({"data": {"slug": "persona-bo"}}, "Organization slug already taken"),
        ({"data": {}}, "[body.data] Nothing to change"),
        ({"data": {"name": ""}}, "[body.data.name] Too small: expected string to have >=1 characters"),
        ({"data": {"logo": None}}, "[body.data.logo] Invalid input: expected string, received null"),
        ({"data": {"metadata": []}}, "[body.data.metadata] Invalid input: expected record, received array"),
        ({"data": {"slug": "é" * 1301}}, "[body.slug] At most 2600 bytes"),
        ({"data": None}, "[body.data] Invalid input: expected object, received null"),
        ({"data": {"name": "X"}, "organizationId": ""}, "Organization not found"),
    ],
)
def test_a_change_that_cannot_be_is_refused(small_flat: Flat, body: dict[str, Any], told: str) -> None:
    before = small_flat.client.rows(schema.organizations)
    refused = small_flat.call(ANNA, "update", **body)
    assert (refused.status_code, refused.json()["message"]) == (400, told)
    assert small_flat.client.rows(schema.organizations) == before


def test_a_slug_is_free_or_taken_or_too_long(small_flat: Flat) -> None:
    free = small_flat.send(BO, "check-slug", {"slug": "FLAT"})
    assert (free.status_code, free.json()) == (200, {"status": True})
    taken = small_flat.send(BO, "check-slug", {"slug": "flat"})
    assert code(taken) == (400, "ORGANIZATION_SLUG_ALREADY_TAKEN")
    assert small_flat.send(ANNA, "create", {**CLUB, "slug": "x" * 2600}).status_code == 200
    assert code(small_flat.send(ANNA, "create", {**CLUB, "slug": "y" * 2601})) == (400, "VALIDATION_ERROR")


def test_the_active_space_is_told_and_not_remembered(small_flat: Flat) -> None:
    shown = small_flat.ask(BO, "get-full-organization", organizationId=small_flat.id).json()
    expected = {key: shown[key] for key in shown if key not in ("members", "invitations")}
    for body in ({"organizationId": small_flat.id, "organizationSlug": "nope"}, {"organizationSlug": "flat"}):
        active = small_flat.send(BO, "set-active", body)
        assert (active.status_code, active.json()) == (200, expected)
        assert small_flat.ask(BO, "get-full-organization").json() is None
        removed = small_flat.send(BO, "remove-member", {"memberIdOrEmail": BO})
        assert code(removed) == (400, "NO_ACTIVE_ORGANIZATION")


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
