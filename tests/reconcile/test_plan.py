from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import SECRET, make_catalog, make_live, make_live_persona, make_persona

from personas.catalog.reading import Cadence, Catalog
from personas.passwords import derive_password
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.plan import Change, FieldChange, Intent, Plan, State, Step, matches_any, plan
from personas.service.models import Login, LoginCheck

ADA = make_persona("ada")
KEY = ADA.email


def only_change(live: Live, intent: Intent | None = None) -> Change:
    (change,) = plan(make_catalog(ADA), live, intent)
    return change


def test_a_persona_that_is_live_as_wanted_is_in_sync_and_left_alone() -> None:
    made = plan(make_catalog(ADA), make_live(ADA))
    assert made.changes == (
        Change(KEY, State.IN_SYNC, wanted=made.changes[0].wanted, existing=make_live_persona(ADA)),
    )
    assert made.in_sync
    assert made.steps == made.drift == ()


@pytest.mark.parametrize(
    ("owner", "state", "step", "unchecked"),
    [
        (Owner(Ownership.FREE), State.CREATE, Step.CREATE, False),
        (Owner(Ownership.OURS), State.CREATE, Step.CREATE, False),
        (Owner(Ownership.FOREIGN), State.COLLISION, None, False),
        (Owner(Ownership.NOT_KNOWN, "busy"), State.NOT_KNOWN, None, False),
        (Owner(Ownership.NOT_CHECKED), State.CREATE, Step.CREATE, True),
        (None, State.CREATE, Step.CREATE, True),
    ],
)
@pytest.mark.parametrize("intent", [Intent(), Intent(prune=True, recreate=True, force=True)])
def test_whose_an_email_is_decides_about_creating(
    owner: Owner | None, state: State, step: Step | None, unchecked: bool, intent: Intent
) -> None:
    change = only_change(Live(owners={KEY: owner} if owner else {}), intent)
    assert (change.state, change.step, change.unchecked) == (state, step, unchecked)


@pytest.mark.parametrize(
    ("live", "field", "old", "new"),
    [
        ({"archetype": "other"}, "archetype", "other", "researcher"),
        ({"archetype": None}, "archetype", None, "researcher"),
        ({"system_prompt": "Else."}, "systemPrompt", "Else.", ADA.system_prompt),
        ({"module_mix": {"todo": 0.4, "notes": 1}}, "moduleMix", {"todo": 0.4, "notes": 1}, ADA.module_mix),
        ({"module_mix": None}, "moduleMix", None, ADA.module_mix),
        ({"tick_cadence": "hourly"}, "tickCadence", "hourly", "daily"),
        ({"tick_cadence": None}, "tickCadence", None, "daily"),
    ],
)
def test_a_field_that_differs_is_updated_and_told_old_and_new(
    live: dict[str, Any], field: str, old: Any, new: Any
) -> None:
    change = only_change(make_live(make_live_persona(ADA, **live)))
    assert (change.state, change.step) == (State.UPDATE, Step.UPDATE)
    assert change.fields == (FieldChange(field, old, new),)


@pytest.mark.parametrize(
    "mix", [{"notes": 1.0, "todo": 0.5}, {"todo": 0.50, "notes": 1}, {"todo": 1 / 2, "notes": True + 0}]
)
def test_weights_compare_as_numbers_whatever_their_order_and_kind(mix: dict[str, float]) -> None:
    assert only_change(make_live(make_live_persona(ADA, module_mix=mix))).state is State.IN_SYNC


def test_a_name_that_the_service_does_not_tell_is_no_drift() -> None:
    assert only_change(make_live(make_live_persona(ADA, name=None))).state is State.IN_SYNC


def test_an_email_in_other_letters_is_the_same_persona() -> None:
    assert only_change(make_live(make_live_persona(ADA, email=KEY.upper()))).state is State.IN_SYNC


