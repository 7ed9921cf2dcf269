from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.catalog.models import Persona
from personas.errors import UsageError
from personas.reconcile.changes import Change, FieldChange, LiveState, Options, Owner, Ownership, Plan, Status
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.services.models import FoundUser, LivePersona, PasswordCheck

from .making import (
    FLEXIBLE,
    LIMITED,
    RIGHT,
    UNTOLD,
    WRONG,
    describe,
    email_of,
    entry,
    make_catalog,
    make_live,
    make_state,
    plan_for,
)

ADA = email_of("ada")
USER = FoundUser("u1", ADA)


def owned(ownership: Ownership, reason: str = "") -> dict[str, Owner]:
    return {ADA: Owner(ownership=ownership, reason=reason, user=USER)}


def only_change(state: LiveState, **options: Any) -> Change:
    (change,) = plan_for(make_catalog("ada"), state, **options).changes
    return change


# One persona of the catalog


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ({}, ("create", "create", "")),
        (owned(Ownership.FREE), ("create", "create", "")),
        (owned(Ownership.HALF_CREATED), ("create", "create", "completes a half-created persona")),
        (owned(Ownership.FOREIGN), ("conflict", "", "belongs to an account that is not a persona")),
        (
            owned(Ownership.UNKNOWN, "HTTP 500"),
            ("unknown", "", "cannot determine who owns this email: HTTP 500"),
        ),
    ],
)
@pytest.mark.parametrize("everything", [False, True])
def test_owner_of_new_email_decides(
    owners: dict[str, Owner], expected: tuple[str, str, str], everything: bool
) -> None:
    change = only_change(make_state(owners=owners), prune=everything, replace=everything, force=everything)
    assert describe(change)[1:] == expected
    assert change.existing == (USER if owners else None)
    assert (change.id, change.live, change.fields, change.name) == (None, None, (), "Ada")


FIELDS: list[tuple[dict[str, Any], FieldChange]] = [
    ({"archetype": "other"}, FieldChange(field="archetype", old="other", new="researcher", line=6)),
    ({"archetype": ""}, FieldChange(field="archetype", old="", new="researcher", line=6)),
    (
        {"systemPrompt": "Else."},
        FieldChange(field="systemPrompt", old="Else.", new=entry("ada")["systemPrompt"], line=7),
    ),
    (
        {"moduleMix": {"todo": 0.4}},
        FieldChange(field="moduleMix", old={"todo": 0.4}, new={"todo": 0.5, "notes": 1.0}, line=8),
    ),
    ({"moduleMix": {}}, FieldChange(field="moduleMix", old={}, new={"todo": 0.5, "notes": 1.0}, line=8)),
    ({"tickCadence": "hourly"}, FieldChange(field="tickCadence", old="hourly", new="daily", line=12)),
    ({"emailVerified": False}, FieldChange(field="emailVerified", old="false", new="true", line=3)),
]


@pytest.mark.parametrize(("live", "field"), FIELDS)
def test_different_field_is_an_update(live: dict[str, Any], field: FieldChange) -> None:
    change = only_change(make_state(make_live("ada", **live)))
    assert describe(change) == ("ada", "update", "update", "")
    assert change.fields == (field,)
    assert (change.id, change.line, change.name) == ("id-ada", 3, "Ada")


@pytest.mark.parametrize(
    "live",
    [
        {},
        {"moduleMix": {"notes": 1.0, "todo": 1 / 2}},
        {"email": ADA.upper()},
        {"emailVerified": True},
        {"actions7d": 5, "lastActiveAt": "2026-01-01T00:00:00Z"},
    ],
    ids=["equal", "order and kind of numbers", "case of the email", "verified", "activity"],
)
def test_same_meaning_is_in_sync(live: dict[str, Any]) -> None:
    change = only_change(make_state(make_live("ada", **live)), prune=True, replace=True)
    assert describe(change) == ("ada", "in-sync", "", "")
    assert not change.is_drift


RENAMED = {"name": "Eve"}
BOTH = {"name": "Eve", "archetype": "other"}


