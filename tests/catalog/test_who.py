"""Whom WHO means."""

from __future__ import annotations

import pytest
from making import make_persona

from personas.catalog.models import Catalog
from personas.catalog.who import choose, choose_from
from personas.errors import UsageError

CATALOG = Catalog(
    personas=(
        make_persona("ada", name="Ada O'Neil"),
        make_persona("bo", name="Bo"),
        make_persona("cy", name="bo"),
    )
)


@pytest.mark.parametrize(
    ("who", "key"),
    [
        ("persona.ada@mana.test", "ada"),
        ("PERSONA.ADA@mana.test", "ada"),
        ("persona.ada", "ada"),
        (" ada ", "ada"),
        ("Ada O'Neil", "ada"),
        ("bo", "bo"),  # also the name of somebody else
    ],
)
def test_an_email_its_local_part_and_then_a_name_mean_a_persona(who: str, key: str) -> None:
    assert choose_from(CATALOG, who) == f"persona.{key}@mana.test"


def test_a_name_that_two_have_means_nobody() -> None:
    among = [("a@mana.test", "Kim"), ("b@mana.test", "Kim")]
    with pytest.raises(UsageError, match=r"means 2 personas among them: a@mana\.test, b@mana\.test"):
        choose("kim", among, where="among them")


@pytest.mark.parametrize(
    ("who", "hint"),
    [
        ("adda", "Did you mean ada?"),
        ("zzzzzz", "See who is there with: personas dry-run --offline --catalog catalog.json"),
    ],
)
def test_nobody_is_told_with_who_is_near_or_where_to_look(who: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is nobody in") as caught:
        choose_from(CATALOG, who)
    assert caught.value.hint == hint


def test_among_the_live_personas_the_list_is_where_to_look() -> None:
    with pytest.raises(UsageError) as caught:
        choose("zzzzzz", [("a@mana.test", "Kim")], where="among the live personas")
    assert caught.value.hint == "See who is there with: personas list"
