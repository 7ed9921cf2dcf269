from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.reconcile.live import Live
from personas.reconcile.plan import Intent, Plan, plan
from personas.report.document import Shares, Usage
from personas.report.usage import counted, meaning, points, ranked, remarks, shares, usage_of
from personas.service.models import LivePersona

from . import scenarios


def live(mix: dict[str, float] | None, cadence: str | None = "daily", archetype: str = "x") -> LivePersona:
    return LivePersona.model_construct(
        user_id="u", email="e@mana.test", archetype=archetype, tick_cadence=cadence, module_mix=mix
    )


def use(made: Plan) -> Usage:
    found = usage_of("seed", made, scenarios.CATALOG, offline=False)
    assert found is not None
    return found


def test_use_is_normalised_weights_times_ticks_a_week() -> None:
    found = shares(
        [live({"todo": 2, "mail": 2}, "hourly"), live({"mail": 9}, "daily"), live({"todo": 0.1}, "weekdays")]
    )
    assert found.ticks_per_week == 168 + 7 + 5
    assert found.modules == pytest.approx({"mail": 91 / 180, "todo": 89 / 180}, abs=1e-6)
    assert list(found.modules) == ["mail", "todo"]


def test_weights_that_are_all_zero_use_nothing() -> None:
    found = shares([live({"todo": 0, "mail": 0}), live({"notes": 1})])
    assert found.modules == {"notes": 1}
    assert found.ticks_per_week == 7
    assert shares([live({})]).modules == {}


def test_what_is_not_told_is_counted_and_left_out() -> None:
    found = shares([live(None), live({"todo": 1}, None), live({"todo": 1}, "yearly"), live({"mail": 1})])
    assert (found.personas, found.not_told) == (4, 3)
    assert found.modules == {"mail": 1}


@pytest.mark.parametrize("weight", [1e308, 5e-324, 10**400, math.inf, math.nan, -1])
def test_no_weight_is_too_strange(weight: float) -> None:
    found = shares([live({"a": weight, "b": weight, "c": 1.0})])
    assert sum(found.modules.values()) == pytest.approx(1)


def test_archetypes_and_cadences_are_counted() -> None:
    found = shares([live({}, "daily", "b"), live({}, "hourly", "a"), live({}, "daily", "a")])
    assert list(found.archetypes.items()) == [("a", 2), ("b", 1)]
    assert list(found.cadences.items()) == [("hourly", 1), ("daily", 2)]


def test_after_a_plan_is_what_its_steps_leave() -> None:
    catalog, drifted = scenarios.CATALOG, scenarios.drifted()
    kept, pruned = plan(catalog, drifted), plan(catalog, drifted, Intent(prune=True, recreate=True))
    after_kept, after_pruned = use(kept).after, use(pruned).after
    assert use(kept).before == shares(drifted.personas)
    emails = {persona.email for persona in drifted.personas}
    wanted = [persona for persona in catalog.personas if persona.email in emails | {"persona.yumi@mana.test"}]
    assert after_pruned.modules == pytest.approx(shares(wanted).modules)
    assert after_kept.personas == after_pruned.personas + 1


def test_a_plan_that_mends_everything_leaves_the_use_of_the_catalog() -> None:
    catalog = scenarios.CATALOG
    assert use(plan(catalog, Live())).after == shares(catalog.personas)


def test_what_a_cleanup_deletes_is_used_no_more() -> None:
    cleaned = plan(scenarios.CATALOG, scenarios.IN_SYNC, Intent(purpose="cleanup"))
    found = use(cleaned)
    assert found.before is not None
    assert (found.before.personas, found.after.personas) == (10, 0)


def test_what_changes_nothing_means_nothing() -> None:
    assert meaning(scenarios.dry_run()) is not None
    assert (
        meaning(scenarios.base("seed", plan=plan(scenarios.CATALOG, scenarios.IN_SYNC), dry_run=True)) is None
    )
    assert meaning(scenarios.seeded()) is None
    assert meaning(scenarios.cleanup_preview()) is None
    offline = meaning(scenarios.offline())
    assert offline is not None
    assert offline.before is None


def test_only_modules_whose_share_changes_are_told_and_those_that_are_gone_too() -> None:
    before, after = Shares(modules={"a": 0.5, "c": 0.5}), Shares(modules={"b": 0.5, "c": 0.5})
    assert ranked(Usage(before=before, after=after)) == [("b", 0.0, 0.5), ("a", 0.5, 0.0)]
    assert ranked(Usage(before=None, after=after)) == [("b", 0.0, 0.5), ("c", 0.0, 0.5)]
    assert remarks(Usage(before=before, after=after))[0] == "1 other module keeps its share."


def test_counts_show_both_sides_and_end_with_how_many_more_there_are() -> None:
    before, after = Shares(archetypes={"a": 1, "b": 2}), Shares(archetypes={"b": 3})
    assert counted(Usage(before=before, after=after), "archetypes") == ["b 2 → 3", "a 1 → 0"]
    assert counted(Usage(before=None, after=after), "archetypes") == ["b 3"]
    many = Shares(archetypes={str(n): 1 for n in range(50)})
    assert counted(Usage(before=None, after=many), "archetypes")[-1] == "and 38 more"


@pytest.mark.parametrize(
    ("old", "new", "told"), [(0.1, 0.2, "+10.0"), (0.2, 0.1, "−10.0"), (0.1, 0.1004, "")]
)
def test_a_difference_is_told_in_points(old: float, new: float, told: str) -> None:
    assert points(old, new) == told


@given(st.lists(st.dictionaries(st.text(max_size=3), st.floats(0, 1e300), max_size=4), max_size=6))
def test_shares_add_up_to_one_or_to_nothing(mixes: list[dict[str, float]]) -> None:
    told = shares([live(mix) for mix in mixes]).modules.values()
    assert not told or sum(told) == pytest.approx(1, abs=1e-4)
    assert all(0 <= share <= 1 for share in told)
