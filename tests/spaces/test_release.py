"""Spaces are released before personas are deleted: none is broken, and no slug is lost without --force."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from personas import Action, Catalog, Change, PasswordDeriver, Plan, Secret, Status
from personas.spaces.apply import spaces_to_release

from .world import ADA, BO, BOTH_LIVE, CY, DESK, DI, EMAILS, FLAT, HUMAN, SHARED, World, make_catalog, space

DELETE, REPLACE = Action.DELETE, Action.REPLACE
OTHER_SECRET = PasswordDeriver(Secret("a seed secret of another day"))
Spoil = Callable[[World], object]
ALL = dict.fromkeys(EMAILS, DELETE)


def test_a_member_that_goes_leaves_the_spaces_of_others(sharing: World) -> None:
    sharing.run(make_catalog(FLAT, DESK, space("attic", ADA, BO)))
    _, notes = sharing.release({BO: REPLACE})
    assert notes == (
        "Spaces deleted or left first: attic, desk, flat.",
        "Run `personas spaces` to create these spaces and memberships again.",
    )
    assert sharing.shared() == {
        "flat": ("Flat", "team", {ADA: "owner", CY: "admin"}),
        "desk": ("Desk", "team", {CY: "owner"}),
        "attic": ("Attic", "team", {ADA: "owner"}),  # the catalog lacks its owner's space
    }
    sharing.create(BO)
    assert sharing.run().results == {"flat": "done", "desk": "done"}
    assert sharing.shared() == BOTH_LIVE | {"attic": ("Attic", "team", {ADA: "owner"})}


@pytest.mark.parametrize(
    ("catalog", "going"),
    [(make_catalog(people=(ADA,)), ALL), (SHARED, {DI: DELETE}), (SHARED, {})],
    ids=["no-spaces", "named-by-no-space", "without-deletions"],
)
def test_nothing_is_asked_without_spaces_that_are_concerned(
    sharing: World, catalog: Catalog, going: dict[str, Action]
) -> None:
    plan, notes = sharing.release(going, catalog)
    assert (len(plan.actions), notes, sharing.seen) == (len(going), (), [])


def test_a_persona_outside_the_catalog_leaves_the_spaces_that_it_is_still_in(sharing: World) -> None:
    without_bo = make_catalog(FLAT | {"members": [CY]}, DESK | {"members": []}, people=(ADA, CY, DI))
    sharing.release({BO: DELETE}, without_bo)
    assert set(sharing.shared()["flat"][2]) == {ADA, CY}
    assert sharing.run(without_bo).statuses == {"flat": "update", "desk": "in-sync"}


@pytest.mark.parametrize("passwords", [OTHER_SECRET, None])
def test_another_seed_secret_destroys_no_space(sharing: World, passwords: PasswordDeriver | None) -> None:
    # All passwords are wrong now, so seed --replace wants to re-create everyone.
    plan, notes = sharing.release(dict.fromkeys(EMAILS, REPLACE), passwords=passwords)
    assert notes == ()
    assert [change.key for change in plan.actions] == [DI]  # DI shares no space
    why = "email or password is wrong." if passwords else "the seed secret is missing."
    assert plan.changes[0].reason == f"kept, because the space flat needs it: signing in as {ADA}: {why}"
    assert sharing.shared() == BOTH_LIVE


FOREIGN = make_catalog(FLAT | {"owner": BO, "members": [CY]})
SMALL = make_catalog(FLAT, people=(ADA, BO, CY))


@pytest.mark.parametrize(
    ("spoil", "catalog", "going", "kept", "reason"),
    [
        (lambda world: world.set_password(ADA), SHARED, {ADA, DI, CY}, {ADA, CY}, "password is wrong"),
        (lambda world: world.set_password(ADA), SHARED, {CY}, {CY}, "password is wrong"),
        (lambda world: world.when("get-full-organization", 403), SMALL, {BO, DI}, {BO, DI}, "HTTP 403"),
        (World.users, FOREIGN, {CY}, {CY}, "not allowed"),
        (World.users, FOREIGN, {BO}, {BO}, f"belongs to {ADA}"),
        (lambda world: world.cancel.request(), SHARED, {ADA, BO}, {ADA, BO}, "interrupted"),
    ],
)
def test_personas_whose_spaces_cannot_be_released_are_kept(
    sharing: World, spoil: Spoil, catalog: Catalog, going: set[str], kept: set[str], reason: str
) -> None:
    spoil(sharing)
    plan, _ = sharing.release(dict.fromkeys(sorted(going), DELETE), catalog)
    reasons = {change.key: change.reason for change in plan.changes if not change.action}
    assert set(reasons) == kept
    assert all(why.startswith("kept, because the space ") and reason in why for why in reasons.values())
    # The spaces whose owners were reached are gone with them.
    assert set(sharing.shared()) == ({"flat"} if reason == "password is wrong" else {"flat", "desk"})


def test_force_replaces_that_owner_and_names_the_lost_slug(sharing: World) -> None:
    sharing.set_password(ADA)
    plan, notes = sharing.release({ADA: REPLACE}, force=True)
    assert len(plan.actions) == 1
    assert notes == ("The slug flat cannot be used again: its space loses its owner.",)
    sharing.create(ADA)
    assert sharing.run().statuses == {"flat": "conflict", "desk": "in-sync"}


@pytest.mark.parametrize("force", [False, True])
def test_a_space_with_a_human_stays_and_its_owner_goes_with_force_only(sharing: World, force: bool) -> None:
    sharing.join("flat", HUMAN)
    plan, notes = sharing.release(ALL, force=force)
    assert set(sharing.shared()) == {"flat"}
    assert sharing.users() == (set() if force else {"ada"})
    assert ("The slug flat cannot be used again: its space loses its owner." in notes) == force
    if not force:
        [kept] = [change for change in plan.changes if not change.action]
        assert kept.reason.startswith("kept, because the space flat needs it: never deleted")
        assert kept.reason.endswith(HUMAN)
        # The members that went have left the space first, so that it is not broken.
        assert sharing.shared()["flat"][2] == {ADA: "owner", HUMAN: "member"}


@pytest.mark.parametrize("force", [False, True])
def test_the_owner_of_a_broken_space_goes_with_force_only(sharing: World, force: bool) -> None:
    sharing.delete(BO)
    _, notes = sharing.release({ADA: DELETE, CY: DELETE, DI: DELETE}, force=force)
    assert sharing.users() == (set() if force else {"ada", "cy"})
    assert set(sharing.shared()) == (set() if force else {"flat", "desk"})
    assert not any("cannot be used again" in note for note in notes)


def test_owners_take_their_spaces_and_a_cleanup_that_was_cut_is_completed(sharing: World) -> None:
    sharing.release({CY: DELETE})
    assert sharing.shared() == {"flat": ("Flat", "team", {ADA: "owner", BO: "member"})}
    sharing.release({ADA: DELETE})
    plan, _ = sharing.release({BO: DELETE, DI: DELETE})
    assert len(plan.actions) == 2
    assert sharing.users() == set()


@pytest.mark.parametrize("call", ["delete", "remove-member"])
def test_a_lost_answer_keeps_no_persona(sharing: World, call: str) -> None:
    sharing.lose_answer(call)
    plan, _ = sharing.release({CY: DELETE, BO: DELETE})
    assert len(plan.actions) == 2
    assert sharing.events == []
    assert sharing.shared() == {"flat": ("Flat", "team", {ADA: "owner"})}


def test_an_owner_goes_where_another_space_has_its_slug(sharing: World) -> None:
    plan, _ = sharing.release({DI: DELETE}, make_catalog(FLAT | {"owner": DI, "members": []}))
    assert len(plan.actions) == 1


def test_spaces_to_release_are_those_of_owners_that_go() -> None:
    going = [Change(key=email, status=Status.EXTRA, action=DELETE) for email in (ADA, BO)]
    assert spaces_to_release(SHARED, Plan(changes=(*going, Change(key=CY, status=Status.EXTRA)))) == ("flat",)
