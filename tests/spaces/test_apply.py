"""Spaces on the embedded service: what a run makes of them, also through faults."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa

from personas.concurrency import Cancel
from personas.embedded import schema as tables
from personas.errors import UnreachableError

from .world import (
    ADA,
    BO,
    BOTH_LIVE,
    CY,
    DESK,
    DESK_LIVE,
    DI,
    FLAT,
    FLAT_LIVE,
    HUMAN,
    SPACES,
    World,
    make_catalog,
    space,
)


def test_a_run_creates_the_spaces_and_the_next_writes_nothing(world: World) -> None:
    first = world.run()
    assert world.shared() == BOTH_LIVE
    assert set(world.seen) == set(first.outcomes)
    assert [outcome.key for outcome in first.outcomes] == [change.key for change in first.plan.actions]
    ids = {row["id"] for row in world.rows(tables.organizations)}
    assert {outcome.id for outcome in first.outcomes} < ids
    again = world.run()
    assert set(again.statuses.values()) == {"in-sync"}
    assert not [line for line in again.requests if line.startswith("POST") and "sign-" not in line]
    assert sum("sign-in" in line for line in again.requests) == 2  # the owners


def test_each_persona_signs_in_once_in_preview_and_execution(world: World) -> None:
    run = world.run()
    assert sum("sign-in" in line for line in run.requests) == 3
    assert sum("sign-out" in line for line in run.requests) == 3
    assert world.rows(tables.sessions) == []


EDITED = make_catalog(
    FLAT | {"name": "Our flat", "type": "club", "members": [{"email": BO, "role": "admin"}, DI]}, DESK
)


def test_an_edited_space_is_renamed_and_joined_and_keeps_extra_members(sharing: World) -> None:
    row = sa.update(tables.organizations).where(tables.organizations.c.slug == "flat")
    sharing.execute(row.values(metadata={"type": "team", "theme": "dark"}))
    assert sharing.run(EDITED).results == {"flat": "done"}
    roles = {ADA: "owner", BO: "admin", CY: "admin", DI: "member"}
    assert sharing.shared() == {"flat": ("Our flat", "club", roles), "desk": DESK_LIVE}
    [metadata] = [r["metadata"] for r in sharing.rows(tables.organizations) if r["slug"] == "flat"]
    assert metadata == {"type": "club", "theme": "dark"}
    assert sharing.run(EDITED).statuses == {"flat": "update", "desk": "in-sync"}


def test_prune_removes_extra_members_and_other_spaces_of_owners(sharing: World) -> None:
    sharing.add_human("flat")
    alone = make_catalog(FLAT | {"members": []})
    both = make_catalog(FLAT, space("attic", ADA, BO))
    sharing.run(both)
    run = sharing.run(alone)
    assert run.statuses == {"flat": "update", "attic": "extra"}
    assert run.outcomes == ()
    assert sharing.run(alone, prune=True).results == {"flat": "done", "attic": "done"}
    assert sharing.shared() == {"flat": ("Flat", "team", {ADA: "owner"}), "desk": DESK_LIVE}


def test_a_space_with_two_owners_of_the_catalog_is_listed_once(sharing: World) -> None:
    sharing.run(make_catalog(space("attic", ADA)))
    sharing.add_member("attic", CY, "owner")
    run = sharing.run(prune=True)
    assert [change.key for change in run.plan.changes] == ["attic", "desk", "flat"]
    assert run.results == {"attic": "done"}


def test_personal_spaces_are_never_touched(sharing: World) -> None:
    def personal() -> list[dict[str, Any]]:
        return [row for row in sharing.rows(tables.organizations) if row["metadata"]["type"] == "personal"]

    row = sa.update(tables.organizations).where(tables.organizations.c.name == "Ada")
    sharing.execute(row.values(slug="mine"))
    before = personal()
    assert len(before) == 5
    mine = make_catalog(FLAT | {"slug": "mine"})
    run = sharing.run(mine, prune=True, force=True)
    assert run.statuses == {"mine": "conflict", "flat": "extra"}
    assert run.results == {"flat": "done"}
    assert sharing.run(mine, delete=True, force=True).outcomes == ()
    assert personal() == before


def test_delete_deletes_the_spaces_of_the_catalog_only(sharing: World) -> None:
    sharing.run(make_catalog(space("attic", ADA, BO)))
    run = sharing.run(make_catalog(FLAT, DESK, space("new", DI)), delete=True)
    assert run.results == {"flat": "done", "desk": "done"}
    assert set(sharing.shared()) == {"attic"}
    assert sharing.run(delete=True).plan.changes == ()


def test_a_space_with_a_human_is_not_deleted_even_with_force(sharing: World) -> None:
    sharing.add_human("flat")
    run = sharing.run(delete=True, force=True)
    assert run.results == {"desk": "done"}
    assert run.reasons["flat"] == f"never deleted, because some members are not live personas: {HUMAN}"
    assert set(sharing.shared()) == {"flat"}


def test_a_human_who_joins_after_the_preview_keeps_the_space(sharing: World) -> None:
    run = sharing.run(delete=True, between=lambda: sharing.add_human("flat"))
    assert run.results == {"flat": "failed", "desk": "done"}
    assert run.messages["flat"] == f"not deleted: {HUMAN} joined the space meanwhile"
    assert set(sharing.shared()) == {"flat"}


def test_a_refused_deletion_has_failed(sharing: World) -> None:
    sharing.refuse("organization/delete", 403, {"message": "not you"})
    assert sharing.run(delete=True).results == {"flat": "failed", "desk": "failed"}


def test_a_space_with_a_persona_of_another_scope_is_not_deleted(sharing: World) -> None:
    only_owners = make_catalog(FLAT | {"members": []}, people=(ADA, CY), scope=[ADA, CY])
    assert sharing.run(only_owners, delete=True, force=True).outcomes == ()


def test_spaces_where_owners_are_guests_are_left_out(sharing: World) -> None:
    assert sharing.run(make_catalog(DESK), prune=True).statuses == {"desk": "in-sync"}


def test_a_space_of_another_owner_is_a_conflict_and_not_touched(sharing: World) -> None:
    moved = make_catalog(FLAT | {"owner": BO, "members": [ADA]}, space("desk", DI, BO))
    run = sharing.run(moved, prune=True, force=True)
    assert run.statuses == {"flat": "conflict", "desk": "conflict"}
    assert run.outcomes == ()
    assert sharing.run(moved, delete=True, force=True).outcomes == ()
    assert sharing.shared() == BOTH_LIVE


def test_only_limits_what_is_read_and_done(world: World) -> None:
    run = world.run(only=("flat",))
    assert run.statuses == {"flat": "create"}
    assert set(world.shared()) == {"flat"}
    # A space that only the service has is found as well.
    alone = make_catalog(space("attic", ADA))
    assert world.run(alone, only=("fl*",)).statuses == {"flat": "extra"}


def test_owner_without_the_derived_password_is_unknown_and_others_go_on(world: World) -> None:
    world.change_password(ADA)
    run = world.run()
    assert run.statuses == {"flat": "unknown", "desk": "create"}
    assert run.reasons["flat"] == f"signing in as {ADA}: email or password is wrong."
    assert run.results == {"desk": "done"}


def test_member_without_the_derived_password_leaves_no_half_made_space(world: World) -> None:
    world.change_password(CY)
    run = world.run(make_catalog(FLAT, space("attic", ADA, BO)))
    assert run.results == {"flat": "failed", "attic": "done"}
    assert run.messages["flat"] == f"signing in as {CY}: email or password is wrong."
    assert set(world.shared()) == {"attic"}


def test_spaces_of_personas_that_are_not_live_are_unknown(world: World) -> None:
    world.delete_user(CY)
    run = world.run(make_catalog(FLAT, DESK, space("attic", ADA, BO)))
    assert run.statuses == {"flat": "unknown", "desk": "unknown", "attic": "create"}
    assert run.reasons["desk"] == f"{CY} is not live; `personas seed` creates personas"
    assert run.results == {"attic": "done"}


def test_without_a_seed_secret_spaces_are_unknown(sharing: World) -> None:
    run = sharing.run(passwords=None)
    assert run.statuses == {"flat": "unknown", "desk": "unknown"}
    assert "seed secret" in run.reasons["flat"]


def test_a_broken_space_is_unknown_and_deleted_with_force_only(sharing: World) -> None:
    sharing.delete_user(BO)
    sharing.seed(BO)
    run = sharing.run(prune=True, force=True)
    assert run.statuses == {"flat": "unknown", "desk": "unknown"}
    assert "cannot read this space" in run.reasons["flat"]
    assert sharing.run(delete=True).outcomes == ()
    assert sharing.run(delete=True, force=True).results == {"flat": "done", "desk": "done"}
    assert sharing.run().results == {"flat": "done", "desk": "done"}


def test_the_slug_of_a_deleted_owner_is_a_conflict(sharing: World) -> None:
    sharing.delete_user(CY)
    sharing.seed(CY)
    run = sharing.run()
    assert run.statuses == {"flat": "unknown", "desk": "conflict"}
    assert run.reasons["desk"] == "another space has this slug; choose another one in the catalog"
    assert sharing.run(delete=True, force=True).results == {"flat": "done"}


def test_a_space_that_was_not_read_is_never_in_sync(sharing: World) -> None:
    sharing.run(make_catalog(space("attic", CY)))
    sharing.refuse("get-full-organization", 500, times=1)
    run = sharing.run(concurrency=1)
    assert sorted(run.statuses.values()) == ["extra", "in-sync", "unknown"]
    assert len(run.plan.drift) == 2


STRANGE: list[tuple[int, Any]] = [
    (404, None),
    (403, {"message": "no"}),
    (401, {"code": "UNAUTHORIZED"}),
    (200, "text"),
    (200, {"spaces": 3}),
    (200, [{"id": 3}]),
    (200, {"id": "another", "slug": "flat", "name": "Flat"}),
    (200, None),
    (302, None),
    (500, {"error": "broken"}),
    (429, {"error": "slow down"}),
]


@pytest.mark.parametrize(("status", "body"), STRANGE)
@pytest.mark.parametrize("call", ["list", "get-full-organization"])
def test_no_strange_answer_is_in_sync_or_missing(sharing: World, call: str, status: int, body: Any) -> None:
    sharing.refuse(SPACES + call, status, body)
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
    assert world.faults == []
    assert set(run.results.values()) == {"done"}, run.messages
    assert set(world.run(catalog, prune=True).statuses.values()) == {"in-sync"}


def test_a_lost_sign_in_concerns_one_owner(sharing: World) -> None:
    sharing.refuse("sign-in", 502, times=1)
    assert sorted(sharing.run().statuses.values()) == ["in-sync", "unknown"]


def test_a_lost_answer_to_a_deletion_is_a_deletion(sharing: World) -> None:
    sharing.lose_answer("delete")
    assert sharing.run(delete=True).results == {"flat": "done", "desk": "done"}
    assert sharing.faults == []


def test_an_invitation_that_expired_or_waits_is_sent_again(world: World) -> None:
    flat = make_catalog(FLAT)
    world.refuse("accept-invitation", 400, {"message": "not now"}, times=1)
    run = world.run(flat)
    assert run.results == {"flat": "failed"}
    assert "not now" in run.messages["flat"]
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    world.execute(sa.update(tables.invitations).values(expires_at=past))
    world.refuse("accept-invitation", 400, {"message": "not now"}, times=1)
    world.run(flat)
    edited = make_catalog(
        FLAT | {"members": [{"email": BO, "role": "admin"}, {"email": CY, "role": "admin"}]}
    )
    assert world.run(edited).results == {"flat": "done"}
    assert world.shared()["flat"][2] == {ADA: "owner", BO: "admin", CY: "admin"}


def test_another_run_that_is_quicker_is_found_done(world: World) -> None:
    def create() -> None:
        now, values = dt.datetime.now(dt.UTC), {"id": "o1", "name": "Flat", "slug": "flat"}
        world.execute(
            sa.insert(tables.organizations).values(**values, metadata={"type": "team"}, created_at=now)
        )
        world.add_member("flat", ADA, "owner")

    world.before("create", create)
    world.before("invite-member", lambda: world.add_member("flat", BO))
    assert world.run(make_catalog(FLAT)).results == {"flat": "done"}
    assert world.shared() == {"flat": FLAT_LIVE}


def test_a_slug_taken_after_the_preview_fails_with_its_reason(world: World) -> None:
    run = world.run(between=lambda: world.run(make_catalog(space("flat", DI)), only=("flat",)))
    assert run.results == {"flat": "failed", "desk": "done"}
    assert "Organization already exists" in run.messages["flat"]
    assert world.shared()["flat"][2] == {DI: "owner"}


def test_a_change_that_does_not_last_is_not_done(sharing: World) -> None:
    sharing.refuse("organization/update", 200, {"id": "x"})
    run = sharing.run(make_catalog(FLAT | {"name": "Other"}))
    assert run.results == {"flat": "failed"}
    assert run.messages["flat"] == "the space flat does not show the changes that were made"


def test_a_space_that_breaks_after_the_preview_fails(sharing: World) -> None:
    renamed = make_catalog(FLAT | {"name": "Other"})
    run = sharing.run(renamed, between=lambda: sharing.delete_user(BO))
    assert run.results == {"flat": "failed"}
    assert "cannot read this space" in run.messages["flat"]


def test_an_unreachable_service_stops_the_run(world: World) -> None:
    world.refuse("create", 502, times=3)
    run = world.run(concurrency=1)
    assert run.results == {"desk": "unknown", "flat": "skipped"}
    assert "not available" in run.messages["flat"]
    assert set(world.seen) == set(run.outcomes)


def test_an_unreachable_service_ends_the_reading(world: World) -> None:
    world.refuse("organization/list", 502)
    with pytest.raises(UnreachableError):
        world.run()


def test_an_interruption_finishes_the_space_and_skips_the_rest(world: World) -> None:
    cancel = Cancel()
    world.before("invite-member", cancel.request)
    run = world.run(cancel=cancel, concurrency=1)
    assert run.results == {"desk": "done", "flat": "skipped"}
    assert world.shared() == {"desk": DESK_LIVE}


def test_an_aborted_run_reports_the_space_in_progress_as_unknown(world: World) -> None:
    world.before("create", world.abort)
    with pytest.raises(TimeoutError):
        world.run(make_catalog(FLAT))
    [outcome] = world.seen
    assert (outcome.result, outcome.message) == ("unknown", "interrupted before the service answered")


def test_metadata_as_json_text_is_understood(sharing: World) -> None:
    [row] = [row for row in sharing.rows(tables.organizations) if row["slug"] == "flat"]
    members = [
        {"id": f"m{i}", "userId": f"u{i}", "role": role, "user": {"email": email}}
        for i, (email, role) in enumerate(FLAT_LIVE[2].items())
    ]
    body = {
        "id": row["id"],
        "slug": "flat",
        "name": "Flat",
        "metadata": json.dumps({"type": "team"}),
        "members": members,
    }
    sharing.refuse("get-full-organization", 200, body, times=1)
    assert sharing.run(make_catalog(FLAT)).statuses == {"flat": "in-sync"}
