"""Plans of spaces: one row for each situation, without a service."""

from __future__ import annotations

from typing import Any

import pytest

from personas.catalog.models import Catalog, Space
from personas.reconcile.changes import Action, Options, Status
from personas.services.models import LiveMember, LiveSpace
from personas.spaces.plan import BROKEN, TAKEN, SpaceState, make_space_plan, selects

from .world import ADA, BO, CY, DI, EMAILS, FLAT, HUMAN, make_catalog, space

CATALOG = make_catalog(FLAT)
ROLES = {ADA: "owner", BO: "member", CY: "admin"}


def live(slug: str = "flat", roles: dict[str, str] = ROLES, **changes: Any) -> LiveSpace:
    members = tuple(
        LiveMember(member_id=f"m{i}", user_id=f"u{i}", email=email.upper(), role=role)
        for i, (email, role) in enumerate(roles.items())
    )
    whole = {"space_id": "s1", "slug": slug, "name": slug.title(), "type": "team", "members": members}
    return LiveSpace(**(whole | {"reader": ADA} | changes))


def state(*spaces: LiveSpace, **changes: Any) -> SpaceState:
    return SpaceState("service", **({"personas": EMAILS, "spaces": {s.slug: s for s in spaces}} | changes))


BROKEN_FLAT = live(roles={}, broken=True)
EXTRA = live("attic", {ADA: "owner"})
WITH_HUMAN = {**ROLES, HUMAN: "member"}
CREATE, UPDATE, DELETE = Action.CREATE, Action.UPDATE, Action.DELETE


@pytest.mark.parametrize(
    ("given", "options", "status", "action", "fields", "reason"),
    [
        pytest.param(state(), {}, "create", CREATE, [], "", id="missing"),
        pytest.param(state(live()), {}, "in-sync", None, [], "", id="equal"),
        pytest.param(state(live(type=None)), {}, "in-sync", None, [], "", id="service-without-types"),
        pytest.param(state(live(name="Old")), {}, "update", UPDATE, ["name"], "", id="name"),
        pytest.param(state(live(type="club")), {}, "update", UPDATE, ["type"], "", id="type"),
        pytest.param(state(live(type="")), {}, "update", UPDATE, ["type"], "", id="lost-type"),
        pytest.param(
            state(live(roles={ADA: "owner", CY: "admin"})), {}, "update", UPDATE, ["members"], "", id="absent"
        ),
        pytest.param(
            state(live(roles=ROLES | {CY: "member"})), {}, "update", UPDATE, ["members"], "", id="role"
        ),
        pytest.param(
            state(live(roles=ROLES | {BO: "owner"})), {}, "update", UPDATE, ["members"], "", id="second-owner"
        ),
        pytest.param(
            state(live(roles=ROLES | {DI: "member"})),
            {},
            "update",
            None,
            ["members"],
            "--prune removes the extra members",
            id="extra-member",
        ),
        pytest.param(
            state(live(roles=ROLES | {DI: "member"})),
            {"prune": True},
            "update",
            UPDATE,
            ["members"],
            "",
            id="extra-member-prune",
        ),
        pytest.param(
            state(live(name="Old", roles=WITH_HUMAN)),
            {},
            "update",
            UPDATE,
            ["name", "members"],
            "",
            id="name-and-extra-member",
        ),
        pytest.param(
            state(live(roles={BO: "owner", ADA: "member"})),
            {"prune": True, "force": True},
            "conflict",
            None,
            ["owner"],
            f"the space belongs to {BO}",
            id="other-owner",
        ),
        pytest.param(
            state(live(roles={ADA: "member"})),
            {},
            "conflict",
            None,
            ["owner"],
            "the space belongs to an account that was deleted",
            id="no-owner",
        ),
        pytest.param(state(taken={"flat"}), {}, "conflict", None, [], TAKEN, id="taken"),
        pytest.param(
            state(unread={"flat": "HTTP 500"}), {"prune": True}, "unknown", None, [], "HTTP 500", id="unread"
        ),
        pytest.param(
            state(BROKEN_FLAT), {"prune": True, "force": True}, "unknown", None, [], BROKEN, id="broken"
        ),
        pytest.param(
            state(personas={ADA}),
            {},
            "unknown",
            None,
            [],
            f"not live: {BO}, {CY}; `personas seed` creates personas",
            id="members-not-live",
        ),
    ],
)
def test_a_space_of_the_catalog(
    given: SpaceState,
    options: dict[str, Any],
    status: str,
    action: Action | None,
    fields: list[str],
    reason: str,
) -> None:
    plan = make_space_plan(CATALOG, given, Options(**options))
    [change] = plan.changes
    assert (change.status, change.action, change.reason) == (status, action, reason)
    assert [field.field for field in change.fields] == fields
    assert (change.kind, change.key, change.name) == ("space", "flat", "Flat")
    assert change.line == CATALOG.locate(("spaces", 0))[0]
    assert [field.line for field in change.fields] == [CATALOG.locate(("spaces", 0, f))[0] for f in fields]


