from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.reconcile.live import Live
from personas.reconcile.plan import Intent, plan
from personas.report.usage import Usage, after, before, counted, meaning, points, ranked, usage
from personas.service.models import LivePersona

from . import scenarios


def live(mix: dict[str, float] | None, cadence: str | None = "daily", archetype: str = "x") -> LivePersona:
    return LivePersona.model_construct(
        user_id="u", email="e@mana.test", archetype=archetype, tick_cadence=cadence, module_mix=mix
    )


def test_use_is_normalised_weights_times_ticks_a_week() -> None:
    use = usage(
        [live({"todo": 2, "mail": 2}, "hourly"), live({"mail": 9}, "daily"), live({"todo": 0.1}, "weekdays")]
    )
    assert use.ticks == 168 + 7 + 5
    assert dict(use.modules) == pytest.approx({"mail": 91 / 180, "todo": 89 / 180})
    assert list(use.modules) == ["mail", "todo"]


def test_weights_that_are_all_zero_use_nothing() -> None:
    use = usage([live({"todo": 0, "mail": 0}), live({"notes": 1})])
    assert dict(use.modules) == {"notes": 1}
    assert use.ticks == 7
    assert usage([live({})]).modules == {}


def test_what_is_not_told_is_counted_and_left_out() -> None:
    use = usage([live(None), live({"todo": 1}, None), live({"todo": 1}, "yearly"), live({"mail": 1})])
    assert (use.personas, use.not_told) == (4, 3)
    assert dict(use.modules) == {"mail": 1}


@pytest.mark.parametrize("weight", [1e308, 5e-324, 10**400, math.inf, math.nan, -1])
def test_no_weight_is_too_strange(weight: float) -> None:
    use = usage([live({"a": weight, "b": weight, "c": 1.0})])
    assert sum(use.modules.values()) == pytest.approx(1)


def test_archetypes_and_cadences_are_counted() -> None:
    use = usage([live({}, "daily", "b"), live({}, "hourly", "a"), live({}, "daily", "a")])
    assert list(use.archetypes.items()) == [("a", 2), ("b", 1)]
    assert list(use.cadences.items()) == [("hourly", 1), ("daily", 2)]


def test_after_a_plan_is_what_its_steps_leave() -> None:
    catalog, drifted = scenarios.catalog(), scenarios.drifted()
    kept, pruned = plan(catalog, drifted), plan(catalog, drifted, Intent(prune=True, recreate=True))
    assert before(kept) == usage(drifted.personas)
    emails = {persona.email for persona in drifted.personas}
    wanted = [persona for persona in catalog.personas if persona.email in emails | {"persona.yumi@mana.test"}]
    assert after(pruned).modules == pytest.approx(usage(wanted).modules)
    assert after(kept).personas == after(pruned).personas + 1


def test_a_plan_that_mends_everything_leaves_the_use_of_the_catalog() -> None:
    catalog = scenarios.catalog()
    assert after(plan(catalog, Live())) == usage(catalog.personas)


def test_what_a_cleanup_deletes_is_used_no_more() -> None:
    cleaned = plan(scenarios.catalog(), scenarios.in_sync(), Intent(purpose="cleanup"))
    assert before(cleaned).personas == 10
    assert after(cleaned).personas == 0


def test_what_changes_nothing_means_nothing() -> None:
    assert meaning(scenarios.dry_run()) is not None
    assert meaning(replace(scenarios.sync(), dry_run=True)) is None
    assert meaning(scenarios.seeded()) is None
    assert meaning(scenarios.cleanup_preview()) is None
    offline = meaning(scenarios.offline())
    assert offline is not None
    assert offline[0] is None


def test_modules_that_are_gone_are_told_and_counts_show_both_sides() -> None:
    assert ranked(Usage(modules={"a": 1.0}), Usage(modules={"b": 1.0})) == [("b", 0.0, 1.0), ("a", 1.0, 0.0)]
    assert counted({"a": 1, "b": 2}, {"b": 3}) == ["b\xa02\xa0→\xa03", "a\xa01\xa0→\xa00"]
    assert counted({}, {"b": 3}) == ["b\xa03"]
    assert len(counted({}, {str(n): 1 for n in range(50)})) == 13
    assert (points(0.1, 0.2), points(0.2, 0.1), points(0.1, 0.1004)) == ("+10.0", "−10.0", "")


@given(st.lists(st.dictionaries(st.text(max_size=3), st.floats(0, 1e300), max_size=4), max_size=6))
def test_shares_add_up_to_one_or_to_nothing(mixes: list[dict[str, float]]) -> None:
    shares = usage([live(mix) for mix in mixes]).modules.values()
    assert not shares or sum(shares) == pytest.approx(1)
    assert all(0 <= share <= 1 + 1e-9 for share in shares)
