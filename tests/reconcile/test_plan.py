from __future__ import annotations

from typing import Any

import pytest

from personas import Catalog, LivePersona, UsageError, make_cleanup_plan, make_plan
from personas.reconcile.changes import Change, FieldChange, LiveState, Options, Owner, Plan, Status
from personas.services.base import Capabilities
from personas.services.models import FoundUser, PasswordCheck, Verdict
from tests.making import FIXED, FLEXIBLE, email_of, entry, make_catalog, make_live, make_state, who_has

ADA = email_of("ada")
USER = FoundUser("u1", ADA)
RIGHT, WRONG = PasswordCheck(Verdict.RIGHT), PasswordCheck(Verdict.WRONG)
UNTOLD = PasswordCheck(Verdict.UNKNOWN, "a second factor")


def plan_for(catalog: Catalog, state: LiveState, **options: Any) -> Plan:
    return make_plan(catalog, state, Options(**options))


def describe(change: Change) -> tuple[str, str, str, str]:
    """Who, the status, the action and the reason."""
    return who_has(change.key), change.status, change.action or "", change.reason


def only_change(state: LiveState, **options: Any) -> Change:
    (change,) = plan_for(make_catalog("ada"), state, **options).changes
    return change


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


RENAMED, BOTH, CADENCE = {"name": "Eve"}, {"name": "Eve", "archetype": "other"}, {"tickCadence": "hourly"}
TIMED_OUT = {"unread": {"id-ada": "timed out"}, "passwords": {ADA: WRONG}}


def signs_in(password: PasswordCheck) -> dict[str, Any]:
    return {"passwords": {ADA: password}}


def owned(verdict: Verdict, reason: str = "") -> dict[str, Any]:
    return {"owners": {ADA: Owner(verdict=verdict, reason=reason, user=USER)}}


@pytest.mark.parametrize(
    ("live", "state", "expected"),
    [
        (None, {}, "create, create"),
        (None, owned(Verdict.RIGHT), "create, create, completes a half-created persona"),
        (None, owned(Verdict.WRONG), "conflict, belongs to an account that is not a persona"),
        (None, owned(Verdict.UNKNOWN, "why"), "unknown, cannot determine who owns this email: why"),
        ({}, {}, "in-sync"),
        ({}, signs_in(RIGHT), "in-sync"),
        ({"moduleMix": {"notes": 1.0, "todo": 1 / 2}}, {}, "in-sync"),
        ({"email": ADA.upper(), "emailVerified": True}, {}, "in-sync"),
        ({"actions7d": 5, "lastActiveAt": "2026-01-01T00:00:00Z"}, {}, "in-sync"),
        (RENAMED, signs_in(RIGHT), "replace, only --replace changes name"),
        (BOTH, {}, "replace, update, name still differs; --replace re-creates it"),
        ({}, signs_in(WRONG), "replace, only --replace changes password"),
        (BOTH, signs_in(WRONG), "replace, update, name, password still differs; --replace re-creates it"),
        ({}, signs_in(UNTOLD), "unknown, password not checked: a second factor"),
        (CADENCE, signs_in(UNTOLD), "update, update, password not checked: a second factor"),
        (CADENCE, signs_in(RIGHT), "update, update"),
        (BOTH, TIMED_OUT, "unknown, could not be read: timed out"),
    ],
)
def test_status_action_and_reason_of_one_persona(
    live: dict[str, Any] | None, state: dict[str, Any], expected: str
) -> None:
    personas = [] if live is None else [make_live("ada", **live)]
    change = only_change(make_state(*personas, **state))
    assert ", ".join(filter(None, describe(change))) == f"ada, {expected}"
    assert change.is_drift is (expected != "in-sync")
    assert (change.live, change.id) == ((personas[0], "id-ada") if personas else (None, None))
    assert change.existing == (USER if "owners" in state else None)
    assert bool(change.fields) is (change.status in {Status.UPDATE, Status.REPLACE})
    forced = only_change(make_state(*personas, **state), prune=True, replace=True, force=True)
    if change.status is Status.REPLACE:
        assert describe(forced) == ("ada", "replace", "replace", "")
    else:
        assert forced == change


