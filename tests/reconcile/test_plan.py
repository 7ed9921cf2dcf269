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
from personas.reconcile.only import matches_any
from personas.reconcile.plan import Change, FieldChange, Intent, Plan, State, Step, plan
from personas.service.models import LivePersona, Login, LoginCheck

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
    ("owner", "state", "step", "reason"),
    [
        (Owner(Ownership.FREE), State.CREATE, Step.CREATE, ""),
        (Owner(Ownership.OURS), State.CREATE, Step.CREATE, "heals a half-created persona of ours"),
        (
            Owner(Ownership.FOREIGN),
            State.COLLISION,
            None,
            "this email belongs to a user who is not one of ours",
        ),
        (Owner(Ownership.FOREIGN, "unseen"), State.COLLISION, None, "unseen"),
        (
            Owner(Ownership.NOT_KNOWN, "busy"),
            State.NOT_KNOWN,
            None,
            "whose this email is, is not known: busy",
        ),
        (Owner(Ownership.NOT_CHECKED), State.CREATE, Step.CREATE, ""),
        (None, State.CREATE, Step.CREATE, ""),
    ],
)
@pytest.mark.parametrize("intent", [Intent(), Intent(prune=True, recreate=True, force=True)])
def test_whose_an_email_is_decides_about_creating(
    owner: Owner | None, state: State, step: Step | None, reason: str, intent: Intent
) -> None:
    change = only_change(Live(owners={KEY: owner} if owner else {}), intent)
    assert (change.state, change.step, change.reason) == (state, step, reason)
    assert change.unchecked is (owner is None or owner.verdict is Ownership.NOT_CHECKED)


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
    "live",
    [
        {"module_mix": {"notes": 1.0, "todo": 0.5}},
        {"module_mix": {"todo": 1 / 2, "notes": True + 0}},
        {"name": None},
        {"email": KEY.upper()},
    ],
    ids=["another order", "other kinds of number", "a name that is not told", "other letters"],
)
def test_what_means_the_same_is_in_sync(live: dict[str, Any]) -> None:
    assert only_change(make_live(make_live_persona(ADA, **live))).state is State.IN_SYNC


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
    ("verdict", "state", "recreated"),
    [
        (Login.WORKS, State.IN_SYNC, None),
        (Login.WRONG_PASSWORD, State.LOCKED_OUT, Step.RECREATE),
        (Login.NOT_KNOWN, State.NOT_KNOWN, None),
    ],
)
def test_what_signing_in_told_decides_about_a_persona_that_is_else_in_sync(
    verdict: Login, state: State, recreated: Step | None
) -> None:
    live = make_live(ADA, logins={KEY: LoginCheck(verdict, "a limit")})
    for intent, step in ((Intent(), None), (Intent(recreate=True), recreated)):
        change = only_change(live, intent)
        assert (change.state, change.step) == (state, step)


def test_a_persona_that_was_not_read_is_not_in_sync_and_not_written() -> None:
    change = only_change(make_live(ADA, unread={KEY: "it timed out"}), Intent(prune=True, recreate=True))
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
Situation = tuple[Catalog, Live, Intent]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    catalog = make_catalog(*draw(st.lists(WHO, unique=True, min_size=1)))
    live = [
        make_live_persona(who, **draw(LIVE), user_id=f"id{number}")
        for number, who in enumerate(draw(st.lists(WHO)))
    ]
    return catalog, Live(personas=tuple(live), owners=draw(OWNERS)), draw(INTENTS)


@given(situations(), st.randoms(use_true_random=False))
def test_a_plan_is_sorted_and_the_same_whatever_the_order_of_the_service(
    situation: Situation, shuffle: random.Random
) -> None:
    catalog, live, intent = situation
    shuffled = list(live.personas)
    shuffle.shuffle(shuffled)
    first = plan(catalog, live, intent)
    second = plan(catalog, replace(live, personas=tuple(shuffled)), intent)
    assert first == second
    assert first.checksum == second.checksum
    assert list(first.changes) == sorted(first.changes)


@given(situations())
def test_every_persona_of_either_side_is_in_the_plan_once(situation: Situation) -> None:
    catalog, live, intent = situation
    made = plan(catalog, live, intent)
    assert {c.wanted.email for c in made if c.wanted} == {p.email for p in catalog.personas}
    assert sorted(c.existing.user_id for c in made if c.existing) == sorted(p.user_id for p in live.personas)
    assert sum(made.counts.values()) == len(made)


@given(situations())
def test_no_plan_writes_what_is_not_ours_or_not_known(situation: Situation) -> None:
    catalog, live, intent = situation
    for change in plan(catalog, live, intent).steps:
        assert change.key.endswith("@mana.test") or intent.force
        assert change.step is Step.DELETE or change.state not in {State.COLLISION, State.NOT_KNOWN}
        if change.step is Step.DELETE:
            assert intent.prune or intent.purpose == "cleanup"
        if intent.purpose == "seed":
            assert change.state not in {State.COLLISION, State.NOT_KNOWN, State.IN_SYNC}


