"""What a plan says of shared spaces, and what a run would do about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from making import make_catalog, make_live, make_live_persona, make_live_space, make_persona, make_space

from personas.catalog.models import Member, Role, Space, SpaceType
from personas.reconcile.changes import EXPIRED, INVITED, SpaceChange
from personas.reconcile.live import NO_SPACES, WRONG_PASSWORD, Live, Owner, Ownership
from personas.reconcile.plan import FieldChange, Intent, Plan, State, Step, plan
from personas.service.models import Invitation, LiveSpace, Login, LoginCheck

ADA, BO, CY = (f"persona.{who}@mana.test" for who in ("ada", "bo", "cy"))
HUMAN = "somebody@else.test"
FLAT = make_space("flat", "ada", "bo")
PRUNE, CLEANUP = Intent(prune=True), Intent(purpose="cleanup")
RECREATE = Intent(recreate=True)
FORCED = Intent(prune=True, force=True)


def planned(
    *live_spaces: LiveSpace,
    spaces: tuple[Space, ...] = (FLAT,),
    intent: Intent | None = None,
    here: Sequence[Any] = ("ada", "bo", "cy"),
    wanted: tuple[Any, ...] = ("ada", "bo", "cy"),
    only: str | None = None,
    **parts: Any,
) -> Plan:
    asked = {make_persona(p).email if isinstance(p, str) else p.email: "" for p in here}
    live = make_live(*here, **{"spaces": live_spaces, "spaces_of": asked, **parts})
    return plan(make_catalog(*wanted, spaces=spaces), live, intent, only=only)


def flat(made: Plan) -> SpaceChange:
    (change,) = made.spaces
    return change


def told(made: Plan) -> tuple[State, Step | None]:
    return flat(made).state, flat(made).step


def live_flat(roles: Mapping[str, str] | None = None, **changes: Any) -> LiveSpace:
    return make_live_space(FLAT, roles, **changes)


def invitation(email: str = BO, *, expired: bool = False, role: str = "member") -> Invitation:
    return Invitation(invitation_id="i1", email=email, role=role, expired=expired)


def test_a_space_as_the_catalog_wants_it_is_in_sync() -> None:
    made = planned(live_flat())
    assert told(made) == (State.IN_SYNC, None)
    assert made.in_sync


def test_a_catalog_without_spaces_has_none_in_its_plan() -> None:
    made = planned(spaces=(), spaces_of={})
    assert (made.spaces, made.notes, made.spaces_sought) == ((), (), False)


@pytest.mark.parametrize(
    ("live", "field"),
    [
        (live_flat(name="Old"), FieldChange("name", "Old", "Flat")),
        (live_flat(metadata={"type": "team"}), FieldChange("type", "team", "family")),
        (live_flat(metadata={}), FieldChange("type", None, "family")),
        (live_flat({ADA: "owner"}), FieldChange("members", None, "member", member=BO)),
        (live_flat({ADA: "owner", BO: "admin"}), FieldChange("members", "admin", "member", member=BO)),
        (live_flat({ADA: "owner", BO: "owner"}), FieldChange("members", "owner", "member", member=BO)),
        (
            live_flat({ADA: "owner"}, invitations=(invitation(),)),
            FieldChange("members", INVITED, "member", member=BO),
        ),
        (
            live_flat({ADA: "owner"}, invitations=(invitation(expired=True),)),
            FieldChange("members", EXPIRED, "member", member=BO),
        ),
        (live_flat({BO: "owner", ADA: "member"}), FieldChange("owner", BO, ADA)),
    ],
)
def test_what_differs_is_told_field_by_field_and_mended(live: LiveSpace, field: FieldChange) -> None:
    change = flat(planned(live))
    assert (change.state, change.step) == (State.UPDATE, Step.UPDATE)
    assert field in change.fields


def test_an_expired_invitation_does_not_hide_one_that_is_open() -> None:
    both = (invitation(expired=True), invitation())
    (field,) = flat(planned(live_flat({ADA: "owner"}, invitations=both))).fields
    assert field.old == INVITED


def test_an_invitation_that_was_answered_is_none() -> None:
    accepted = invitation().model_copy(update={"status": "accepted"})
    (field,) = flat(planned(live_flat({ADA: "owner"}, invitations=(accepted,)))).fields
    assert field.old is None


def test_a_member_too_many_is_drift_that_only_prune_mends() -> None:
    live = live_flat({ADA: "owner", BO: "member", CY: "admin"})
    change = flat(planned(live))
    assert (change.state, change.step) == (State.UPDATE, None)
    assert change.fields == (FieldChange("members", "admin", None, mendable=False, member=CY),)
    assert change.reason == "only --prune removes members too many"
    change = flat(planned(live, intent=PRUNE))
    assert (change.step, change.fields[0].mendable) == (Step.UPDATE, True)


def test_a_human_in_a_space_is_removed_only_when_it_is_forced() -> None:
    live = live_flat({ADA: "owner", BO: "member", HUMAN: "member"})
    change = flat(planned(live, intent=PRUNE))
    assert (change.state, change.step) == (State.UPDATE, None)
    assert change.reason == f"{HUMAN}, no persona, stays without --prune --force"
    assert flat(planned(live, intent=FORCED)).step is Step.UPDATE


@pytest.mark.parametrize(
    ("parts", "state", "step"),
    [
        ({"slugs": {"flat": Owner(Ownership.FREE)}}, State.CREATE, Step.CREATE),
        ({"slugs": {"flat": Owner(Ownership.FOREIGN, "taken")}}, State.COLLISION, None),
        ({"slugs": {"flat": Owner(Ownership.NOT_KNOWN, "busy")}}, State.NOT_KNOWN, None),
        ({"no_spaces": NO_SPACES}, State.NOT_KNOWN, None),
        ({"no_spaces": "no secret", "spaces_of": {}}, State.NOT_KNOWN, None),
        ({}, State.NOT_KNOWN, None),  # nobody was asked: not "missing"
        ({"here": ("bo",)}, State.CREATE, Step.CREATE),
        ({"here": (), "no_spaces": "no secret"}, State.CREATE, Step.CREATE),
        ({"here": (), "no_spaces": NO_SPACES}, State.NOT_KNOWN, None),
    ],
)
def test_a_space_that_was_not_seen_is_created_only_where_its_slug_is_free(
    parts: dict[str, Any], state: State, step: Step | None
) -> None:
    assert told(planned(**parts)) == (state, step)


def test_a_space_that_cannot_be_read_is_not_known_and_not_touched() -> None:
    unread: dict[str, Any] = {"unread_spaces": {"flat": "HTTP 500"}, "unread_by": {"flat": (ADA, BO)}}
    change = flat(planned(live_flat({}), **unread))
    assert (change.state, change.step) == (State.NOT_KNOWN, None)
    assert change.reason == "it cannot be read: HTTP 500"
    made = planned(live_flat({}), intent=CLEANUP, **unread)
    assert [(c.key, c.step) for c in made.personas] == [(ADA, None), (BO, None), (CY, Step.DELETE)]
    assert made.personas[0].reason == "its space flat cannot be read: left alone without --force"


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ({HUMAN: "owner", ADA: "member"}, f"belongs to {HUMAN}, who is no persona"),
        ({ADA: "member", BO: "member"}, "belongs to nobody any more"),
    ],
)
def test_a_space_of_somebody_else_with_the_slug_is_a_collision(roles: dict[str, str], reason: str) -> None:
    change = flat(planned(live_flat(roles), intent=FORCED))
    assert (change.state, change.step) == (State.COLLISION, None)
    assert change.reason.endswith(reason)


def test_a_space_waits_for_who_is_created_and_says_who_is_not_there() -> None:
    change = flat(planned(here=("ada",), slugs={"flat": Owner(Ownership.FREE)}))
    assert (change.waits_for, change.missing) == ((BO,), ())
    owners = {BO: Owner(Ownership.FOREIGN)}
    change = flat(planned(here=("ada",), slugs={"flat": Owner(Ownership.FREE)}, owners=owners))
    assert (change.step, change.missing) == (Step.CREATE, (BO,))
    assert change.reason == f"waits for {BO}, not there"


STRAY = make_live_space(make_space("club", "cy", "bo"))


@pytest.mark.parametrize(
    ("intent", "step"), [(Intent(), None), (PRUNE, Step.DELETE), (CLEANUP, Step.DELETE), (RECREATE, None)]
)
def test_a_space_beyond_the_catalog_is_a_stray(intent: Intent, step: Step | None) -> None:
    made = planned(live_flat(), STRAY, intent=intent)
    assert [(c.state, c.step) for c in made.spaces if c.key == "club"] == [(State.STRAY, step)]


def test_a_humans_space_in_which_personas_are_is_no_stray() -> None:
    theirs = make_live_space(make_space("theirs", "cy"), {HUMAN: "owner", CY: "member"})
    assert flat(planned(live_flat(), theirs, intent=PRUNE)).key == "flat"


def test_cleanup_deletes_spaces_whatever_their_state_before_their_owners() -> None:
    made = planned(live_flat(name="Old"), STRAY, intent=CLEANUP)
    assert {(c.key, c.step) for c in made.spaces} == {("flat", Step.DELETE), ("club", Step.DELETE)}
    assert all(change.step is Step.DELETE for change in made.personas)


def test_a_space_with_a_human_in_it_is_not_deleted_and_its_owner_is_kept_without_force() -> None:
    live = live_flat({ADA: "owner", BO: "member", HUMAN: "member"})
    made = planned(live, intent=CLEANUP)
    assert flat(made).step is None
    assert flat(made).reason == f"{HUMAN} is a member and no persona: never deleted"
    assert [(c.key, c.step) for c in made.personas] == [(ADA, None), (BO, Step.DELETE), (CY, Step.DELETE)]
    assert made.personas[0].reason == (
        f"it owns the space flat, where {HUMAN} is a member and no persona: left alone without --force"
    )
    made = planned(live, intent=replace(CLEANUP, force=True))
    assert flat(made).step is None
    assert [c.step for c in made.personas] == [Step.DELETE] * 3


def test_a_second_owner_who_stays_lets_the_first_one_go() -> None:
    live = live_flat({ADA: "owner", BO: "owner", HUMAN: "member"})
    made = planned(live, intent=CLEANUP, only="ada")
    assert [(c.key, c.step) for c in made.changes] == [(ADA, Step.DELETE)]


def renamed(who: str) -> dict[str, Any]:
    """Somebody who is deleted and created again, for the sake of the name."""
    old = make_live_persona(who, name="Old")
    here = [old if other == who else other for other in ("ada", "bo", "cy")]
    return {"here": here, "logins": {old.email: LoginCheck(Login.WORKS)}, "intent": RECREATE}


def test_an_owner_who_is_created_again_has_the_space_created_again() -> None:
    change = flat(planned(live_flat(), **renamed("ada")))
    assert (change.state, change.step) == (State.RECREATE, Step.RECREATE)
    assert change.waits_for == (ADA,)
    assert change.reason == "its owner is deleted and created again"


def test_a_member_who_is_created_again_joins_again() -> None:
    change = flat(planned(live_flat(), **renamed("bo")))
    assert (change.state, change.step, change.waits_for) == (State.UPDATE, Step.UPDATE, (BO,))
    assert change.reason == f"{BO} joins again after being created again"


def test_an_owner_with_a_human_in_the_space_is_not_created_again_without_force() -> None:
    made = planned(live_flat({ADA: "owner", BO: "member", HUMAN: "member"}), **renamed("ada"))
    (ada,) = made.of(State.RECREATE)
    assert ada.step is None
    assert "it owns the space flat" in ada.reason


def test_what_is_locked_out_or_unread_now_says_so_before_it_is_deleted() -> None:
    made = planned(intent=CLEANUP, spaces_of={ADA: WRONG_PASSWORD, BO: "", CY: ""})
    assert [c.step for c in made.personas] == [Step.DELETE] * 3
    assert f"The shared spaces of {ADA} are not known and stay behind: {WRONG_PASSWORD}." in made.notes
    made = planned(intent=CLEANUP, spaces_of={ADA: "the service is busy", BO: "", CY: ""})
    assert [c.step for c in made.personas] == [None, Step.DELETE, Step.DELETE]


def test_without_a_seed_secret_what_stays_behind_is_told_with_the_number() -> None:
    made = planned(intent=CLEANUP, spaces_of={}, no_spaces="no secret")
    assert told(made) == (State.NOT_KNOWN, None)
    assert made.spaces_sought
    assert made.notes == (
        "The shared spaces of 3 personas who are deleted are not known and stay behind: no secret.",
    )


@pytest.mark.parametrize(
    ("only", "keys"),
    [
        ("flat", {"flat"}),
        ("ada", {ADA}),
        ("bo", {BO}),
        ("cy", {CY}),
        ("persona.*", {ADA, BO, CY, "flat", "club"}),
        ("club", {"club"}),
    ],
)
def test_only_means_a_space_by_its_own_name_or_with_everybody_in_it(only: str, keys: set[str]) -> None:
    made = planned(live_flat(name="Old"), STRAY, only=only)
    assert {change.key for change in made} == keys


def test_a_plan_with_spaces_is_sorted_and_has_a_checksum_that_tells_them_apart() -> None:
    live = live_flat({ADA: "owner"})
    made = planned(live)
    assert list(made.changes) == sorted(made.changes)
    others = [
        planned(live_flat({ADA: "owner"}, space_id="other")),
        planned(live_flat({ADA: "owner", BO: "admin"})),
        planned(live, STRAY, intent=PRUNE),
        planned(live, spaces=(make_space("flat", "ada", "bo", type=SpaceType.TEAM),)),
        planned(live, spaces=(make_space("flat", "ada", Member(email=BO, role=Role.ADMIN)),)),
    ]
    assert len({plan.checksum for plan in [made, *others]}) == 1 + len(others)
    assert planned(live).checksum == made.checksum
    assert json.dumps(sorted(change.content or [] for change in made.spaces))


def test_who_was_not_asked_for_spaces_is_told_by_number() -> None:
    made = planned(live_flat(), spaces_of={ADA: ""})
    assert made.in_sync
    assert made.notes == (
        "For spaces beyond the catalog, only the owners in it were asked; --prune asks 2 personas more.",
    )


def test_a_live_that_knows_of_no_spaces_says_nothing_of_them() -> None:
    made = plan(make_catalog("ada", "bo"), Live())
    assert made.spaces == ()