@pytest.mark.parametrize(
    ("capabilities", "expected", "fields"),
    [
        (FIXED, "replace", [("name", False, 4), ("archetype", True, 6), ("password", False, 3)]),
        (None, "replace", [("name", False, 4), ("archetype", True, 6), ("password", False, 3)]),
        (FLEXIBLE, "update", [("name", True, 4), ("password", True, 3)]),
    ],
)
def test_capabilities_decide_what_is_updated(
    capabilities: Capabilities | None, expected: str, fields: list[tuple[str, bool, int]]
) -> None:
    state = make_state(make_live("ada", **BOTH), passwords={ADA: WRONG}, capabilities=capabilities)
    change = only_change(state, replace=True)
    assert (change.status, change.action) == (expected, expected)
    assert [(field.field, field.updatable, field.line) for field in change.fields] == fields
    assert change.fields[-1] == FieldChange(field="password", updatable=fields[-1][1], line=3)


NO_PROMPT = {"systemPrompt": None, "moduleMix": None}
NOT_STORED = "Not stored on this service: archetype, systemPrompt, moduleMix, tickCadence."
NO_VALUE = "Not compared, because there is no live value: name, systemPrompt, moduleMix."


@pytest.mark.parametrize(
    ("live", "state", "notes"),
    [
        ([make_live("ada", archetype="x", **NO_PROMPT)], {"capabilities": FLEXIBLE}, [NOT_STORED]),
        ([make_live("ada", name=None), make_live("bo", **NO_PROMPT)], {"notes": ("1",)}, ["1", NO_VALUE]),
        ([make_live("bo", name=None, **NO_PROMPT)], {"capabilities": None}, [NO_VALUE]),
        ([make_live("eve", **NO_PROMPT)], {}, []),
        ([make_live("ada", **NO_PROMPT)], {"unread": {"id-ada": "timed out"}}, []),
    ],
)
def test_fields_that_are_not_compared_are_one_note(
    live: list[LivePersona], state: dict[str, Any], notes: list[str]
) -> None:
    plan = plan_for(make_catalog("ada", "bo"), make_state(*live, **state))
    assert list(plan.notes) == notes
    assert not plan.of(Status.UPDATE, Status.REPLACE)


@pytest.mark.parametrize(
    ("options", "action"), [({}, ""), ({"force": True, "replace": True}, ""), ({"prune": True}, "delete")]
)
def test_extra_personas_are_deleted_only_with_prune(options: dict[str, bool], action: str) -> None:
    double = make_live("ada", email=ADA.upper(), userId="a-second")
    for live in ((double, "ada"), ("ada", double, "ada")):
        plan = plan_for(make_catalog("ada"), make_state("eve", *live), **options)
        assert [(change.id, *describe(change)[1:]) for change in plan.changes] == [
            ("a-second", "extra", action, "a second live persona with this email"),
            ("id-eve", "extra", action, "not in the catalog"),
            ("id-ada", "in-sync", "", ""),
        ]
        assert [change.key for change in plan.changes] == [f"{ADA.upper()} (a-second)", email_of("eve"), ADA]
        second, eve, _ = plan.changes
        assert (second.name, eve.name, second.live, eve.live) == ("Ada", "Eve", double, make_live("eve"))


def test_extra_and_new_persona_of_same_name_are_a_changed_email() -> None:
    catalog = make_catalog(entry("new", name="Ada"), "bo", "cy", entry("fay", name="Bo"))
    owners = {email_of("cy"): Owner(verdict=Verdict.RIGHT)}
    state = make_state(make_live("old", name="Ada"), "bo", make_live("eve", name=None), owners=owners)
    plan = plan_for(catalog, state)
    assert {change.name for change in plan.drift} == {"Ada", "Cy", "Bo", ""}
    reasons = {describe(change)[0]: change.reason for change in plan.drift}
    assert reasons == {
        "new": f"changed email? {email_of('old')} has the same name and is not in the catalog",
        "old": f"not in the catalog; changed email? {email_of('new')} has the same name",
        "cy": "completes a half-created persona",
        "eve": "not in the catalog",
        "fay": "",
    }


