"""Shared spaces, whatever the catalogs: one seed makes them true, and cleanup leaves nothing of ours."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import make_catalog, make_persona, make_space

from personas.catalog.models import Catalog, Member, Role, SpaceType
from personas.embedded import schema as tables

from .faultserver import nothing
from .spaces import SPACES, shared, wanted
from .world import World, both_worlds

WHO = ("ada", "bo", "cy", "di")


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Some personas, and some spaces that they share."""
    people = draw(st.lists(st.sampled_from(WHO), min_size=2, unique=True))
    personas = [make_persona(who, name=draw(st.sampled_from((who, f"{who} II")))) for who in people]
    spaces = []
    for slug in draw(st.lists(st.sampled_from(("flat", "desk", "club")), unique=True)):
        owner, *others = draw(st.permutations(people))
        members = [
            Member(email=f"persona.{who}@mana.test", role=draw(st.sampled_from(Role)))
            for who in others[: draw(st.integers(0, len(others)))]
        ]
        name, kind = draw(st.sampled_from(("One", "Two"))), draw(st.sampled_from(list(SpaceType)[:2]))
        spaces.append(make_space(slug, owner, *members, name=name, type=kind))
    return make_catalog(*personas, spaces=spaces)


def people_in_spaces(real: World) -> set[tuple[str, str]]:
    return {(slug, email) for slug, space in shared(real).items() for email in space[2]}


@both_worlds
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=catalogs(), second=catalogs())
def test_whatever_is_edited_one_seed_makes_true_and_cleanup_leaves_nothing_of_ours(
    real: World, first: Catalog, second: Catalog
) -> None:
    real.start_anew()
    real.write_spaces(first)
    real.run("seed")
    assert shared(real) == wanted(first)
    seeded, people = real.keep(), people_in_spaces(real)
    # A plain seed deletes no space and removes no member; a stray's slug it cannot have, which it says.
    real.write_spaces(second)
    plain = real.run("seed", through=nothing, exits=None)
    assert plain.code in {0, 6}, plain
    assert plain.seen.to("remove-member|delete|DELETE") == []
    assert people <= people_in_spaces(real)
    real.restore(seeded)
    everything = ("--prune", "--recreate")
    seen = real.run("seed", *everything, "--yes", through=nothing).seen
    # The original cannot show a space of somebody who was deleted.
    assert {one.target for one in seen if one.status == 500} <= {f"GET {SPACES}/get-full-organization"}
    assert shared(real) == wanted(second)
    real.run("dry-run", *everything, "--fail-on-drift")
    # The catalog of long ago does as well.
    real.write_spaces(first)
    real.run("cleanup", "--yes")
    assert shared(real) == {}
    assert real.personas == set()
    assert real.rows(tables.sessions) == []