@given(situations())
def test_a_plan_in_sync_has_no_steps_and_only_then_nothing_differs(situation: Situation) -> None:
    catalog, live, intent = situation
    made = plan(catalog, live, replace(intent, purpose="seed"))
    if made.in_sync:
        assert made.steps == ()
        assert {c.key: c.existing.archetype for c in made if c.existing} == {
            p.email: p.archetype for p in catalog.personas
        }


@given(situations())
def test_no_plan_holds_a_password_or_a_secret(situation: Situation) -> None:
    text = repr(plan(*situation))
    assert SECRET not in text
    assert not any(derive_password(p.email, SECRET) in text for p in situation[0].personas)


@given(situations(), situations())
def test_plans_have_the_same_checksum_only_when_they_do_the_same(one: Situation, other: Situation) -> None:
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
    made = plan(make_catalog("ada", "bo", "cy"), live).checksum
    assert plan(make_catalog("bo", "cy", "ada"), live).checksum == made
    assert plan(make_catalog("ada", "dee"), make_live("dee")).checksum == made


def test_the_checksum_covers_where_the_plan_would_be_carried_out() -> None:
    one, other = (Live(service=f"https://auth{n}.example.com") for n in (1, 2))
    assert plan(make_catalog(ADA), one).checksum != plan(make_catalog(ADA), other).checksum
    assert plan(make_catalog(ADA), one).checksum == plan(make_catalog(ADA), one).checksum


def test_a_checksum_is_32_digits_also_for_text_that_cannot_be_stored() -> None:
    live = make_live(make_live_persona(ADA, system_prompt="\ud800\x00"))
    checksum = plan(make_catalog(ADA), live).checksum
    assert len(checksum) == 32
    assert int(checksum, 16) >= 0


def test_very_many_personas_are_planned_whole() -> None:
    wanted = tuple(make_persona(f"p{n}") for n in range(5_000))
    live = make_live(*(make_live_persona(p, archetype="old") for p in wanted[:2_000]))
    made = plan(Catalog(personas=wanted), live)
    assert (made.counts[State.UPDATE], made.counts[State.CREATE], len(made.steps)) == (2_000, 3_000, 5_000)


# Accounts that may be somebody else's

EVE = make_live_persona(ADA, name="Eve", user_id="u7")
CLEANUP, RECREATE = Intent("cleanup"), Intent(recreate=True)
WRONG, WORKS = LoginCheck(Login.WRONG_PASSWORD), LoginCheck(Login.WORKS)
LIMITED = LoginCheck(Login.NOT_KNOWN, "a limit")


@pytest.mark.parametrize("login", [WRONG, LIMITED])
@pytest.mark.parametrize("intent", [CLEANUP, RECREATE])
def test_an_account_with_another_name_whose_password_is_not_ours_is_left_alone_without_force(
    login: LoginCheck, intent: Intent
) -> None:
    live = make_live(EVE, logins={KEY: login})
    made = plan(make_catalog(ADA), live, intent)
    assert made.steps == ()
    assert "left alone without --force" in made.changes[0].reason
    (note,) = made.notes
    assert note.startswith(f"{KEY} (user u7) may be somebody else's account, left alone without")
    forced = plan(make_catalog(ADA), live, replace(intent, force=True))
    assert [change.step for change in forced] == [Step.DELETE if intent is CLEANUP else Step.RECREATE]
    (note,) = forced.notes
    assert note.startswith(f"{KEY} (user u7) may be somebody else's account, to be looked at")


@pytest.mark.parametrize("intent", [CLEANUP, RECREATE])
@pytest.mark.parametrize(("account", "login"), [(EVE, WORKS), (make_live_persona(ADA), WRONG)])
def test_an_account_is_ours_where_its_name_or_the_derived_password_says_so(
    account: LivePersona, login: LoginCheck, intent: Intent
) -> None:
    made = plan(make_catalog(ADA), make_live(account, logins={KEY: login}), intent)
    assert len(made.steps) == 1
    assert made.notes == ()


@pytest.mark.parametrize("intent", [CLEANUP, RECREATE])
def test_an_account_with_another_name_is_deleted_untried_but_named_before(intent: Intent) -> None:
    made = plan(make_catalog(ADA), make_live(EVE), intent)
    assert [(change.doubt is not None, change.step is not None) for change in made] == [(True, True)]
    (note,) = made.notes
    assert "(user u7) may be somebody else's account, to be looked at before it is deleted" in note
    assert "its password was not tried" in note


