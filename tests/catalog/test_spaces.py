from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from making import make_persona, write_persona

from personas.catalog.models import Member, Role, Space, SpaceType, personal_slug
from personas.catalog.reading import catalog_schema, parse_catalog
from personas.catalog.wording import JsonPath, json_path
from personas.errors import CatalogError, Problem

ANNA, BO, CY = (f"persona.{who}@mana.test" for who in ("anna", "bo", "cy"))
SPACE: dict[str, Any] = {
    "slug": "flat",
    "name": "The flat",
    "type": "family",
    "owner": ANNA,
    "members": [BO, {"email": CY, "role": "admin"}],
}


def catalog_with(*changes: dict[str, Any] | object) -> str:
    """A catalog of three with one space for each of the changes; the change "<none>" removes the key."""
    spaces = [
        {key: value for key, value in (SPACE | change).items() if value != "<none>"}
        if isinstance(change, dict)
        else change
        for change in changes
    ]
    personas = [write_persona(make_persona(who)) for who in ("anna", "bo", "cy")]
    return json.dumps({"personas": personas, "spaces": spaces}, indent=1)


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return caught.value.problems


def text_at(text: str, problem: Problem) -> str:
    return text.split("\n")[problem.line - 1][problem.column - 1 :].rstrip(",")


def test_a_catalog_without_the_key_has_no_spaces() -> None:
    text = json.dumps({"personas": [write_persona(make_persona("anna"))]})
    assert parse_catalog(text).spaces == ()


def test_a_member_is_an_email_alone_or_an_email_with_a_role() -> None:
    catalog = parse_catalog(catalog_with({}, {"slug": "cold-rooms-2", "type": "team", "members": [CY]}))
    assert catalog.spaces == (
        Space(
            slug="flat",
            name="The flat",
            type=SpaceType.FAMILY,
            owner=ANNA,
            members=(Member(email=BO), Member(email=CY, role=Role.ADMIN)),
        ),
        Space(
            slug="cold-rooms-2",
            name="The flat",
            type=SpaceType.TEAM,
            owner=ANNA,
            members=(Member(email=CY, role=Role.MEMBER),),
        ),
    )
    assert catalog.warnings == ()
    assert len(set(catalog.spaces)) == 2


# The changes to a good space, the path below it of what is wrong, and what is told.
PROBLEMS: list[tuple[dict[str, Any] | int, JsonPath, str]] = [
    (7, (), "a space is an object, not the number 7"),
    ({"slug": "<none>"}, ("slug",), '"slug" is missing'),
    ({"slug": "<none>", "slugg": "x"}, ("slug",), '"slug" is missing; is it the key "slugg"?'),
    ({"slug": ""}, ("slug",), '"slug" must be 1 to 60 lower-case letters and digits, in words'),
    ({"slug": "The flat"}, ("slug",), 'joined by single hyphens, not "The flat"'),
    ({"slug": "a--b"}, ("slug",), 'joined by single hyphens, not "a--b"'),
    ({"slug": "x" * 61}, ("slug",), '"slug" must be 1 to 60'),
    ({"slug": 5}, ("slug",), '"slug" must be a string, not the number 5'),
    (
        {"slug": "persona-bo"},
        ("slug",),
        f'"persona-bo" is for the personal space of "{BO}", which the service makes; choose another slug',
    ),
    ({"slug": "persona-bo-12"}, ("slug",), f'for the personal space of "{BO}"'),
    ({"name": ""}, ("name",), '"name" must not be empty'),
    ({"name": "a\0"}, ("name",), '"name" holds the character U+0000, which cannot be stored'),
    ({"type": "<none>"}, ("type",), '"type" is missing'),
    (
        {"type": "Team"},
        ("type",),
        '"type" must be "family", "team", "practice", "brand" or "club", not the string "Team"',
    ),
    ({"type": "personal"}, ("type",), '"personal": the service itself makes everybody\'s personal space'),
    ({"type": None}, ("type",), "not null"),
    ({"owner": "<none>"}, ("owner",), '"owner" is missing'),
    ({"owner": "anna@mana.com"}, ("owner",), '"owner" must end in "@mana.test"'),
    (
        {"owner": "persona.ana@mana.test"},
        ("owner",),
        f'"persona.ana@mana.test" is not the email of a persona of this catalog; do you mean "{ANNA}"?',
    ),
    ({"members": "<none>"}, ("members",), '"members" is missing'),
    ({"members": BO}, ("members",), '"members" must be a list of members, not the string'),
    ({"members": [BO, ANNA]}, ("members", 1), "is the owner of this space; leave it out of the members"),
    (
        {"members": [{"email": ANNA}]},
        ("members", 0, "email"),
        "is the owner of this space; leave it out of the members",
    ),
    ({"members": [BO, CY, BO]}, ("members", 2), f'"{BO}" is a member already, on line '),
    (
        {"members": ["xyz@mana.test"]},
        ("members", 0),
        '"xyz@mana.test" is not the email of a persona of this catalog',
    ),
    ({"members": ["bo"]}, ("members", 0), 'the email of a member must end in "@mana.test", unlike "bo"'),
    ({"members": ["Persona.Bo@mana.test"]}, ("members", 0), "the email of a member must be in lower case"),
    ({"members": [{"role": "admin"}]}, ("members", 0, "email"), '"email" is missing'),
    (
        {"members": [7]},
        ("members", 0),
        "a member is an email, or an object with email and role, not the number 7",
    ),
    (
        {"members": [{"email": BO, "role": "owner"}]},
        ("members", 0, "role"),
        '"role" must be "member" or "admin", not the string "owner"',
    ),
]