@pytest.mark.parametrize(
    ("live", "password", "replace", "expected"),
    [
        (RENAMED, RIGHT, False, ("replace", "", "only --replace changes name")),
        (RENAMED, RIGHT, True, ("replace", "replace", "")),
        (RENAMED, UNTOLD, True, ("replace", "replace", "")),
        (BOTH, RIGHT, False, ("replace", "update", "name still differs; --replace re-creates it")),
        (BOTH, RIGHT, True, ("replace", "replace", "")),
        ({}, WRONG, False, ("replace", "", "only --replace changes password")),
        ({}, WRONG, True, ("replace", "replace", "")),
        (BOTH, WRONG, False, ("replace", "update", "name, password still differs; --replace re-creates it")),
        ({}, UNTOLD, True, ("unknown", "", "password not checked: a second factor")),
        ({}, LIMITED, False, ("unknown", "", "password not checked: too many sign-ins")),
        ({"archetype": "x"}, UNTOLD, False, ("update", "update", "password not checked: a second factor")),
        ({"archetype": "x"}, RIGHT, True, ("update", "update", "")),
        ({}, RIGHT, True, ("in-sync", "", "")),
    ],
)
def test_what_an_update_cannot_change_is_replaced_on_request(
    live: dict[str, Any], password: PasswordCheck, replace: bool, expected: tuple[str, str, str]
) -> None:
    state = make_state(make_live("ada", **live), passwords={ADA: password})
    assert describe(only_change(state, replace=replace))[1:] == expected


def test_fixed_fields_are_marked_and_a_password_has_no_values() -> None:
    state = make_state(make_live("ada", **BOTH), passwords={ADA: WRONG})
    assert only_change(state).fields == (
        FieldChange(field="name", old="Eve", new="Ada", updatable=False, line=4),
        FieldChange(field="archetype", old="other", new="researcher", line=6),
        FieldChange(field="password", updatable=False, line=3),
    )


@pytest.mark.parametrize("replace", [False, True])
def test_service_that_can_change_name_and_password_updates_them(replace: bool) -> None:
    state = make_state(make_live("ada", **BOTH), passwords={ADA: WRONG}, capabilities=FLEXIBLE)
    change = only_change(state, replace=replace)
    assert describe(change)[1:] == ("update", "update", "")
    assert [(field.field, field.updatable) for field in change.fields] == [("name", True), ("password", True)]


def test_unread_persona_is_unknown_and_not_written() -> None:
    state = make_state(make_live("ada", **BOTH), unread={"id-ada": "timed out"}, passwords={ADA: WRONG})
    change = only_change(state, prune=True, replace=True)
    assert describe(change)[1:] == ("unknown", "", "could not be read: timed out")
    assert change.fields == ()


# What was not compared


def test_fields_that_the_service_does_not_store_are_one_note() -> None:
    live = [make_live(who, archetype="x", systemPrompt=None) for who in ("ada", "bo")]
    plan = plan_for(make_catalog("ada", "bo"), make_state(*live, capabilities=FLEXIBLE))
    assert plan.counts[Status.IN_SYNC] == 2
    assert plan.notes == ("Not stored on this service: archetype, systemPrompt, moduleMix, tickCadence.",)


def test_fields_without_live_value_are_not_compared_but_noted() -> None:
    live: list[str | LivePersona] = [
        make_live("ada", name=None),
        make_live("bo", moduleMix=None, systemPrompt=None),
        "cy",
    ]
    plan = plan_for(make_catalog("ada", "bo", "cy"), make_state(*live, notes=("First.",)))
    assert plan.counts[Status.IN_SYNC] == 3
    assert plan.notes == (
        "First.",
        "Not compared, because there is no live value: name, systemPrompt, moduleMix.",
    )


@pytest.mark.parametrize(("extra", "unread"), [("eve", {}), ("ada", {"id-ada": "timed out"})])
def test_gaps_of_personas_that_are_not_compared_are_not_noted(extra: str, unread: dict[str, str]) -> None:
    live = make_live(extra, systemPrompt=None, moduleMix=None)
    assert plan_for(make_catalog("ada"), make_state(live, unread=unread)).notes == ()


def test_snapshot_without_capabilities_counts_descriptors_as_updatable() -> None:
    change = only_change(make_state(make_live("ada", **BOTH), capabilities=None))
    assert [(field.field, field.updatable) for field in change.fields] == [
        ("name", False),
        ("archetype", True),
    ]


# Extra personas