@pytest.mark.parametrize(
    ("other", "recreate", "step"),
    [
        ({"name": "Eve"}, False, None),
        ({"name": "Eve"}, True, Step.RECREATE),
        ({"name": "Eve", "archetype": "x"}, False, Step.UPDATE),
        ({"name": "Eve", "archetype": "x"}, True, Step.RECREATE),
    ],
)
def test_a_name_is_mended_by_recreating_only_and_never_said_to_be_updated(
    other: dict[str, str], recreate: bool, step: Step | None
) -> None:
    change = only_change(make_live(make_live_persona(ADA, **other)), Intent(recreate=recreate))
    assert (change.state, change.step) == (State.RECREATE, step)
    assert FieldChange("name", "Eve", "Ada", mendable=False) in change.fields
    assert ("only --recreate mends this" in change.reason) is not recreate


@pytest.mark.parametrize(
    ("verdict", "state", "step"),
    [
        (Login.WORKS, State.IN_SYNC, None),
        (Login.WRONG_PASSWORD, State.LOCKED_OUT, None),
        (Login.NOT_KNOWN, State.NOT_KNOWN, None),
    ],
)
def test_what_signing_in_told_decides_about_a_persona_that_is_else_in_sync(
    verdict: Login, state: State, step: Step | None
) -> None:
    change = only_change(replace(make_live(ADA), logins={KEY: LoginCheck(verdict, "a limit")}))
    assert (change.state, change.step) == (state, step)


def test_a_locked_out_persona_is_recreated_when_that_is_meant() -> None:
    live = replace(make_live(ADA), logins={KEY: LoginCheck(Login.WRONG_PASSWORD)})
    assert only_change(live, Intent(recreate=True)).step is Step.RECREATE


def test_a_persona_that_was_not_read_is_not_in_sync_and_not_written() -> None:
    change = only_change(
        replace(make_live(ADA), unread={KEY: "it timed out"}), Intent(prune=True, recreate=True)
    )
    assert (change.state, change.step) == (State.NOT_KNOWN, None)
    assert "it timed out" in change.reason


@pytest.mark.parametrize(
    ("email", "intent", "step"),
    [
        ("stray@mana.test", Intent(), None),
        ("stray@mana.test", Intent(force=True), None),
        ("stray@mana.test", Intent(prune=True), Step.DELETE),
        ("stray@example.com", Intent(prune=True), None),
        ("stray@evilmana.test", Intent(prune=True), None),
        ("stray@mana.test.example.com", Intent(prune=True), None),
        ("stray@example.com", Intent(prune=True, force=True), Step.DELETE),
        ("stray@mana.test", Intent("cleanup"), Step.DELETE),
        ("stray@example.com", Intent("cleanup"), None),
        ("stray@example.com", Intent("cleanup", force=True), Step.DELETE),
    ],
)
def test_a_stray_is_deleted_only_when_that_is_meant_and_it_is_one_of_ours(
    email: str, intent: Intent, step: Step | None
) -> None:
    stray = make_live_persona("stray", email=email)
    (change,) = plan(make_catalog(ADA), make_live(ADA, stray), intent).of(State.STRAY)
    assert (change.key, change.step) == (email, step)
    if step is None and intent.prune:
        assert "--force" in change.reason


def test_cleanup_deletes_what_the_catalog_has_too_and_creates_nothing() -> None:
    made = plan(make_catalog("ada", "bo", "cy"), make_live("ada", "eve"), Intent("cleanup"))
    assert {(c.key, c.step) for c in made.steps} == {
        ("persona.ada@mana.test", Step.DELETE),
        ("persona.eve@mana.test", Step.DELETE),
    }
    assert made.counts[State.CREATE] == 2


def test_without_a_catalog_nothing_is_known_but_cleanup_can_delete() -> None:
    made = plan(None, make_live("ada", "bo"), Intent("cleanup"))
    assert not made.in_sync
    assert not made.catalog_known
    assert [change.state for change in made] == [State.NOT_KNOWN] * 2
    assert [change.step for change in made] == [Step.DELETE] * 2


def test_a_second_live_persona_with_the_same_email_is_a_stray() -> None:
    double = make_live_persona(ADA, user_id="second", email=KEY.upper())
    made = plan(make_catalog(ADA), make_live(ADA, double))
    assert [(c.state, c.existing.user_id if c.existing else "") for c in made] == [
        (State.STRAY, "second"),
        (State.IN_SYNC, f"id-{KEY}"),
    ]