def test_plan_is_sorted_by_action_status_and_name() -> None:
    catalog = make_catalog("zoe", "bo", entry("x", name="amy"), "kim", "ida", "lea", "una", "mia", "eli")
    live = [make_live(who, archetype="x") for who in ("zoe", "bo")]
    live += [make_live("kim", name="Kay"), make_live("lea", name="Lee")]
    live += [make_live("x", name="amy", archetype="y"), *map(make_live, ("ida", "mia", "eva"))]
    owners = {email_of("una"): Owner(verdict=Verdict.WRONG)}
    state = make_state(*live, passwords={email_of("mia"): UNTOLD}, owners=owners, others=4)
    plan = plan_for(catalog, state)
    names = [describe(change)[0] for change in plan.changes]
    assert names == ["eli", "x", "bo", "zoe", "kim", "lea", "eva", "una", "mia", "ida"]
    assert (plan.service, plan.scope, plan.others) == (state.service, ("*@mana.test",), 4)
    backwards = state.model_copy(update={"personas": tuple(reversed(state.personas))})
    assert plan_for(catalog, backwards) == plan
    actions = [change.action for change in plan_for(catalog, state, prune=True, replace=True).actions]
    assert actions == ["create", *["update"] * 3, *["replace"] * 2, "delete"]


@pytest.mark.parametrize("limited", ["run", "snapshot"])
def test_only_selects_by_catalog_and_live_values(limited: str) -> None:
    catalog = make_catalog("ada", "bo", entry("cy", archetype="coder"))
    live: list[str | LivePersona] = [make_live("ada", archetype="coder"), make_live("bo", name="Bob"), "eve"]
    patterns = {"researcher": "ada bo eve", "coder": "ada cy", "Bob": "bo", "ADA eve": "ada eve", "bo": "bo"}
    for only, expected in patterns.items():
        state = make_state(*live, only=only.split() if limited == "snapshot" else ())
        plan = plan_for(catalog, state, only=only.split() if limited == "run" else ())
        assert sorted(describe(change)[0] for change in plan.changes) == expected.split()


def test_unmatched_pattern_or_other_scope_is_a_usage_error() -> None:
    for make in (make_plan, make_cleanup_plan):
        with pytest.raises(UsageError, match=r"^No persona matches --only 'jonsa', 'x'\.$"):
            make(make_catalog("ada"), make_state("eve"), Options(only=("ada", "jonsa", "eve", "x")))
    with pytest.raises(
        UsageError, match=r"is b\*@mana\.test, c@mana\.test, not \*@mana\.test as in catalog\.json\.$"
    ):
        make_plan(make_catalog("ada"), make_state(scope=("b*@mana.test", "c@mana.test")))
    both = ["a*@mana.test", "p*@mana.test"]
    assert make_plan(make_catalog("ada", scope=both), make_state(scope=tuple(reversed(both)))).changes


def test_cleanup_deletes_every_live_persona_and_counts_the_drift() -> None:
    live = [
        make_live("ada", systemPrompt=None, moduleMix=None),
        make_live("bo", archetype="x"),
        make_live("cy", name="Eve", tickCadence="hourly"),
        make_live("hal", archetype="x"),
        *map(make_live, ("eve", "fin", "gil")),
    ]
    state = make_state(*live, others=2, notes=("First.",), unread={"id-gil": "timed out"})
    catalog = make_catalog("ada", "bo", "cy", "dee", "fay", "gil", "hal", "ivy")
    plan = make_cleanup_plan(catalog, state)
    assert [describe(change) for change in plan.changes] == [
        ("bo", "update", "delete", ""),
        ("hal", "update", "delete", ""),
        ("cy", "replace", "delete", ""),
        ("ada", "extra", "delete", ""),
        ("eve", "extra", "delete", "not in the catalog"),
        ("fin", "extra", "delete", "not in the catalog"),
        ("gil", "extra", "delete", ""),
    ]
    drift = "3 changed, 3 not live, 2 not in the catalog"
    note = f"Catalog and service differ before the cleanup, compared by the list: {drift}."
    assert (plan.notes, plan.others) == (("First.", note), 2)
    plan = make_cleanup_plan(catalog, state, Options(only=("ada", "gil")))
    assert (len(plan.actions), plan.notes) == (2, ("First.",))
    assert make_cleanup_plan(catalog, make_state()).notes == ()


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
    ("ada", make_state(**owned(Verdict.UNKNOWN)), {}),
    ("ada", make_state("ada"), {}),
]


def test_checksum_covers_changes_options_and_service() -> None:
    sums = [plan_for(make_catalog(persona), live, **options).checksum for persona, live, options in VARIANTS]
    assert len(set(sums)) == len(VARIANTS)
    assert {len(checksum or "") for checksum in sums} == {16}
    # Not where a persona stands, what is in sync, or whether it is a preview.
    same = plan_for(make_catalog("bo", "ada"), make_state("bo"), command="dry-run")
    assert same.checksum == sums[0]
    assert plan_for(make_catalog("ada"), make_state(**owned(Verdict.WRONG))).checksum is None