@pytest.mark.parametrize(
    ("options", "action"), [({}, ""), ({"force": True, "replace": True}, ""), ({"prune": True}, "delete")]
)
def test_extra_persona_is_deleted_only_with_prune(options: dict[str, bool], action: str) -> None:
    plan = plan_for(make_catalog("ada"), make_state("ada", "eve"), **options)
    (extra,) = plan.of(Status.EXTRA)
    assert describe(extra) == ("eve", "extra", action, "not in the catalog")
    assert (extra.name, extra.id, extra.live, extra.desired) == ("Eve", "id-eve", make_live("eve"), None)


@pytest.mark.parametrize("prune", [False, True])
def test_second_live_persona_with_same_email_is_extra(prune: bool) -> None:
    double = make_live("ada", email=ADA.upper(), userId="a-second")
    for state in (make_state("ada", double), make_state(double, "ada")):
        plan = plan_for(make_catalog("ada"), state, prune=prune)
        assert [(c.status, c.id, bool(c.action)) for c in sorted(plan.changes, key=lambda c: c.status)] == [
            ("extra", "a-second", prune),
            ("in-sync", "id-ada", False),
        ]
        assert len({change.key for change in plan.changes}) == 2
        assert plan.of(Status.EXTRA)[0].reason == "a second live persona with this email"


def test_persona_that_is_listed_twice_counts_once() -> None:
    assert describe(only_change(make_state("ada", "ada"), prune=True))[1:] == ("in-sync", "", "")


def test_extra_and_new_persona_of_same_name_are_a_changed_email() -> None:
    catalog = make_catalog(entry("new", name="Ada"), "bo", "cy", entry("fay", name="Bo"))
    state = make_state(make_live("old", name="Ada"), "bo", make_live("eve", name=None))
    reasons = {describe(change)[0]: change.reason for change in plan_for(catalog, state).drift}
    assert reasons == {
        "new": f"changed email? {email_of('old')} has the same name and is not in the catalog",
        "old": f"not in the catalog; changed email? {email_of('new')} has the same name",
        "cy": "",
        "eve": "not in the catalog",
        "fay": "",
    }


def test_half_created_persona_keeps_its_reason_beside_a_changed_email() -> None:
    state = make_state(make_live("old", name="Ada"), owners=owned(Ownership.HALF_CREATED))
    change = plan_for(make_catalog("ada"), state).of(Status.CREATE)[0]
    assert change.reason.startswith("completes a half-created persona; changed email? persona.old@")


# The whole plan


def test_plan_is_sorted_by_action_status_and_name() -> None:
    catalog = make_catalog("zoe", "bo", entry("x", name="amy"), "kim", "ida", "lea", "una", "mia", "eli")
    live = [make_live(who, archetype="x") for who in ("zoe", "bo")]
    state = make_state(
        *live,
        make_live("kim", name="Kay"),
        "ida",
        "mia",
        make_live("lea", name="Lee"),
        make_live("x", name="amy", archetype="y"),
        "eva",
        passwords={email_of("mia"): UNTOLD},
        owners={email_of("una"): Owner(ownership=Ownership.FOREIGN)},
        others=4,
    )
    plan = plan_for(catalog, state)
    assert [describe(change)[:3] for change in plan.changes] == [
        ("eli", "create", "create"),
        ("x", "update", "update"),
        ("bo", "update", "update"),
        ("zoe", "update", "update"),
        ("kim", "replace", ""),
        ("lea", "replace", ""),
        ("eva", "extra", ""),
        ("una", "conflict", ""),
        ("mia", "unknown", ""),
        ("ida", "in-sync", ""),
    ]
    assert (plan.service, plan.scope, plan.others) == (state.service, ("*@mana.test",), 4)
    actions = [change.action for change in plan_for(catalog, state, prune=True, replace=True).actions]
    assert actions == ["create", *["update"] * 3, *["replace"] * 2, "delete"]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (("ada",), ["ada"]),
        (("ADA", "cy"), ["ada", "cy"]),
        (("researcher",), ["ada", "bo", "eve"]),
        (("coder",), ["ada", "cy"]),
        (("Bob",), ["bo"]),
        (("eve",), ["eve"]),
        ((), ["ada", "bo", "cy", "eve"]),
    ],
)
@pytest.mark.parametrize("limited", ["run", "snapshot"])
def test_only_selects_by_catalog_and_live_values(
    only: tuple[str, ...], expected: list[str], limited: str
) -> None:
    catalog = make_catalog("ada", "bo", entry("cy", archetype="coder"))
    live: list[str | LivePersona] = [make_live("ada", archetype="coder"), make_live("bo", name="Bob"), "eve"]
    state = make_state(*live, only=only if limited == "snapshot" else ())
    plan = plan_for(catalog, state, only=only if limited == "run" else ())
    assert sorted(describe(change)[0] for change in plan.changes) == expected