def test_a_user_that_is_listed_twice_is_one() -> None:
    assert plan(make_catalog(ADA), make_live(ADA, ADA)).in_sync


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("persona.ada@mana.test", ["ada"]),
        ("persona.ada", ["ada"]),
        ("ada", ["ada"]),
        ("ADA", ["ada"]),
        ("a*", ["ada"]),
        ("researcher", ["ada", "bo"]),
        ("old", ["bo"]),
        ("nobody", []),
        ("[", []),
    ],
)
def test_only_means_email_local_part_name_or_archetype_of_either_side(pattern: str, keys: list[str]) -> None:
    live = make_live(make_live_persona("bo", archetype="old"))
    made = plan(make_catalog("ada", "bo"), live, only=pattern)
    assert sorted(change.key for change in made) == [f"persona.{key}@mana.test" for key in keys]
    assert not made.whole


@pytest.mark.parametrize(
    ("patterns", "keys"),
    [(("ada", "b*"), ["ada", "bo"]), (["nobody", "CY"], ["cy"]), ({"cy"}, ["cy"]), ((), ["ada", "bo", "cy"])],
)
def test_of_several_patterns_each_adds_what_it_means_and_no_pattern_leaves_nothing_out(
    patterns: Collection[str], keys: list[str]
) -> None:
    made = plan(make_catalog("ada", "bo", "cy"), make_live("ada"), only=patterns)
    assert sorted(change.key for change in made) == [f"persona.{key}@mana.test" for key in keys]
    assert made.whole is not bool(patterns)


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [("Straße", "STRASSE", True), (None, "*", False), ("a.b", "a?b", True), ("x", "", False)],
)
def test_a_pattern_ignores_case(text: str | None, pattern: str, fits: bool) -> None:
    assert matches_any([text], pattern) is fits


# Properties of any plan

WHO = st.sampled_from(["ada", "bo", "cy", "dee", "eli", "fay"])
LIVE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([None, "Eve"]),
        "archetype": st.sampled_from([None, "other"]),
        "tick_cadence": st.sampled_from(list(Cadence)).map(str),
        "system_prompt": st.text(max_size=30),
        "module_mix": st.dictionaries(st.text(max_size=5), st.floats(0, 9), max_size=3),
        "email": st.sampled_from(["x@mana.test", "y@example.com"]),
    },
)
OWNERS = st.dictionaries(
    WHO.map(lambda who: f"persona.{who}@mana.test"), st.sampled_from(Ownership).map(Owner), max_size=6
)
INTENTS = st.builds(
    Intent,
    st.sampled_from(["seed", "cleanup"]),
    prune=st.booleans(),
    recreate=st.booleans(),
    force=st.booleans(),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Catalog, Live, Intent]:
    catalog = make_catalog(*draw(st.lists(WHO, unique=True, min_size=1)))
    live = [
        make_live_persona(who, **draw(LIVE), user_id=f"id{number}")
        for number, who in enumerate(draw(st.lists(WHO)))
    ]
    return catalog, Live(personas=tuple(live), owners=draw(OWNERS)), draw(INTENTS)


@given(situations(), st.randoms(use_true_random=False))
def test_a_plan_is_sorted_and_the_same_whatever_the_order_of_the_service(
    situation: tuple[Catalog, Live, Intent], shuffle: random.Random
) -> None:
    catalog, live, intent = situation
    shuffled = list(live.personas)
    shuffle.shuffle(shuffled)
    first, second = (
        plan(catalog, live, intent),
        plan(catalog, replace(live, personas=tuple(shuffled)), intent),
    )
    assert first == second
    assert first.checksum == second.checksum
    assert list(first.changes) == sorted(first.changes)


@given(situations())
def test_every_persona_of_either_side_is_in_the_plan_once(situation: tuple[Catalog, Live, Intent]) -> None:
    catalog, live, intent = situation
    made = plan(catalog, live, intent)
    assert {c.wanted.email for c in made if c.wanted} == {p.email for p in catalog.personas}
    assert sorted(c.existing.user_id for c in made if c.existing) == sorted(p.user_id for p in live.personas)
    assert sum(made.counts.values()) == len(made)


