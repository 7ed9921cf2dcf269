from __future__ import annotations

from datetime import timedelta

import pytest

from personas.embedded import schema
from personas.errors import CredentialsError, ResponseError, SafetyError
from personas.passwords import DEVELOPMENT_SECRET, PasswordDeriver
from personas.reconcile.changes import Plan, Status
from personas.redact import Secret

from .making import NOON, OTHER_PASSWORDS, describe, entry, make_catalog
from .world import LOOK_UP, PERSONAS, SIGN_IN, SIGN_OUT, World

pytestmark = pytest.mark.anyio

FIVE = ["p0", "p1", "p2", "p3", "p4"]
SEVEN = [*FIVE, "p5", "p6"]
WRITE = f"(POST|DELETE) {PERSONAS}"


def drift(plan: Plan) -> dict[str, str]:
    return {describe(change)[0]: change.status for change in plan.drift}


# Who has a new email


signed_in_or_not = pytest.mark.parametrize("signed_in", [False, True])


@signed_in_or_not
async def test_human_with_catalog_email_is_a_conflict(world: World, signed_in: bool) -> None:
    await world.seed(make_catalog(*FIVE))
    world.add_human("p6", signed_in=signed_in)
    plan = await world.plan(make_catalog(*SEVEN))
    assert drift(plan) == {"p5": "create", "p6": "conflict"}
    assert plan.checksum is None
    assert world.count(SIGN_OUT) <= 2


@signed_in_or_not
async def test_half_created_persona_is_completed(world: World, signed_in: bool) -> None:
    await world.seed(make_catalog(*FIVE))
    world.add_half_created("p6", signed_in=signed_in)
    plan = await world.plan(make_catalog(*SEVEN))
    assert drift(plan) == {"p5": "create", "p6": "create"}
    assert [change.reason for change in plan.actions] == ["", "completes a half-created persona"]
    assert [change.existing is not None for change in plan.actions] == [False, True]
    await world.apply(plan)
    assert (world.personas, world.emails("human")) == ({*SEVEN}, set())


async def test_one_count_is_enough_although_another_catalog_has_personas(world: World) -> None:
    await world.seed(make_catalog("books.bo", "books.cy"))
    world.seen.clear()
    plan = await world.plan(make_catalog("shop.dee", scope="persona.shop.*@mana.test"))
    assert drift(plan) == {"shop.dee": "create"}
    assert plan.others == 2
    assert (world.count(LOOK_UP), world.count(f"{LOOK_UP}.*limit=0")) == (1, 1)


async def test_each_domain_of_the_scope_is_counted_alone(world: World) -> None:
    world.add_human("ada@acme.test")
    emails = ["ada@acme.test", "bo@acme.test", "cy@books.test", "dee@books.test"]
    catalog = make_catalog(*emails, scope=["*@acme.test", "*@books.test"])
    plan = await world.plan(catalog)
    assert drift(plan) == {emails[0]: "conflict", **dict.fromkeys(emails[1:], "create")}
    assert world.count(f"{LOOK_UP}.*(cy|dee)") == 0


async def test_other_humans_of_the_domain_are_in_no_way(world: World) -> None:
    world.add_human("joada", signed_in=True)
    world.add_human("till@mana.test")
    assert drift(await world.plan(make_catalog("ada"))) == {"ada": "create"}


NO_VERDICTS = [
    (429, {"message": "Too many requests"}, "rate limited"),
    (401, {"message": "Unauthorized"}, "not the auth service's sign-in"),
    (403, {"code": "INVALID_ORIGIN"}, "HTTP 403"),
    (500, None, "HTTP 500"),
    (503, None, "HTTP 503"),
]


@pytest.mark.parametrize(("status", "body", "reason"), NO_VERDICTS)
async def test_account_without_password_verdict_is_unknown(
    world: World, status: int, body: object, reason: str
) -> None:
    world.add_human("ada")
    world.when(SIGN_IN, status, body)
    plan = await world.plan(make_catalog("ada", "bo"))
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    (unknown,) = plan.of(Status.UNKNOWN)
    assert unknown.reason.startswith("cannot determine who owns this email: ")
    assert reason in unknown.reason
    await world.apply(plan)
    assert (world.personas, world.emails("human")) == ({"bo"}, {"ada"})


