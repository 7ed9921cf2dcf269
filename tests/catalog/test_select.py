from __future__ import annotations

import pytest

from personas import Persona, UsageError, parse_catalog
from personas.catalog.select import common_prefix, find_persona, matches, unmatched
from tests.making import make_text

ADA, BO, OMAR = "persona.ada@mana.test", "persona.bo@mana.test", "books.omar@acme.test"


def make_personas(*people: tuple[str, str]) -> tuple[Persona, ...]:
    personas = [{"email": email, "name": name} for email, name in people]
    return parse_catalog(make_text(*personas, scope=["*@mana.test", "*@acme.test"])).personas


NAME = "Ada O'Neil [QA]"
MATCHING = [ADA, "PERSONA.ADA@*", "persona.ada", "ada", "a?a", NAME, "*[qa]", "*o'neil*", "solo-*"]
OTHER = ["ad", "mana.test", "[a]da", ""]


@pytest.mark.parametrize("pattern", [*MATCHING, *OTHER])
def test_a_pattern_matches_email_local_part_name_or_archetype(pattern: str) -> None:
    matched = matches([pattern], email=ADA, name=NAME, archetype="solo-dev")
    assert matched is (pattern in MATCHING)


def test_no_patterns_match_everything_several_any_and_unmatched_ones_are_found() -> None:
    assert matches((), email=ADA)
    assert matches(("x", "ada"), email=ADA)
    items = [(ADA, "Ada", "solo-dev"), (BO, "Bo", "researcher")]
    assert unmatched(["zoe", "ada", "researcher", "amy*"], iter(items)) == ("zoe", "amy*")
    assert unmatched([], items) == ()
    assert unmatched(["a"], iter([])) == ("a",)


def test_a_persona_is_found_by_email_local_part_or_name() -> None:
    kim = "persona.kim-7@mana.test"
    personas = make_personas((ADA, "Ada O'Neil"), (BO, "B"), (OMAR, "Bo"), (kim, "Kim"))
    found = dict.fromkeys((ADA, ADA.upper(), "persona.ada", " ada ", "Ada O'Neil"), ADA)
    found |= {"bo": BO, "omar": OMAR, "kim-7": kim}  # "Bo" is also the name of another persona
    assert {who: find_persona(personas, who, "in catalog.json").email for who in found} == found
    # The prefix that all have can be left out.
    personas = make_personas(("test-anna@mana.test", "A"), ("test-bo@mana.test", "B"))
    assert find_persona(personas, "bo", "here").email == "test-bo@mana.test"


@pytest.mark.parametrize(
    ("who", "message", "hint"),
    [
        ("kim", f"'kim' matches 2 personas in catalog.json: {ADA}, {BO}.", "Use an email."),
        ("adda", "No persona in catalog.json matches 'adda'.", f"Did you mean {ADA}?"),
        ("zzzzzz", "No persona in catalog.json matches 'zzzzzz'.", ""),
        ("@", "No persona in catalog.json matches '@'.", ""),
    ],
)
def test_an_unknown_or_ambiguous_persona_is_refused(who: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_persona(make_personas((ADA, "Kim"), (BO, "Kim")), who, "in catalog.json")
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("local_parts", "prefix"),
    [
        ("persona.anna persona.bo", "persona."),
        ("persona.anna persona.anton", "persona."),
        ("persona.anna books.omar", ""),
        ("persona.anna", "persona."),
        ("team.a team.a.b", "team."),
        ("test-a test-a-1", "test-"),
        ("a- a-b", ""),
        ("anna", ""),
        ("", ""),
    ],
)
def test_a_common_prefix_ends_with_a_separator(local_parts: str, prefix: str) -> None:
    assert common_prefix(f"{part}@mana.test" for part in local_parts.split()) == prefix