@pytest.mark.parametrize("make", [make_plan, make_cleanup_plan])
def test_pattern_without_match_is_a_usage_error(make: Any) -> None:
    with pytest.raises(UsageError, match="No persona matches --only 'jonsa', 'x'"):
        make(make_catalog("ada"), make_state("eve"), Options(only=("ada", "jonsa", "eve", "x")))


def test_other_scope_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"books\.\*@mana\.test; that of catalog\.json is \*@mana\.test"):
        make_plan(make_catalog("ada"), make_state(scope=("books.*@mana.test",)))
    both = ["a*@mana.test", "p*@mana.test"]
    assert make_plan(make_catalog("ada", scope=both), make_state(scope=tuple(reversed(both)))).changes


def test_overlapping_catalog_sees_the_others_persona_as_extra() -> None:
    books = make_catalog("books.bo", scope="persona.books.*@mana.test")
    state = make_state("books.bo", "books.anna", scope=books.scope.patterns)
    assert [describe(change)[:2] for change in plan_for(books, state).drift] == [("books.anna", "extra")]


def test_ten_thousand_personas_are_planned() -> None:
    names = [f"p{number}" for number in range(10_000)]
    entries = [entry(name) for name in names]
    state = make_state(*(make_live(name, archetype="x") for name in names[5_000:]), "eve")
    counts = plan_for(make_catalog(*entries), state).counts
    assert (counts[Status.CREATE], counts[Status.UPDATE], counts[Status.EXTRA]) == (5_000, 5_000, 1)


# Cleanup


def test_cleanup_deletes_every_live_persona_and_counts_the_drift() -> None:
    catalog = make_catalog("ada", "bo", "cy", "dee", "fay")
    live: list[str | LivePersona] = [
        make_live("ada", systemPrompt=None, moduleMix=None),
        make_live("bo", archetype="x"),
        make_live("cy", name="Eve", tickCadence="hourly"),
        "eve",
    ]
    plan = make_cleanup_plan(
        catalog, make_state(*live, others=2, notes=("First.",)), Options(command="cleanup")
    )
    assert [describe(change) for change in plan.changes] == [
        ("bo", "update", "delete", ""),
        ("cy", "replace", "delete", ""),
        ("ada", "extra", "delete", ""),
        ("eve", "extra", "delete", "not in the catalog"),
    ]
    drift = "2 changed, 2 not live, 1 not in the catalog"
    assert plan.notes == (
        "First.",
        f"Catalog and service differ before the cleanup, compared by the list: {drift}.",
    )
    assert (plan.others, plan.options.command) == (2, "cleanup")
    assert plan.counts[Status.IN_SYNC] == 0


def test_cleanup_without_drift_has_no_note_and_unread_is_deleted_too() -> None:
    state = make_state("ada", "bo", unread={"id-bo": "timed out"})
    plan = make_cleanup_plan(make_catalog("ada", "bo"), state)
    assert [describe(change) for change in plan.changes] == [
        ("ada", "extra", "delete", ""),
        ("bo", "extra", "delete", ""),
    ]
    assert plan.notes == ()


def test_cleanup_is_limited_by_only() -> None:
    plan = make_cleanup_plan(make_catalog("ada", "bo"), make_state("ada", "bo", "eve"), Options(only=("e*",)))
    assert [describe(change)[0] for change in plan.actions] == ["eve"]


# The checksum


@pytest.mark.parametrize(("live", "_field"), FIELDS)
def test_checksum_changes_with_each_field(live: dict[str, Any], _field: FieldChange) -> None:
    catalog = make_catalog("ada")
    same = make_state(make_live("ada", archetype="before"))
    changed = make_state(make_live("ada", **{"archetype": "before"} | live))
    assert plan_for(catalog, same).checksum != plan_for(catalog, changed).checksum


@pytest.mark.parametrize("field", ["name", "archetype", "systemPrompt", "tickCadence"])
def test_checksum_changes_with_what_is_created(field: str) -> None:
    value = "hourly" if field == "tickCadence" else "something else, long enough"
    plans = [
        plan_for(make_catalog(persona), make_state()) for persona in ("ada", entry("ada", **{field: value}))
    ]
    assert plans[0].checksum != plans[1].checksum