async def test_without_seed_secret_taken_emails_are_unknown(world: World) -> None:
    await world.seed(make_catalog("cy"))
    world.add_human("ada")
    world.seen.clear()
    plan = await world.plan(make_catalog("ada", "bo", "cy"), passwords=None)
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    assert "there is no seed secret" in plan.of(Status.UNKNOWN)[0].reason
    assert plan.notes == ("There is no seed secret: passwords were not checked.",)
    assert world.count(SIGN_IN) == 0


async def test_look_up_is_not_needed_if_nothing_selected_is_new(world: World) -> None:
    await world.seed(make_catalog("ada"))
    world.when(LOOK_UP, 404)
    assert not (await world.plan(make_catalog("ada", "bo"), only=("ada",))).drift


async def test_failed_look_up_is_unknown(world: World) -> None:
    world.add_human("till")
    world.when(f"{LOOK_UP}.*ada.*limit=0", 500)
    plan = await world.plan(make_catalog("ada", "bo"))
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    assert "HTTP 500" in plan.of(Status.UNKNOWN)[0].reason


@pytest.mark.parametrize(("status", "error"), [(500, ResponseError), (403, CredentialsError)])
async def test_failed_count_stops_the_run(world: World, status: int, error: type[Exception]) -> None:
    world.when(LOOK_UP, status, {"error": "no"})
    with pytest.raises(error):
        await world.plan(make_catalog("ada"))


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_missing_look_up_refuses_to_create_without_force(world: World, status: int) -> None:
    world.when(LOOK_UP, status)
    with pytest.raises(SafetyError, match="no user look-up") as caught:
        await world.plan(make_catalog("ada"))
    assert "--force" in caught.value.hint
    plan = await world.plan(make_catalog("ada"), force=True)
    assert drift(plan) == {"ada": "create"}
    assert plan.notes == ("The service offers no user look-up: new emails could belong to other accounts.",)


# Whether the seed secret matches


async def seed_in_order(world: World, *names: str) -> None:
    """Create personas whose age is their place."""
    await world.seed(make_catalog(*names))
    for place, who in enumerate(names):
        world.change(who, schema.personas, created_at=NOON + timedelta(days=place))
    world.seen.clear()


def tried(world: World) -> int:
    return world.count(SIGN_IN)


@pytest.mark.parametrize(("names", "tries"), [(["p0"], 1), (["p0", "p1"], 2), (FIVE, 2)])
async def test_right_secret_costs_at_most_two_sign_ins(world: World, names: list[str], tries: int) -> None:
    await seed_in_order(world, *names)
    plan = await world.plan(make_catalog(*names))
    assert (plan.drift, plan.notes, tried(world)) == ((), (), tries)


@pytest.mark.parametrize("names", [["p0"], ["p0", "p1"], FIVE])
@pytest.mark.parametrize(
    ("secret", "only"),
    [("another-seed-secret", ()), (DEVELOPMENT_SECRET, ()), ("another-seed-secret", ("p0",))],
)
async def test_other_secret_is_refused_before_any_write(
    world: World, names: list[str], secret: str, only: tuple[str, ...]
) -> None:
    await seed_in_order(world, *names)
    with pytest.raises(SafetyError) as caught:
        await world.plan(make_catalog(*names, "new"), passwords=PasswordDeriver(Secret(secret)), only=only)
    number = len(names)
    assert caught.value.message == f"The seed secret does not match: {number} of {number} sign-ins failed."
    cause = "The development secret is in use. " if secret == DEVELOPMENT_SECRET else ""
    assert caught.value.hint.startswith(f"{cause}Set PERSONA_SEED_SECRET")
    assert "--replace to re-create them" in caught.value.hint
    assert (world.count(WRITE), tried(world)) == (0, number)


async def test_replace_changes_to_another_secret(world: World) -> None:
    await seed_in_order(world, *FIVE)
    catalog = make_catalog(*FIVE)
    plan = await world.plan(catalog, passwords=OTHER_PASSWORDS, replace=True)
    assert [change.action for change in plan.actions] == ["replace"] * 5
    await world.apply(plan, passwords=OTHER_PASSWORDS)
    assert not (await world.plan(catalog, passwords=OTHER_PASSWORDS, check_passwords=True)).drift