@pytest.mark.parametrize(
    ("extra", "options", "status", "action", "reason"),
    [
        pytest.param(EXTRA, {}, "extra", None, "not in the catalog", id="kept"),
        pytest.param(EXTRA, {"prune": True}, "extra", DELETE, "", id="prune"),
        pytest.param(
            live("attic", {ADA: "owner", HUMAN: "member"}),
            {"prune": True, "force": True},
            "extra",
            None,
            f"never deleted, because some members are not live personas: {HUMAN}",
            id="human-inside",
        ),
        pytest.param(live("attic", {}, broken=True), {}, "unknown", None, BROKEN, id="broken"),
        pytest.param(
            live("attic", {}, broken=True),
            {"prune": True},
            "unknown",
            None,
            f"{BROKEN}; its members are unknown, so only --force deletes it",
            id="broken-prune",
        ),
        pytest.param(
            live("attic", {}, broken=True),
            {"prune": True, "force": True},
            "extra",
            DELETE,
            "",
            id="broken-prune-force",
        ),
    ],
)
def test_another_space_of_an_owner(
    extra: LiveSpace, options: dict[str, Any], status: str, action: Action | None, reason: str
) -> None:
    plan = make_space_plan(CATALOG, state(live(), extra), Options(**options))
    changes = {change.key: change for change in plan.changes}
    found = changes["attic"]
    assert (found.status, found.action, found.reason, found.id) == (status, action, reason, "s1")
    assert changes["flat"].status is Status.IN_SYNC


@pytest.mark.parametrize(
    ("given", "options", "decided"),
    [
        pytest.param(state(), {}, None, id="missing"),
        pytest.param(state(personas=()), {}, None, id="missing-without-personas"),
        pytest.param(state(live()), {}, ("extra", DELETE), id="equal"),
        pytest.param(state(live(name="Old")), {}, ("extra", DELETE), id="different"),
        pytest.param(state(live(roles=WITH_HUMAN)), {"force": True}, ("extra", None), id="human-inside"),
        pytest.param(state(live(roles={BO: "owner"})), {"force": True}, ("conflict", None), id="other-owner"),
        pytest.param(state(taken={"flat"}), {"force": True}, ("conflict", None), id="taken"),
        pytest.param(state(unread={"flat": "no"}), {"force": True}, ("unknown", None), id="unread"),
        pytest.param(state(BROKEN_FLAT), {}, ("unknown", None), id="broken"),
        pytest.param(state(BROKEN_FLAT), {"force": True}, ("extra", DELETE), id="broken-force"),
    ],
)
def test_deletion_of_a_space_of_the_catalog(
    given: SpaceState, options: dict[str, Any], decided: tuple[str, Action | None] | None
) -> None:
    plan = make_space_plan(CATALOG, given, Options(**options), delete=True)
    assert [(change.status, change.action) for change in plan.changes] == ([decided] if decided else [])


def test_deletion_leaves_other_spaces_of_the_owner_alone() -> None:
    plan = make_space_plan(CATALOG, state(live(), EXTRA), Options(prune=True, force=True), delete=True)
    assert [change.key for change in plan.actions] == ["flat"]


def test_member_without_an_email_is_never_a_persona() -> None:
    unnamed = LiveMember(member_id="m9", user_id="u9", email="", role="member")
    attic = EXTRA.model_copy(update={"members": (*EXTRA.members, unnamed)})
    plan = make_space_plan(CATALOG, state(live(), attic), Options(prune=True, force=True))
    assert {change.key: change.reason for change in plan.changes}["attic"].endswith("personas: u9")


def test_members_are_shown_with_old_and_new_roles() -> None:
    plan = make_space_plan(CATALOG, state(live(roles=ROLES | {DI: "member", BO: "admin"})), Options())
    [field] = plan.changes[0].fields
    assert field.old == {BO: "admin", CY: "admin", DI: "member"}
    assert field.new == {BO: "member", CY: "admin"}


def test_other_space_that_could_not_be_read_is_unknown() -> None:
    plan = make_space_plan(CATALOG, state(live(), unread={"attic": "HTTP 429"}), Options())
    assert [(c.key, c.status, c.reason) for c in plan.drift] == [("attic", "unknown", "HTTP 429")]


TWO = make_catalog(FLAT, space("desk", CY, DI, name="The desk"))


@pytest.mark.parametrize(
    ("only", "selected"),
    [
        ((), {"flat", "desk", "attic"}),
        (("flat",), {"flat"}),
        (("The d*",), {"desk"}),
        ((DI,), {"desk"}),
        (("bo",), {"flat"}),
        (("ADA",), {"flat", "attic"}),
        (("Di",), {"desk"}),
        (("att*", "desk"), {"attic", "desk"}),
        (("nothing",), set()),
    ],
)
def test_only_selects_by_slug_name_owner_and_member(only: tuple[str, ...], selected: set[str]) -> None:
    spaces: list[Space | LiveSpace] = [*TWO.spaces, EXTRA]
    assert {one.slug for one in spaces if selects(TWO, only, one)} == selected
    plan = make_space_plan(TWO, state(live(), EXTRA), Options(only=only))
    assert {change.key for change in plan.changes} == selected


def test_actions_come_first_and_equal_spaces_last() -> None:
    catalog = make_catalog(space("a-equal", ADA), space("b-extra", ADA), space("z-new", ADA))
    equal, extra = live("a-equal", {ADA: "owner"}), live("b-extra", {ADA: "owner", BO: "member"})
    plan = make_space_plan(catalog, state(equal, extra), Options())
    assert [change.key for change in plan.changes] == ["z-new", "b-extra", "a-equal"]
    assert plan.kind == "space"
    assert plan.scope == ("*@mana.test",)


def test_checksum_depends_on_the_catalogs_space() -> None:
    def checksum(catalog: Catalog) -> str | None:
        return make_space_plan(catalog, state(), Options()).checksum

    assert checksum(make_catalog(FLAT)) != checksum(make_catalog(FLAT | {"name": "Other"}))
    assert make_space_plan(CATALOG, state(taken={"flat"}), Options()).checksum is None
