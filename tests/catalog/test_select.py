from __future__ import annotations

import pytest

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.catalog.select import common_prefix, find_persona, matches, unmatched
from personas.errors import UsageError

from .making import make_text

ADA, BO, OMAR = "persona.ada@mana.test", "persona.bo@mana.test", "books.omar@acme.test"


def make_catalog(*people: tuple[str, str]) -> Catalog:
    personas = [{"email": email, "name": name} for email, name in people]
    return parse_catalog(make_text(*personas, scope=["*@mana.test", "*@acme.test"]))


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        (ADA, True),
        ("PERSONA.ADA@*", True),
        ("persona.ada", True),
        ("ada", True),
        ("a?a", True),
        ("Ada O'Neil [QA]", True),
        ("*[qa]", True),
        ("*o'neil*", True),
        ("solo-*", True),
        ("ad", False),
        ("mana.test", False),
        ("[a]da", False),
        ("", False),
    ],
)
def test_a_pattern_matches_email_local_part_name_or_archetype(pattern: str, matched: bool) -> None:
    assert matches([pattern], email=ADA, name="Ada O'Neil [QA]", archetype="solo-dev") is matched


def test_no_patterns_match_everything_and_several_any() -> None:
    assert matches((), email=ADA)
    assert matches(("x", "ada"), email=ADA)


def test_unmatched_patterns_are_returned_in_their_order() -> None:
    items = [(ADA, "Ada", "solo-dev"), (BO, "Bo", "researcher")]
    assert unmatched(["zoe", "ada", "researcher", "amy*"], items) == ("zoe", "amy*")
    assert unmatched([], items) == ()
    assert unmatched(["a"], iter([])) == ("a",)


@pytest.mark.parametrize(
    ("who", "email"),
    [
        (ADA, ADA),
        (ADA.upper(), ADA),
        ("persona.ada", ADA),
        (" ada ", ADA),
        ("Ada O'Neil", ADA),
        ("bo", BO),  # also the name of another persona
        ("omar", OMAR),
        ("kim-7", "persona.kim-7@mana.test"),
    ],
)
def test_a_persona_is_found_by_email_local_part_or_name(who: str, email: str) -> None:
    catalog = make_catalog((ADA, "Ada O'Neil"), (BO, "B"), (OMAR, "Bo"), ("persona.kim-7@mana.test", "Kim"))
    assert find_persona(catalog, who).email == email


def test_a_common_prefix_can_be_left_out() -> None:
    catalog = make_catalog(("test-anna@mana.test", "A"), ("test-bo@mana.test", "B"))
    assert find_persona(catalog, "bo").email == "test-bo@mana.test"


def test_an_ambiguous_name_is_refused_with_the_candidates() -> None:
    with pytest.raises(UsageError) as caught:
        find_persona(make_catalog((ADA, "Kim"), (BO, "Kim")), "kim")
    assert str(caught.value) == f"'kim' matches 2 personas in catalog.json: {ADA}, {BO}."
    assert caught.value.hint == "Use an email."


@pytest.mark.parametrize(("who", "hint"), [("adda", f"Did you mean {ADA}?"), ("zzzzzz", ""), ("@", "")])
def test_an_unknown_persona_is_refused_with_the_nearest(who: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_persona(make_catalog((ADA, "Ada"), (BO, "Bo")), who)
    assert str(caught.value) == f"No persona in catalog.json matches '{who}'."
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("local_parts", "prefix"),
    [
        (["persona.anna", "persona.bo"], "persona."),
        (["persona.anna", "persona.anton"], "persona."),
        (["persona.anna", "books.omar"], ""),
        (["persona.anna"], "persona."),
        (["team.a", "team.a.b"], "team."),
        (["test-a", "test-a-1"], "test-"),
        (["a-", "a-b"], ""),
        (["anna"], ""),
        ([], ""),
    ],
)
def test_a_common_prefix_ends_with_a_separator(local_parts: list[str], prefix: str) -> None:
    assert common_prefix(f"{part}@mana.test" for part in local_parts) == prefix
