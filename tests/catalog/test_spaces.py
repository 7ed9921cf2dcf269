from __future__ import annotations

import json

import pytest

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Member, Space
from tests.making import REMOVED, make_text

from .making import ADA, BO, CY, make_spaces, only_problem_of, problems_of


def test_a_member_is_an_email_or_an_email_with_a_role() -> None:
    flat, rooms = parse_catalog(make_spaces({}, {"slug": "cold-rooms-2", "members": [CY]})).spaces
    members = (Member(email=BO), Member(email=CY, role="admin"))
    assert flat == Space(slug="flat", name="The flat", type="family", owner=ADA, members=members)
    assert rooms.members == (Member(email=CY, role="member"),)
    assert (flat.emails, rooms.emails) == ((ADA, BO, CY), (ADA, CY))
    assert hash(flat) != hash(rooms)


ROLE = "must be 'member' or 'admin', not"
SLUG = "must be lower-case words and digits joined by single hyphens, not"

# A field of a space, its value, the path of the error below the space, and the message.
RULES: list[tuple[str, object, str, str]] = [
    ("slug", REMOVED, "slug", '"slug" is missing'),
    ("slug", "", "slug", f'"slug" {SLUG} ""'),
    ("slug", "The flat", "slug", f'"slug" {SLUG} "The flat"'),
    ("slug", "a--b", "slug", f'"slug" {SLUG} "a--b"'),
    ("slug", "flat\n", "slug", f'"slug" {SLUG} "flat\\n"'),
    ("slug", "x" * 61, "slug", f'"slug" must be at most 60 characters, not "{"x" * 59}…"'),
    ("slug", 5, "slug", '"slug" must be a string, not 5'),
    ("name", "", "name", '"name" must not be empty'),
    ("type", "x", "type", "\"type\" must be 'family', 'team', 'practice', 'brand' or 'club', not \"x\""),
    ("owner", REMOVED, "owner", '"owner" is missing'),
    ("owner", "ada", "owner", '"owner" is not a valid email address: "ada"'),
    ("owner", "x@mana.test", "owner", '"x@mana.test" is not a persona of this catalog'),
    ("members", BO, "members", f'"members" must be a list, not "{BO}"'),
    ("members", [BO, ADA], "members[1]", f'the email "{ADA}" is already used on line 42'),
    ("members", [{"email": ADA}], "members[0].email", f'the email "{ADA}" is already used on line 42'),
    ("members", [BO, CY, BO], "members[2]", f'the email "{BO}" is already used on line 44'),
    ("members", ["x@mana.test"], "members[0]", '"x@mana.test" is not a persona of this catalog'),
    ("members", ["bo"], "members[0]", 'members[0] is not a valid email address: "bo"'),
    ("members", [{"role": "admin"}], "members[0].email", '"email" is missing'),
    ("members", [7], "members[0]", "members[0] must be an email or an object, not 7"),
    ("members", [{"email": BO, "role": "owner"}], "members[0].role", f'"role" {ROLE} "owner"'),
]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        *((make_spaces({field: value}), f"[0].{path}", message) for field, value, path, message in RULES),
        (make_text(spaces=[7]), "[0]", "spaces[0] must be an object, not 7"),
        (make_spaces({}, {"name": "B"}), "[1].slug", 'the slug "flat" is already used on line 39'),
    ],
)
def test_a_wrong_space_is_an_error_at_its_place(text: str, path: str, message: str) -> None:
    problem = only_problem_of(text)
    assert (problem.path, problem.message) == (f"$.spaces{path}", message)


def test_spaces_know_personas_that_are_wrong_elsewhere() -> None:
    document = json.loads(make_spaces({}))
    document["personas"][0]["archetype"] = ""
    assert [problem.path for problem in problems_of(json.dumps(document))] == ["$.personas[0].archetype"]