def test_nothing_is_written_to_an_account_with_another_name_and_another_password() -> None:
    live = make_live(EVE.model_copy(update={"archetype": "old"}), logins={KEY: WRONG})
    assert only_change(live).step is None
    assert only_change(live, Intent(force=True)).step is Step.UPDATE


def test_without_a_question_of_deleting_another_name_is_drift_and_no_more() -> None:
    made = plan(make_catalog(ADA), make_live(EVE, logins={KEY: LIMITED}))
    assert made.counts[State.RECREATE] == 1
    assert made.notes == ()


@pytest.mark.parametrize("intent", [CLEANUP, Intent(prune=True)])
@pytest.mark.parametrize(("name", "deleted"), [("Ada", True), ("Eve", False)])
def test_a_second_account_with_an_email_is_left_alone_where_its_name_is_another(
    name: str, deleted: bool, intent: Intent
) -> None:
    double = make_live_persona(ADA, user_id="second", email=KEY.upper(), name=name)
    live = make_live(ADA, double, logins={KEY: WORKS})
    (change,) = plan(make_catalog(ADA), live, intent).of(State.STRAY)
    assert (change.step is Step.DELETE) is deleted


@pytest.mark.parametrize("intent", [CLEANUP, replace(CLEANUP, force=True)])
def test_an_account_whose_name_could_not_be_read_is_left_alone_without_force(intent: Intent) -> None:
    live = make_live(make_live_persona(ADA, name=None), unread={KEY: "it timed out"}, details=False)
    (change,) = plan(make_catalog(ADA), live, intent)
    assert (change.step is Step.DELETE) is intent.force


@pytest.mark.parametrize(("number", "last"), [(9, "4 more such accounts are left alone."), (6, "")])
def test_many_doubtful_accounts_are_counted(number: int, last: str) -> None:
    who = [f"p{n}" for n in range(number)]
    live = make_live(
        *(make_live_persona(w, name="Eve") for w in who),
        logins={f"persona.{w}@mana.test": WRONG for w in who},
    )
    notes = plan(make_catalog(*who), live, CLEANUP).notes
    assert len(notes) == 6
    assert notes[-1] == last or not last


# The list alone


@pytest.mark.parametrize(
    ("listed", "fields"),
    [
        ({}, []),
        ({"name": None, "archetype": None, "tick_cadence": None}, []),
        ({"archetype": "old", "tick_cadence": "hourly"}, ["archetype", "tickCadence"]),
        ({"name": "Adele"}, ["name"]),
    ],
)
def test_from_the_list_alone_drift_is_what_the_list_tells_and_nothing_is_in_sync(
    listed: dict[str, Any], fields: list[str]
) -> None:
    live = make_live(
        make_live_persona(ADA, **{"system_prompt": None, "module_mix": None, **listed}), details=False
    )
    made = plan(make_catalog(ADA), live, CLEANUP)
    assert [item.field for item in made.changes[0].fields] == fields
    assert not made.in_sync


# Changed emails


@pytest.mark.parametrize(
    ("prune", "fate"),
    [
        (False, "stays, with its actions and feedback. To delete it: personas seed --prune"),
        (True, "is deleted"),
    ],
)
def test_a_changed_email_is_told_with_what_becomes_of_the_old_account(prune: bool, fate: str) -> None:
    old = make_live_persona(ADA, email="persona.old@mana.test", name="ADA")
    made = plan(make_catalog(ADA, "bo"), make_live(old, "eve"), Intent(prune=prune))
    (note,) = made.notes
    assert note.startswith(
        f"{KEY} looks like persona.old@mana.test with a changed email: it gets a new account"
    )
    assert fate in note
    reasons = {change.key: change.reason for change in made}
    assert reasons[KEY] == "looks like persona.old@mana.test with a changed email"
    assert f"looks like {KEY} before its email was changed" in reasons["persona.old@mana.test"]
    assert "looks like" not in reasons["persona.eve@mana.test"] + reasons["persona.bo@mana.test"]


@pytest.mark.parametrize(
    "strays",
    [
        [make_live_persona("x", name="Ada"), make_live_persona("y", name="ada")],
        [make_live_persona("x", name=None)],
        [make_live_persona("x", name="Adam")],
    ],
)
def test_no_email_looks_changed_where_names_do_not_tell(strays: list[Any]) -> None:
    assert plan(make_catalog(ADA), make_live(*strays)).notes == ()


def test_a_change_has_the_name_and_archetype_of_the_catalog_or_else_the_live_ones() -> None:
    live = make_live(
        make_live_persona(ADA, archetype="old"),
        make_live_persona("eve", archetype="lurker"),
        make_live_persona("fay", name=None, archetype=None),
    )
    assert {(change.name, change.archetype) for change in plan(make_catalog(ADA), live)} == {
        ("Ada", "researcher"),
        ("Eve", "lurker"),
        ("", ""),
    }
