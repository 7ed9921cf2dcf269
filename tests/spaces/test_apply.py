"""Spaces on the embedded service: what a run makes of them, also through faults."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from personas import Catalog, UnreachableError
from personas.embedded import schema as tables
from personas.spaces.plan import BROKEN
from tests.making import NOON

from .world import ADA, BO, BOTH_LIVE, CY, DESK, DI, FLAT, HUMAN, SHARED, World, make_catalog, space


def test_a_run_creates_the_spaces_and_the_next_writes_nothing(world: World) -> None:
    first = world.run()
    assert world.shared() == BOTH_LIVE
    assert set(world.reported) == set(first.outcomes)
    assert (world.count("sign-in"), world.count("sign-out")) == (3, 3)
    assert world.rows(tables.sessions) == []
    assert [(o.kind, o.key) for o in first.outcomes] == [(c.kind, c.key) for c in first.plan.actions]
    ids = {row["id"] for row in world.rows(tables.organizations)}
    assert {outcome.id for outcome in first.outcomes} < ids
    again = world.run()
    assert set(again.statuses.values()) == {"in-sync"}
    assert (world.count("POST"), world.count("sign-in"), world.count("sign-out")) == (4, 2, 2)  # the owners


EDITED = make_catalog(
    FLAT | {"name": "Our flat", "type": "club", "members": [{"email": BO, "role": "admin"}, DI]}, DESK
)


def test_an_edited_space_is_renamed_and_joined_and_keeps_extra_members(sharing: World) -> None:
    row = sa.update(tables.organizations).where(tables.organizations.c.slug == "flat")
    sharing.write(row.values(metadata={"type": "team", "theme": "dark"}))
    assert sharing.run(EDITED).results == {"flat": "done"}
    roles = {ADA: "owner", BO: "admin", CY: "admin", DI: "member"}
    assert sharing.shared() == {"flat": ("Our flat", "club", roles), "desk": BOTH_LIVE["desk"]}
    [metadata] = [r["metadata"] for r in sharing.rows(tables.organizations) if r["slug"] == "flat"]
    assert metadata == {"type": "club", "theme": "dark"}
    assert sharing.run(EDITED).statuses == {"flat": "update", "desk": "in-sync"}


def test_prune_removes_extra_members_and_other_spaces_of_owners(sharing: World) -> None:
    sharing.join("flat", HUMAN)
    alone, both = make_catalog(FLAT | {"members": []}, DESK), make_catalog(FLAT, space("attic", ADA, BO))
    sharing.run(both)
    sharing.join("attic", CY, "owner")  # seen by two owners of the catalog
    run = sharing.run(alone)
    assert [change.key for change in run.plan.changes] == ["attic", "flat", "desk"]
    assert run.outcomes == ()
    assert sharing.run(alone, prune=True).results == {"flat": "done", "attic": "done"}
    assert sharing.shared() == {"flat": ("Flat", "team", {ADA: "owner"}), "desk": BOTH_LIVE["desk"]}


def test_personal_spaces_are_never_touched(sharing: World) -> None:
    def personal() -> list[dict[str, Any]]:
        return [row for row in sharing.rows(tables.organizations) if row["metadata"]["type"] == "personal"]

    row = sa.update(tables.organizations).where(tables.organizations.c.name == "Ada")
    sharing.write(row.values(slug="mine"))
    before = personal()
    assert len(before) == 5
    mine = make_catalog(FLAT | {"slug": "mine"})
    run = sharing.run(mine, prune=True, force=True)
    assert run.statuses == {"mine": "conflict", "flat": "extra"}
    assert run.results == {"flat": "done"}
    assert sharing.run(mine, delete=True, force=True).outcomes == ()
    assert personal() == before


MOVED = make_catalog(FLAT | {"owner": BO, "members": [ADA]}, space("desk", DI, BO))
ONLY_OWNERS = make_catalog(FLAT | {"members": []}, people=(ADA, CY), scope=[ADA, CY])
HUMAN_STAYS = f"never deleted, because some members are not live personas: {HUMAN}"


@pytest.mark.parametrize(
    ("human", "catalog", "options", "statuses", "reason"),
    [
        (True, make_catalog(FLAT), {"delete": True, "force": True}, {"flat": "extra"}, HUMAN_STAYS),
        (False, ONLY_OWNERS, {"delete": True, "force": True}, {"flat": "extra"}, BO),
        (False, make_catalog(DESK), {"prune": True}, {"desk": "in-sync"}, ""),  # the owner is a guest of flat
        (False, MOVED, {"prune": True, "force": True}, {"flat": "conflict", "desk": "conflict"}, ADA),
        (False, MOVED, {"delete": True, "force": True}, {"flat": "conflict", "desk": "conflict"}, ADA),
        (False, SHARED, {"passwords": None}, {"flat": "unknown", "desk": "unknown"}, "seed secret"),
    ],
)
def test_these_spaces_are_not_touched(
    sharing: World, human: bool, catalog: Catalog, options: Any, statuses: dict[str, str], reason: str
) -> None:
    if human:
        sharing.join("flat", HUMAN)
    before = sharing.shared()
    run = sharing.run(catalog, **options)
    assert (run.statuses, run.outcomes, sharing.shared()) == (statuses, (), before)
    assert any(reason in text for text in run.reasons.values())


ONE = make_catalog(FLAT)
RENAMED = make_catalog(FLAT | {"name": "Other"})
NOT_SHOWN = "the space flat does not show the changes"


@pytest.mark.parametrize(
    ("catalog", "spoil", "message"),
    [
        (ONE, lambda world: world.when("organization/delete", 403, {"id": "x"}), "deleting the space flat"),
        (ONE, lambda world: world.join("flat", HUMAN), f"not deleted: {HUMAN} joined the space meanwhile"),
        (RENAMED, lambda world: world.when("organization/update", 200, {"id": "x"}), NOT_SHOWN),
        (RENAMED, lambda world: world.delete(BO), BROKEN),
    ],
)
def test_a_change_that_is_refused_or_prevented_after_the_preview_has_failed(
    sharing: World, catalog: Catalog, spoil: Callable[[World], None], message: str
) -> None:
    run = sharing.run(catalog, delete=catalog is ONE, between=lambda: spoil(sharing))
    assert run.results == {"flat": "failed"}
    assert run.messages["flat"].startswith(message)
    assert "flat" in sharing.shared()


def test_only_limits_what_is_read_and_done(world: World) -> None:
    run = world.run(only=("flat",))
    assert run.statuses == {"flat": "create"}
    assert set(world.shared()) == {"flat"}
    # A space that only the service has is found as well.
    alone = make_catalog(space("attic", ADA))
    assert world.run(alone, only=("fl*",)).statuses == {"flat": "extra"}


@pytest.mark.parametrize(
    ("spoil", "email", "status", "reason"),
    [
        (World.set_password, ADA, "unknown", f"signing in as {ADA}: email or password is wrong."),
        (World.set_password, CY, "failed", f"signing in as {CY}: email or password is wrong."),
        (World.delete, ADA, "unknown", f"{ADA} is not live; `personas seed` creates personas"),
        (World.delete, CY, "unknown", f"not live: {CY}; `personas seed` creates personas"),
    ],
)
def test_without_one_of_its_people_a_space_is_not_made(
    world: World, spoil: Callable[[World, str], None], email: str, status: str, reason: str
) -> None:
    spoil(world, email)
    run = world.run(make_catalog(FLAT, space("attic", DI, BO)))
    assert (run.statuses | run.results, set(world.shared())) == ({"flat": status, "attic": "done"}, {"attic"})
    assert (run.reasons | run.messages)["flat"] == reason


def test_a_broken_space_is_unknown_and_deleted_with_force_only(sharing: World) -> None:
    sharing.delete(BO)
    sharing.create(BO)
    run = sharing.run(prune=True, force=True)
    assert run.statuses == {"flat": "unknown", "desk": "unknown"}
    assert "cannot read this space" in run.reasons["flat"]
    assert sharing.run(delete=True).outcomes == ()
    assert sharing.run(delete=True, force=True).results == {"flat": "done", "desk": "done"}
    assert sharing.run().results == {"flat": "done", "desk": "done"}


def test_the_slug_of_a_deleted_owner_is_a_conflict(sharing: World) -> None:
    sharing.delete(CY)
    sharing.create(CY)
    run = sharing.run()
    assert run.statuses == {"flat": "unknown", "desk": "conflict"}
    assert run.reasons["desk"].startswith("another space has this slug, perhaps one without an owner")
    assert sharing.run(delete=True, force=True).results == {"flat": "done"}


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        ("list", 404, None),
        ("list", 200, "text"),
        ("list", 200, {"spaces": 3}),
        ("list", 200, [{"id": 3}]),
        ("list", 200, None),
        ("list", 429, {"error": "slow down"}),
        ("get-full-organization", 401, {"code": "UNAUTHORIZED"}),
        ("get-full-organization", 403, {"message": "no"}),
        ("get-full-organization", 200, {"id": "another", "slug": "flat", "name": "Flat"}),
        ("get-full-organization", 200, None),
        ("get-full-organization", 302, None),
        ("get-full-organization", 500, {"error": "broken"}),
    ],
)
def test_no_strange_answer_is_in_sync_or_missing(sharing: World, call: str, status: int, body: Any) -> None:
    sharing.when(f"organization/{call}", status, body)
    run = sharing.run(prune=True)
    assert set(run.statuses.values()) == {"unknown"}
    assert run.outcomes == ()
    assert sharing.shared() == BOTH_LIVE


CHANGES = make_catalog(
    FLAT | {"name": "Other", "members": [{"email": BO, "role": "admin"}, DI]}, DESK | {"members": []}
)


FIRST = ("create", "check-slug", "invite-member", "accept-invitation")
LATER = ("update", "update-member-role", "remove-member", "invite-member", "get-full-organization")


@pytest.mark.parametrize(("call", "before"), [*((c, False) for c in FIRST), *((c, True) for c in LATER)])
def test_a_lost_answer_changes_nothing_about_the_result(world: World, call: str, before: bool) -> None:
    if before:
        world.run()
    world.lose_answer(call)
    catalog = CHANGES if before else make_catalog(FLAT, DESK)
    run = world.run(catalog, prune=True)
    assert world.events == []
    assert set(run.results.values()) == {"done"}, run.messages
    assert set(world.run(catalog, prune=True).statuses.values()) == {"in-sync"}


def test_a_lost_sign_in_concerns_one_owner(sharing: World) -> None:
    sharing.when("sign-in", 502, times=1)
    assert sorted(sharing.run().statuses.values()) == ["in-sync", "unknown"]


def test_an_invitation_that_expired_or_waits_is_sent_again(world: World) -> None:
    for minutes in (-1, 60):
        world.when("accept-invitation", 400, {"message": "not now"}, times=1)
        run = world.run(make_catalog(FLAT))
        assert run.results == {"flat": "failed"}
        assert "not now" in run.messages["flat"]
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        world.write(sa.update(tables.invitations).values(expires_at=expires))
    edited = make_catalog(FLAT | {"members": [{"email": e, "role": "admin"} for e in (BO, CY)]})
    assert world.run(edited).results == {"flat": "done"}
    assert world.shared()["flat"][2] == {ADA: "owner", BO: "admin", CY: "admin"}


def test_another_run_that_is_quicker_is_found_done(world: World) -> None:
    def create() -> None:
        values = {"id": "o1", "name": "Flat", "slug": "flat", "metadata": {"type": "team"}}
        world.write(sa.insert(tables.organizations).values(**values, created_at=NOON))
        world.join("flat", ADA, "owner")

    world.when("organization/create", do=create, times=1)
    world.when("invite-member", do=lambda: world.join("flat", BO), times=1)
    assert world.run(make_catalog(FLAT)).results == {"flat": "done"}
    assert world.shared() == {"flat": BOTH_LIVE["flat"]}


def test_a_slug_taken_after_the_preview_fails_with_its_reason(world: World) -> None:
    run = world.run(between=lambda: world.run(make_catalog(space("flat", DI)), only=("flat",)))
    assert run.results == {"flat": "failed", "desk": "done"}
    assert "Organization already exists" in run.messages["flat"]
    assert world.shared()["flat"][2] == {DI: "owner"}


def test_an_unreachable_service_stops_the_run_and_ends_the_reading(world: World) -> None:
    world.service.concurrency = 1
    world.when("organization/create", 502, times=2)
    run = world.run()
    assert run.results == {"desk": "unknown", "flat": "skipped"}
    assert "not available" in run.messages["flat"]
    assert set(world.reported) == set(run.outcomes)
    world.when("organization/list", 502)
    with pytest.raises(UnreachableError):
        world.run()


def test_an_aborted_run_reports_the_space_in_progress_as_unknown(world: World) -> None:
    def abort() -> None:
        world.scope.cancel()  # as a second Ctrl-C does

    world.when("organization/create", do=abort)
    with pytest.raises(TimeoutError):
        world.run(make_catalog(FLAT))
    [outcome] = world.reported
    assert (outcome.result, outcome.message) == ("unknown", "interrupted before the service answered")


def test_metadata_as_json_text_is_understood(sharing: World) -> None:
    [row] = [row for row in sharing.rows(tables.organizations) if row["slug"] == "flat"]
    space = {"id": row["id"], "slug": "flat", "name": "Flat", "metadata": json.dumps({"type": "team"})}
    members = [
        {"id": f"m-{email}", "userId": f"u-{email}", "role": role, "user": {"email": email}}
        for email, role in BOTH_LIVE["flat"][2].items()
    ]
    sharing.when("get-full-organization", 200, space | {"members": members}, times=1)
    assert sharing.run(make_catalog(FLAT)).statuses == {"flat": "in-sync"}
