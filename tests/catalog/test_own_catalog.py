from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from personas.catalog.models import Role, SpaceType
from personas.catalog.reading import Cadence, Catalog, catalog_schema, load_catalog

ROOT = Path(__file__).parent.parent.parent
ARCHETYPES = {
    "adhd-student",
    "ceo-busy",
    "creative-parent",
    "solo-dev",
    "researcher",
    "freelancer",
    "overwhelmed-newbie",
}
PAIRS = [("anna", "jonas"), ("mika", "priya"), ("ngozi", "tomasz"), ("ines", "gareth"), ("renate", "lukas")]


@pytest.fixture(scope="module")
def own() -> Catalog:
    return load_catalog(ROOT / "catalog.json")


def test_it_has_ten_personas_of_seven_archetypes_and_no_warning(own: Catalog) -> None:
    assert len(own.personas) == 10
    assert {persona.archetype for persona in own.personas} == ARCHETYPES
    assert own.warnings == ()


def test_its_emails_are_the_first_names(own: Catalog) -> None:
    assert {persona.email for persona in own.personas} == {
        f"persona.{name}@mana.test" for pair in PAIRS for name in pair
    }


def test_it_has_five_pairs_whose_prompts_name_each_other(own: Catalog) -> None:
    by_email = {persona.email: persona for persona in own.personas}
    for one, two in PAIRS:
        first, second = by_email[f"persona.{one}@mana.test"], by_email[f"persona.{two}@mana.test"]
        assert second.name.split()[0] in first.system_prompt
        assert first.name.split()[0] in second.system_prompt


def test_every_pair_shares_one_space(own: Catalog) -> None:
    shared = {frozenset({space.owner, *(member.email for member in space.members)}) for space in own.spaces}
    assert shared == {frozenset(f"persona.{name}@mana.test" for name in pair) for pair in PAIRS}
    assert len(own.spaces) == len(PAIRS)
    assert {space.type for space in own.spaces} == {SpaceType.FAMILY, SpaceType.TEAM}
    assert {member.role for space in own.spaces for member in space.members} == set(Role)


def test_every_prompt_has_a_name_an_age_and_120_to_220_words(own: Catalog) -> None:
    for persona in own.personas:
        assert persona.name in persona.system_prompt
        assert re.search(r"\b[2-7]\d\b", persona.system_prompt)
        assert 120 <= len(persona.system_prompt.split()) <= 220, persona.name


def test_some_speak_german_and_most_english(own: Catalog) -> None:
    german = [
        persona for persona in own.personas if re.search(r"\b(und|nicht|eine)\b", persona.system_prompt)
    ]
    assert len(german) == 4


def test_weights_sum_to_one_and_every_cadence_is_used(own: Catalog) -> None:
    for persona in own.personas:
        assert math.isclose(sum(persona.module_mix.values()), 1)
        assert list(persona.module_mix.values()) == sorted(persona.module_mix.values(), reverse=True)
    assert Counter(persona.tick_cadence for persona in own.personas).keys() == set(Cadence)


def test_it_names_its_schema_and_the_schema_is_not_stale() -> None:
    assert json.loads((ROOT / "catalog.json").read_text("utf-8"))["$schema"] == "./catalog.schema.json"
    dumped = json.dumps(catalog_schema(), indent=2, ensure_ascii=False) + "\n"
    assert (ROOT / "catalog.schema.json").read_text("utf-8") == dumped


def test_it_validates_against_its_schema() -> None:
    schema = json.loads((ROOT / "catalog.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads((ROOT / "catalog.json").read_text("utf-8")), schema)