@given(situations())
def test_no_plan_writes_what_is_not_ours_or_not_known(situation: tuple[Catalog, Live, Intent]) -> None:
    catalog, live, intent = situation
    for change in plan(catalog, live, intent).steps:
        assert change.key.endswith("@mana.test") or intent.force
        assert change.step is Step.DELETE or change.state not in {State.COLLISION, State.NOT_KNOWN}
        if change.step is Step.DELETE:
            assert intent.prune or intent.purpose == "cleanup"
        if intent.purpose == "seed":
            assert change.state not in {State.COLLISION, State.NOT_KNOWN, State.IN_SYNC}


@given(situations())
def test_a_plan_in_sync_has_no_steps_and_only_then_nothing_differs(
    situation: tuple[Catalog, Live, Intent],
) -> None:
    catalog, live, intent = situation
    made = plan(catalog, live, replace(intent, purpose="seed"))
    if made.in_sync:
        assert made.steps == ()
        assert {c.key: c.existing.archetype for c in made if c.existing} == {
            p.email: p.archetype for p in catalog.personas
        }


@given(situations())
def test_no_plan_holds_a_password_or_a_secret(situation: tuple[Catalog, Live, Intent]) -> None:
    catalog, live, intent = situation
    text = repr(plan(catalog, live, intent))
    assert SECRET not in text
    assert not any(derive_password(p.email, SECRET) in text for p in catalog.personas)


@given(situations(), situations())
def test_plans_have_the_same_checksum_only_when_they_do_the_same(
    one: tuple[Catalog, Live, Intent], other: tuple[Catalog, Live, Intent]
) -> None:
    first, second = plan(*one), plan(*other)

    def does(made: Plan) -> list[tuple[object, ...]]:
        return [(c.key, c.step, c.existing and c.existing.user_id, c.wanted, c.fields) for c in made.steps]

    if first.checksum == second.checksum:
        assert does(first) == does(second)
    if does(first) != does(second):
        assert first.checksum != second.checksum


@pytest.mark.parametrize(
    "change",
    [
        {"system_prompt": ADA.system_prompt + "!"},
        {"module_mix": {"todo": 0.6, "notes": 1}},
        {"tick_cadence": Cadence.HOURLY},
        {"archetype": "other"},
        {"name": "Ada L."},
    ],
)
@pytest.mark.parametrize("live", [Live(), make_live(make_live_persona(ADA, archetype="old", name="Old"))])
def test_the_checksum_changes_with_every_field_that_would_be_written(
    change: dict[str, Any], live: Live
) -> None:
    before, after = make_catalog(ADA), make_catalog(ADA.model_copy(update=change))
    assert plan(before, live).checksum != plan(after, live).checksum


def test_the_checksum_does_not_change_with_what_is_in_sync_or_where_it_stands() -> None:
    live = make_live("bo", "cy")
    assert (
        plan(make_catalog("ada", "bo", "cy"), live).checksum
        == plan(make_catalog("bo", "cy", "ada"), live).checksum
    )
    assert (
        plan(make_catalog("ada", "bo"), make_live("bo")).checksum
        == plan(make_catalog("ada", "cy"), make_live("cy")).checksum
    )


def test_a_checksum_is_sixteen_digits_also_for_text_that_cannot_be_stored() -> None:
    live = make_live(make_live_persona(ADA, system_prompt="\ud800\x00"))
    checksum = plan(make_catalog(ADA), live).checksum
    assert len(checksum) == 16
    assert int(checksum, 16) >= 0


def test_very_many_personas_are_planned_whole() -> None:
    wanted = tuple(make_persona(f"p{n}") for n in range(5_000))
    live = make_live(*(make_live_persona(p, archetype="old") for p in wanted[:2_000]))
    made = plan(Catalog(personas=wanted), live)
    assert (made.counts[State.UPDATE], made.counts[State.CREATE], len(made.steps)) == (2_000, 3_000, 5_000)