@pytest.mark.parametrize(
    "options", [{"prune": True}, {"replace": True}, {"force": True}, {"only": ("*",)}], ids=str
)
def test_checksum_covers_options(options: dict[str, Any]) -> None:
    assert plan_for(make_catalog("ada"), make_state(), **options).checksum != CHECKSUM


@pytest.mark.parametrize(
    "state",
    [
        make_state(service="https://other.example.test"),
        make_state("eve"),
        make_state(make_live("ada", name="x")),
    ],
)
def test_checksum_covers_service_and_live_personas(state: LiveState) -> None:
    assert plan_for(make_catalog("ada"), state).checksum != CHECKSUM


def test_checksum_ignores_what_is_in_sync_and_where_it_stands() -> None:
    same = plan_for(make_catalog("bo", "ada", "cy"), make_state("cy", "bo"), command="dry-run")
    assert same.checksum == CHECKSUM
    assert len(CHECKSUM) == 16


def test_checksum_accepts_text_that_cannot_be_encoded() -> None:
    plan = plan_for(make_catalog("ada"), make_state(make_live("ada", systemPrompt="\ud800\x00")))
    assert int(plan.checksum or "", 16) > 0


def test_plan_with_conflict_has_no_checksum() -> None:
    assert plan_for(make_catalog("ada"), make_state(owners=owned(Ownership.FOREIGN))).checksum is None


CHECKSUM = plan_for(make_catalog("ada"), make_state()).checksum or ""


# Properties of every plan

WHO = st.sampled_from(["ada", "bo", "cy", "dee"])
LIVE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([None, "Eve", "Ada"]),
        "archetype": st.sampled_from([None, "other"]),
        "moduleMix": st.dictionaries(st.sampled_from("ab"), st.floats(0, 9), max_size=2),
        "emailVerified": st.booleans(),
    },
)
STATES = st.builds(
    lambda live, owners, passwords, unread: make_state(
        *(make_live(who, **changes, userId=f"{n}") for n, (who, changes) in enumerate(live)),
        owners={email_of(who): Owner(ownership=ownership) for who, ownership in owners.items()},
        passwords={email_of(who): check for who, check in passwords.items()},
        unread=dict.fromkeys(unread, "timed out"),
    ),
    st.lists(st.tuples(WHO, LIVE), max_size=5),
    st.dictionaries(WHO, st.sampled_from(Ownership)),
    st.dictionaries(WHO, st.sampled_from([RIGHT, WRONG, UNTOLD])),
    st.lists(st.sampled_from("0123")),
)
CATALOGS = st.lists(WHO, unique=True, min_size=1).map(lambda names: make_catalog(*names))
OPTIONS = st.builds(Options, prune=st.booleans(), replace=st.booleans(), force=st.booleans())


@given(CATALOGS, STATES, OPTIONS, st.randoms(use_true_random=False))
def test_every_plan_is_whole_safe_and_independent_of_order(
    catalog: Any, state: LiveState, options: Options, shuffle: random.Random
) -> None:
    plan = make_plan(catalog, state, options)
    assert {c.desired.email for c in plan.changes if isinstance(c.desired, Persona)} == {
        p.email for p in catalog.personas
    }
    live = [c.live.user_id for c in plan.changes if isinstance(c.live, LivePersona)]
    assert sorted(live) == sorted(p.user_id for p in state.personas)
    assert len({change.key for change in plan.changes}) == len(plan.changes)
    check_actions(plan, options)
    shuffled = list(state.personas)
    shuffle.shuffle(shuffled)
    assert make_plan(catalog, state.model_copy(update={"personas": tuple(shuffled)}), options) == plan


def check_actions(plan: Plan, options: Options) -> None:
    allowed: dict[Status, set[str | None]] = {
        Status.IN_SYNC: {None},
        Status.CREATE: {"create"},
        Status.UPDATE: {"update"},
        Status.REPLACE: {"replace"} if options.replace else {None, "update"},
        Status.EXTRA: {"delete"} if options.prune else {None},
        Status.CONFLICT: {None},
        Status.UNKNOWN: {None},
    }
    assert all(change.action in allowed[change.status] for change in plan.changes)
    assert all((change.desired is None) == (change.status is Status.EXTRA) for change in plan.changes)
