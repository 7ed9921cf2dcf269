"""Plans of spaces: one row for each situation, without a service."""

from __future__ import annotations

from typing import Any

import pytest

from personas import Action, Options, Space
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
BROKEN_ATTIC = live("attic", {}, broken=True)
UNNAMED = live("attic", {ADA: "owner", "": "member"})  # without an email, no member is a persona
EXTRA = live("attic", {ADA: "owner"})
MORE = state(live(roles=ROLES | {DI: "member"}))
BOS = state(live(roles={BO: "owner", ADA: "member"}))
WITH_HUMAN = {**ROLES, HUMAN: "member"}
CREATE, UPDATE, DELETE = Action.CREATE, Action.UPDATE, Action.DELETE
PRUNE, FORCE, BOTH = Options(prune=True), Options(force=True), Options(prune=True, force=True)
EXTRAS = "--prune removes the extra members"
NEVER = f"never deleted, because some members are not live personas: {HUMAN}"
ONLY_FORCE = f"{BROKEN}; its members are unknown, so only --force deletes it"
OWNERLESS = "the space belongs to an account that was deleted"
ABSENT = f"not live: {BO}, {CY}; `personas seed` creates personas"


def row(
    name: str,
    given: SpaceState,
    status: str,
    action: Action | None = None,
    reason: str = "",
    *,
    fields: str = "",
    options: Options = Options(),  # noqa: B008 - it is frozen
    delete: bool = False,
) -> object:
    slug = "attic" if name.startswith("extra-") else "flat"
    return pytest.param(given, slug, options, delete, (status, action, reason), fields.split(), id=name)


@pytest.mark.parametrize(
    ("given", "slug", "options", "delete", "decided", "fields"),
    [
        row("missing", state(), "create", CREATE),
        row("equal", state(live()), "in-sync"),
        row("service-without-types", state(live(type=None)), "in-sync"),
        row("name", state(live(name="Old")), "update", UPDATE, fields="name"),
        row("type", state(live(type="club")), "update", UPDATE, fields="type"),
        row("lost-type", state(live(type="")), "update", UPDATE, fields="type"),
        row("no-member", state(live(roles={ADA: "owner", CY: "admin"})), "update", UPDATE, fields="members"),
        row("role", state(live(roles=ROLES | {CY: "member"})), "update", UPDATE, fields="members"),
        row("second-owner", state(live(roles=ROLES | {BO: "owner"})), "update", UPDATE, fields="members"),
        row("more-members", MORE, "update", None, EXTRAS, fields="members"),
        row("more-members-prune", MORE, "update", UPDATE, fields="members", options=PRUNE),
        row(
            "two", state(live(name="Old", roles=WITH_HUMAN)), "update", UPDATE, EXTRAS, fields="name members"
        ),
        row("other-owner", BOS, "conflict", None, f"the space belongs to {BO}", fields="owner", options=BOTH),
        row("no-owner", state(live(roles={ADA: "member"})), "conflict", None, OWNERLESS, fields="owner"),
        row("taken", state(taken={"flat"}), "conflict", None, TAKEN, options=BOTH),
        row("unread", state(unread={"flat": "HTTP 500"}), "unknown", None, "HTTP 500", options=BOTH),
        row("broken", state(BROKEN_FLAT), "unknown", None, BROKEN, options=BOTH),
        row("not-live", state(personas={ADA}), "unknown", None, ABSENT),
        row("extra-kept", state(live(), EXTRA), "extra", None, "not in the catalog"),
        row("extra-prune", state(live(), EXTRA), "extra", DELETE, options=PRUNE),
        row("extra-human", state(live(), live("attic", WITH_HUMAN)), "extra", None, NEVER, options=BOTH),
        row("extra-unnamed", state(live(), UNNAMED), "extra", None, NEVER.replace(HUMAN, "u1"), options=BOTH),
        row("extra-broken", state(live(), BROKEN_ATTIC), "unknown", None, BROKEN),
        row("extra-broken-prune", state(live(), BROKEN_ATTIC), "unknown", None, ONLY_FORCE, options=PRUNE),
        row("extra-broken-force", state(live(), BROKEN_ATTIC), "extra", DELETE, options=BOTH),
        row("delete", state(live(), EXTRA), "extra", DELETE, delete=True),
        row("delete-changed", state(live(name="Old")), "extra", DELETE, delete=True),
        row("delete-human", state(live(roles=WITH_HUMAN)), "extra", None, NEVER, options=FORCE, delete=True),
        row("delete-taken", state(taken={"flat"}), "conflict", None, TAKEN, options=FORCE, delete=True),
        row("delete-unread", state(unread={"flat": "no"}), "unknown", None, "no", options=FORCE, delete=True),
        row("delete-broken", state(BROKEN_FLAT), "unknown", None, ONLY_FORCE, delete=True),
        row("delete-broken-force", state(BROKEN_FLAT), "extra", DELETE, options=FORCE, delete=True),
    ],
)
def test_a_space_is_compared_and_decided(
    given: SpaceState, slug: str, options: Options, delete: bool, decided: object, fields: list[str]
) -> None:
    plan = make_space_plan(CATALOG, given, options, delete=delete)
    [change] = [change for change in plan.changes if change.key == slug]
    assert (change.status, change.action, change.reason) == decided
    assert [field.field for field in change.fields] == fields
    assert (change.kind, change.name) == ("space", slug.title())
    assert change.id == (change.live and "s1")
    assert change.line == (CATALOG.locate(("spaces", 0))[0] if slug == "flat" else None)
    assert [field.line for field in change.fields] == [CATALOG.locate(("spaces", 0, f))[0] for f in fields]
    assert len(plan.changes) == (1 if slug == "flat" else 2)


def test_a_space_that_does_not_exist_is_not_deleted() -> None:
    for given in (state(), state(personas=())):
        assert make_space_plan(CATALOG, given, FORCE, delete=True).changes == ()


def test_members_are_shown_with_old_and_new_roles() -> None:
    plan = make_space_plan(CATALOG, state(live(roles=ROLES | {DI: "member", BO: "admin"})), Options())
    [field] = plan.changes[0].fields
    assert field.old == {BO: "admin", CY: "admin", DI: "member"}
    assert field.new == {BO: "member", CY: "admin"}


def test_other_space_that_could_not_be_read_is_unknown() -> None:
    plan = make_space_plan(CATALOG, state(live(), unread={"attic": "HTTP 429"}), Options())
    assert [(c.key, c.status, c.reason) for c in plan.drift] == [("attic", "unknown", "HTTP 429")]
    plan = make_space_plan(CATALOG, state(live(), EXTRA, unread={"attic": "HTTP 429"}), Options())
    assert [(c.key, c.status) for c in plan.drift] == [("attic", "extra")]


TWO = make_catalog(FLAT, space("desk", CY, DI, name="The desk"))


@pytest.mark.parametrize(
    ("only", "selected"),
    [
        (("flat",), {"flat"}),
        (("The d*",), {"desk"}),
        ((DI,), {"desk"}),
        (("bo",), {"flat"}),
        (("ADA",), {"flat", "attic"}),
        (("Di",), {"desk"}),
        (("att*", "desk"), {"attic", "desk"}),
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
    catalogs = CATALOG, make_catalog(FLAT | {"name": "Other"})
    one, other = (make_space_plan(catalog, state(), Options()).checksum for catalog in catalogs)
    assert one != other
    assert make_space_plan(CATALOG, state(taken={"flat"}), Options()).checksum is None