@pytest.mark.parametrize(("wrong", "tries"), [("p0", 5), ("p4", 5), ("p0 p2", 5), ("p2", 2)])
async def test_mixed_passwords_are_found_by_the_oldest_and_newest(
    world: World, wrong: str, tries: int
) -> None:
    await seed_in_order(world, *FIVE)
    for who in wrong.split():
        world.set_password(who)
    plan = await world.plan(make_catalog(*FIVE, "new"))
    expected = dict.fromkeys(wrong.split() if tries == 5 else (), "replace")
    assert drift(plan) == expected | {"new": "create"}
    assert (tried(world), plan.notes) == (tries, ())


async def test_age_decides_about_the_sample_not_the_order_of_the_catalog(world: World) -> None:
    await seed_in_order(world, "p1", "p3", "p0", "p4", "p2")
    for who in ("p0", "p3", "p4"):
        world.set_password(who)
    assert drift(await world.plan(make_catalog(*FIVE))) == {}


async def test_selection_and_extra_personas_do_not_change_the_sample(world: World) -> None:
    await seed_in_order(world, "extra0", *FIVE, "extra1")
    for who in ("extra0", "extra1", "p4"):
        world.set_password(who)
    plan = await world.plan(make_catalog(*FIVE, "new"), only=("p1", "p4", "new"))
    assert drift(plan) == {"p4": "replace", "new": "create"}
    assert tried(world) == 5


@pytest.mark.parametrize(
    ("only", "tries", "expected"),
    [((), 5, {"p2": "replace"}), (("p2",), 3, {"p2": "replace"}), (("p1",), 3, {}), (("p0",), 2, {})],
)
async def test_check_passwords_checks_every_selected_one(
    world: World, only: tuple[str, ...], tries: int, expected: dict[str, str]
) -> None:
    await seed_in_order(world, *FIVE)
    world.set_password("p2")
    plan = await world.plan(make_catalog(*FIVE), check_passwords=True, only=only)
    assert drift(plan) == expected
    assert tried(world) == tries


async def test_rate_limit_ends_the_checks_and_leaves_the_rest_unknown(world: World) -> None:
    names = [f"p{number}" for number in range(30)]
    await seed_in_order(world, *names)
    world.when(SIGN_IN, 429, skip=6)
    changed = [entry("p20", archetype="other") if who == "p20" else who for who in names]
    plan = await world.plan(make_catalog(*changed), check_passwords=True)
    assert plan.counts[Status.IN_SYNC] == 6
    assert drift(plan)["p20"] == "update"
    assert plan.counts[Status.UNKNOWN] == 23
    reasons = {change.reason for change in plan.of(Status.UNKNOWN, Status.UPDATE)}
    assert "password not checked: not tried, the service limits sign-ins" in reasons
    assert plan.notes[0].startswith("Could not check the seed secret with 24 of 30 personas: signing in as ")
    # Each of the workers meets the limit once, with two attempts.
    assert tried(world) <= 6 + 4 * 2


async def test_limit_after_a_wrong_password_tries_no_further(world: World) -> None:
    world.service.concurrency = 1
    await seed_in_order(world, *FIVE)
    world.set_password("p0")
    world.when(SIGN_IN, 429, skip=1)
    with pytest.raises(SafetyError, match="1 of 1 sign-ins failed"):
        await world.plan(make_catalog(*FIVE, "new"))
    assert tried(world) == 3


@pytest.mark.parametrize(("status", "body", "reason"), NO_VERDICTS)
async def test_secret_that_cannot_be_checked_is_a_note_and_no_drift(
    world: World, status: int, body: object, reason: str
) -> None:
    await seed_in_order(world, *FIVE)
    world.when(SIGN_IN, status, body)
    plan = await world.plan(make_catalog(*FIVE))
    assert plan.drift == ()
    (note,) = plan.notes
    assert note.startswith("Could not check the seed secret with 2 of 2 personas: signing in as persona.p")
    assert reason in note
    assert not note.endswith("..")


async def test_unknown_sample_beside_a_right_one_is_a_note(world: World) -> None:
    world.service.concurrency = 1
    await seed_in_order(world, *FIVE)
    world.when(SIGN_IN, 500, times=1)
    plan = await world.plan(make_catalog(*FIVE), check_passwords=True, only=("p1",))
    assert plan.drift == ()
    assert plan.notes[0].startswith("Could not check the seed secret with 1 of 3 personas: ")
