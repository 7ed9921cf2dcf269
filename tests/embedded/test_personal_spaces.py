"""The space that everybody gets at sign-up, and its slug, beyond the recorded ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlalchemy as sa

from personas.embedded import schema

if TYPE_CHECKING:
    from .client import Client, Clock


def _slug(client: Client, email: str) -> str:
    user_id = client.seed(email)
    spaces = {row["user_id"]: row["organization_id"] for row in client.rows(schema.members)}
    slugs = {row["id"]: row["slug"] for row in client.rows(schema.organizations)}
    slug: str = slugs[spaces[user_id]]
    return slug


def test_a_number_that_is_free_again_is_given_again(small: Client) -> None:
    first, second, third = (f"anna@{host}.test" for host in ("a", "b", "c"))
    assert [_slug(small, email) for email in (first, second)] == ["anna", "anna-2"]
    small.admin("DELETE", f"/api/v1/admin/personas/{small.user(first)['id']}")
    assert _slug(small, third) == "anna"


def test_a_slug_that_begins_alike_takes_no_number(small: Client) -> None:
    assert _slug(small, "a.b-2@mana.test") == "a-b-2"
    assert _slug(small, "a.bc@mana.test") == "a-bc"
    assert _slug(small, "a.b@mana.test") == "a-b"
    assert _slug(small, "a_b@mana.test") == "a-b-3"


def test_after_999_the_number_is_left_to_chance(small: Client, clock: Clock) -> None:
    taken = ["anna", *(f"anna-{number}" for number in range(2, 1000))]
    same = {"name": "x", "metadata": {}, "created_at": clock.moment}
    rows = [{**same, "id": slug, "slug": slug} for slug in taken]
    small.write(sa.insert(schema.organizations).values(rows[:500]))
    small.write(sa.insert(schema.organizations).values(rows[500:]))
    assert re.fullmatch("anna-[a-z0-9]{6}", _slug(small, "anna@mana.test"))
