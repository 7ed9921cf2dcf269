from __future__ import annotations

from typing import Any

import pytest

from personas.errors import UsageError
from personas.reconcile.changes import Change, FieldChange, LiveState, Options, Owner, Ownership, Status
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.services.models import FoundUser, LivePersona, PasswordCheck

from .making import (
    FLEXIBLE,
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
        (owned(Ownership.UNKNOWN, "why"), ("unknown", "", "cannot determine who owns this email: why")),
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


PROMPT, MIX = entry("ada")["systemPrompt"], {"todo": 0.5, "notes": 1.0}
# What is live, and the difference: its field, old and new value, and line in the catalog.
FIELDS: list[tuple[dict[str, Any], tuple[str, Any, Any, int]]] = [
    ({"archetype": "other"}, ("archetype", "other", "researcher", 6)),
    ({"archetype": ""}, ("archetype", "", "researcher", 6)),
    ({"systemPrompt": "Else."}, ("systemPrompt", "Else.", PROMPT, 7)),
    ({"moduleMix": {"todo": 0.4}}, ("moduleMix", {"todo": 0.4}, MIX, 8)),
    ({"moduleMix": {}}, ("moduleMix", {}, MIX, 8)),
    ({"tickCadence": "hourly"}, ("tickCadence", "hourly", "daily", 12)),
    ({"emailVerified": False}, ("emailVerified", "false", "true", 3)),
]


@pytest.mark.parametrize(("live", "field"), FIELDS)
def test_different_field_is_an_update(live: dict[str, Any], field: tuple[str, Any, Any, int]) -> None:
    change = only_change(make_state(make_live("ada", **live)))
    assert describe(change) == ("ada", "update", "update", "")
    assert [(f.field, f.old, f.new, f.line) for f in change.fields] == [field]
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
    state = make_state(make_live("ada", archetype="x", systemPrompt=None), "bo", capabilities=FLEXIBLE)
    plan = plan_for(make_catalog("ada", "bo"), state)
    assert plan.notes == ("Not stored on this service: archetype, systemPrompt, moduleMix, tickCadence.",)
    assert not plan.drift


def test_fields_without_live_value_are_one_note_after_the_others() -> None:
    live = [make_live("ada", name=None), make_live("bo", moduleMix=None, systemPrompt=None), make_live("cy")]
    plan = plan_for(make_catalog("ada", "bo", "cy"), make_state(*live, notes=("First.",)))
    gaps = "Not compared, because there is no live value: name, systemPrompt, moduleMix."
    assert (plan.notes, plan.drift) == (("First.", gaps), ())


@pytest.mark.parametrize(("extra", "unread"), [("eve", {}), ("ada", {"id-ada": "timed out"})])
def test_gaps_of_personas_that_are_not_compared_are_not_noted(extra: str, unread: dict[str, str]) -> None:
    live = make_live(extra, systemPrompt=None, moduleMix=None)
    assert plan_for(make_catalog("ada"), make_state(live, unread=unread)).notes == ()


def test_snapshot_without_capabilities_counts_descriptors_as_updatable() -> None:
    fields = only_change(make_state(make_live("ada", **BOTH), capabilities=None)).fields
    assert [(field.field, field.updatable) for field in fields] == [("name", False), ("archetype", True)]


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
    for state in (make_state("ada", double, "ada"), make_state(double, "ada")):
        plan = plan_for(make_catalog("ada"), state, prune=prune)
        extra, same = plan.changes
        assert (extra.id, extra.status, bool(extra.action)) == ("a-second", "extra", prune)
        assert (same.id, same.status, same.key) == ("id-ada", "in-sync", ADA)
        assert extra.key == f"{ADA.upper()} (a-second)"
        assert extra.reason == "a second live persona with this email"


def test_extra_and_new_persona_of_same_name_are_a_changed_email() -> None:
    catalog = make_catalog(entry("new", name="Ada"), "bo", "cy", entry("fay", name="Bo"))
    owners = {email_of("cy"): Owner(ownership=Ownership.HALF_CREATED)}
    state = make_state(make_live("old", name="Ada"), "bo", make_live("eve", name=None), owners=owners)
    reasons = {describe(change)[0]: change.reason for change in plan_for(catalog, state).drift}
    assert reasons == {
        "new": f"changed email? {email_of('old')} has the same name and is not in the catalog",
        "old": f"not in the catalog; changed email? {email_of('new')} has the same name",
        "cy": "completes a half-created persona",
        "eve": "not in the catalog",
        "fay": "",
    }


# The whole plan


def test_plan_is_sorted_by_action_status_and_name() -> None:
    catalog = make_catalog("zoe", "bo", entry("x", name="amy"), "kim", "ida", "lea", "una", "mia", "eli")
    live = [make_live(who, archetype="x") for who in ("zoe", "bo")]
    live += [make_live("kim", name="Kay"), make_live("lea", name="Lee")]
    live += [make_live("x", name="amy", archetype="y"), *map(make_live, ("ida", "mia", "eva"))]
    state = make_state(
        *live,
        passwords={email_of("mia"): UNTOLD},
        owners={email_of("una"): Owner(ownership=Ownership.FOREIGN)},
        others=4,
    )
    plan = plan_for(catalog, state)
    whole = " ".join(f"{describe(change)[0]}:{change.status}" for change in plan.changes)
    assert whole == (
        "eli:create x:update bo:update zoe:update kim:replace lea:replace "
        "eva:extra una:conflict mia:unknown ida:in-sync"
    )
    assert (plan.service, plan.scope, plan.others) == (state.service, ("*@mana.test",), 4)
    backwards = state.model_copy(update={"personas": tuple(reversed(state.personas))})
    assert plan_for(catalog, backwards) == plan
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
    with pytest.raises(UsageError, match=r"is books\.\*@mana\.test, not \*@mana\.test as in catalog\.json"):
        make_plan(make_catalog("ada"), make_state(scope=("books.*@mana.test",)))
    both = ["a*@mana.test", "p*@mana.test"]
    assert make_plan(make_catalog("ada", scope=both), make_state(scope=tuple(reversed(both)))).changes


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
    plan = make_cleanup_plan(catalog, make_state(*live, others=2, notes=("First.",)))
    assert [describe(change) for change in plan.changes] == [
        ("bo", "update", "delete", ""),
        ("cy", "replace", "delete", ""),
        ("ada", "extra", "delete", ""),
        ("eve", "extra", "delete", "not in the catalog"),
    ]
    drift = "2 changed, 2 not live, 1 not in the catalog"
    note = f"Catalog and service differ before the cleanup, compared by the list: {drift}."
    assert (plan.notes, plan.others) == (("First.", note), 2)


def test_cleanup_without_drift_has_no_note_and_unread_is_deleted_too() -> None:
    state = make_state("ada", "bo", unread={"id-bo": "timed out"})
    plan = make_cleanup_plan(make_catalog("ada", "bo", "cy"), state, Options(only=("ada", "bo")))
    assert {describe(change)[1:] for change in plan.changes} == {("extra", "delete", "")}
    assert (len(plan.actions), plan.notes) == (2, ())


# The checksum

VARIANTS: list[tuple[str | dict[str, Any], LiveState, dict[str, Any]]] = [
    ("ada", make_state(), {}),
    *(("ada", make_state(), {option: True}) for option in ("prune", "replace", "force")),
    ("ada", make_state(), {"only": ("*",)}),
    ("ada", make_state(service="https://other.example.test"), {}),
    ("ada", make_state("eve"), {}),
    ("ada", make_state("eve"), {"prune": True}),
    ("ada", make_state(make_live("eve", userId="other")), {}),
    *(
        (entry("ada", **{field: "hourly"}), make_state(), {})
        for field in ("name", "archetype", "tickCadence")
    ),
    *(("ada", make_state(make_live("ada", **live)), {}) for live, _ in FIELDS),
    ("ada", make_state(make_live("ada", systemPrompt="\ud800\x00")), {}),
    ("ada", make_state(owners=owned(Ownership.UNKNOWN)), {}),
    ("ada", make_state("ada"), {}),
]


def test_checksum_covers_changes_options_and_service() -> None:
    sums = [plan_for(make_catalog(persona), live, **options).checksum for persona, live, options in VARIANTS]
    assert len(set(sums)) == len(VARIANTS)
    assert {len(checksum or "") for checksum in sums} == {16}
    # Not where a persona stands, what is in sync, or whether it is a preview.
    same = plan_for(make_catalog("bo", "ada"), make_state("bo"), command="dry-run")
    assert same.checksum == sums[0]
    assert plan_for(make_catalog("ada"), make_state(owners=owned(Ownership.FOREIGN))).checksum is None