@pytest.mark.parametrize(("change", "path", "message"), PROBLEMS)
def test_a_space_that_is_wrong_is_told_at_its_place(
    change: dict[str, Any] | int, path: JsonPath, message: str
) -> None:
    text = catalog_with(change)
    (problem,) = problems_of(text)
    assert problem.path == json_path(("spaces", 0, *path))
    there: Any = json.loads(text)["spaces"][0]
    for step in path:
        missing = isinstance(there, dict) and step not in there
        there = there if missing else there[step]
    assert text_at(text, problem) == json.dumps(there, indent=1).split("\n")[0]
    assert message in problem.message
    assert ("do you mean" in problem.message) == ("do you mean" in message)


def test_two_spaces_with_one_slug_are_a_problem_at_the_second() -> None:
    text = catalog_with({}, {"name": "Another"})
    (problem,) = problems_of(text)
    assert problem.path == "$.spaces[1].slug"
    assert text_at(text, problem) == '"flat"'
    line = text.split("\n").index('   "slug": "flat",') + 1
    assert problem.message == f'the space on line {line} has the slug "flat" already'


def test_spaces_are_no_list_is_a_problem() -> None:
    text = catalog_with().replace('"spaces": []', '"spaces": {}')
    (problem,) = problems_of(text)
    assert (problem.path, problem.message) == ("$.spaces", '"spaces" must be a list of spaces, not an object')


def test_problems_of_personas_and_spaces_are_told_together_in_the_order_of_the_file() -> None:
    document = json.loads(catalog_with({"name": "", "owner": "persona.x@mana.test", "members": ["bo", CY]}))
    spaces = document.pop("spaces")
    document["personas"][1]["name"] = ""
    text = json.dumps({"spaces": spaces, **document}, indent=1)
    assert [problem.path for problem in problems_of(text)] == [
        "$.spaces[0].name",
        "$.spaces[0].owner",
        "$.spaces[0].members[0]",
        "$.personas[1].name",
    ]


def test_a_persona_that_is_wrong_elsewhere_is_known_to_the_spaces() -> None:
    document = json.loads(catalog_with({}))
    document["personas"][0]["archetype"] = ""
    assert [problem.path for problem in problems_of(json.dumps(document))] == ["$.personas[0].archetype"]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (
            {"tpye": 1},
            "$.spaces[0].tpye",
            'the key "tpye" is not known and has no effect; do you mean "type"?',
        ),
        (
            {"members": [{"email": BO, "rolle": "admin"}]},
            "$.spaces[0].members[0].rolle",
            'the key "rolle" is not known and has no effect; do you mean "role"?',
        ),
        (
            {"members": []},
            "$.spaces[0].members",
            '"members" is empty: nobody shares this space with its owner',
        ),
        ({"name": " Flat"}, "$.spaces[0].name", '"name" " Flat" has white space around it'),
    ],
)
def test_what_is_doubtful_in_a_space_is_a_warning(change: dict[str, Any], path: str, message: str) -> None:
    (warning,) = parse_catalog(catalog_with(change)).warnings
    assert (warning.path, warning.message) == (path, message)


def recorded_slugs() -> list[tuple[str, str]]:
    """Emails and the slugs of their personal spaces, as the real service gave them."""
    return [
        tuple(pair) for pair in json.loads((Path(__file__).parents[1] / "data" / "slugs.json").read_text())
    ]


@pytest.mark.parametrize(("email", "slug"), recorded_slugs())
def test_a_personal_slug_is_the_one_that_the_service_gives(email: str, slug: str) -> None:
    expected = personal_slug(email)
    if expected:
        assert slug == expected or slug.rpartition("-")[0] == expected
    else:
        assert slug == "user-<random>"


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"members": []}, True),
        ({"slug": "a-1"}, True),
        ({"slug": "A"}, False),
        ({"slug": "x" * 61}, False),
        ({"type": "personal"}, False),
        ({"members": [{"role": "admin"}]}, False),
        ({"owner": 1}, False),
    ],
)
def test_the_schema_agrees_on_spaces(change: dict[str, Any], valid: bool) -> None:
    document = json.loads(catalog_with(change))
    assert jsonschema.Draft202012Validator(catalog_schema()).is_valid(document) == valid


def test_endless_members_that_are_wrong_are_told_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personas.catalog.reading.MAX_PROBLEMS", 5_000)
    found = problems_of(catalog_with({"members": [1] * 5_005}))
    assert len(found) == 5_000


def test_a_persona_knows_the_spaces_that_it_shares_and_its_role_in_each() -> None:
    catalog = parse_catalog(catalog_with({}, {"slug": "cold-rooms", "owner": CY, "members": []}))
    told = {
        persona.email: {space.slug: space.role_of(persona) for space in persona.spaces}
        for persona in catalog.personas
    }
    assert told == {
        ANNA: {"flat": "owner"},
        BO: {"flat": "member"},
        CY: {"flat": "admin", "cold-rooms": "owner"},
    }
    assert catalog.spaces[1].role_of(BO) is None


def test_a_persona_is_the_same_persona_with_spaces_and_without() -> None:
    alone = parse_catalog(json.dumps(json.loads(catalog_with({})) | {"spaces": []})).personas[0]
    shared = parse_catalog(catalog_with({})).personas[0]
    assert alone.spaces == ()
    assert alone == shared
    assert hash(alone) == hash(shared)
    assert (shared.model_dump(), repr(shared)) == (alone.model_dump(), repr(alone))
    assert [space.slug for space in pickle.loads(pickle.dumps(shared)).spaces] == ["flat"]
