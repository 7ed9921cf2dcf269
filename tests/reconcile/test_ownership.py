from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from personas import PasswordDeriver, Plan, ResponseError, SafetyError, Secret, Status
from personas.embedded import schema
from personas.passwords import DEVELOPMENT_SECRET
from tests.making import FLEXIBLE, NOON, email_of, entry, make_catalog, who_has
from tests.world import LOOK_UP, PERSONAS, SIGN_IN, SIGN_OUT, World

pytestmark = pytest.mark.anyio

FIVE = ["p0", "p1", "p2", "p3", "p4"]
WRITE = f"(POST|DELETE) {PERSONAS}"


def drift(plan: Plan) -> dict[str, str]:
    return {who_has(change.key): change.status for change in plan.drift}


@pytest.mark.parametrize("signed_in", [False, True])
async def test_half_created_persona_is_completed_and_a_human_is_a_conflict(
    world: World, signed_in: bool
) -> None:
    await world.seed(make_catalog("p0", "p1"))
    world.add_half_created("p3", signed_in=signed_in)
    plan = await world.plan(make_catalog("p0", "p1", "p2", "p3"))
    assert drift(plan) == {"p2": "create", "p3": "create"}
    assert [change.reason for change in plan.actions] == ["", "completes a half-created persona"]
    assert [change.existing is not None for change in plan.actions] == [False, True]
    await world.apply(plan)
    assert (world.users(), world.users("human")) == ({"p0", "p1", "p2", "p3"}, set())
    world.add_human("p4", signed_in=signed_in)
    world.seen.clear()
    plan = await world.plan(make_catalog(*FIVE, "p5"))
    assert (drift(plan), plan.checksum) == ({"p4": "conflict", "p5": "create"}, None)
    assert (world.count(SIGN_IN), world.count(SIGN_OUT)) == (3, 2)


async def test_each_domain_of_the_scope_is_counted_alone(world: World) -> None:
    await world.seed(make_catalog("books.bo"))
    world.change("books.bo", email=email_of("books.bo").upper())
    world.add_human("ada@acme.test")
    world.seen.clear()
    emails = ["ada@acme.test", "bo@acme.test", "cy@mana.test", "dee@mana.test"]
    plan = await world.plan(make_catalog(*emails, scope=["*@acme.test", "*ee@mana.test", "cy@mana.test"]))
    expected = {"ada@acme.test": "conflict", "bo@acme.test": "create", "cy": "create", "dee": "create"}
    assert (drift(plan), plan.others) == (expected, 1)
    assert (world.count(f"{LOOK_UP}.*limit=0"), world.count(f"{LOOK_UP}.*(cy|dee)")) == (4, 0)


async def test_without_password_verdict_a_taken_email_is_unknown_and_the_rest_a_note(world: World) -> None:
    await seed_in_order(world, *FIVE)
    world.when(SIGN_IN, 401, {"message": "No."})
    world.add_human("ada")
    plan = await world.plan(make_catalog("ada", "bo", *FIVE))
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    (unknown,), (note,) = plan.of(Status.UNKNOWN), plan.notes
    reason = "this is not the auth service's sign-in (HTTP 401)."
    assert (
        unknown.reason
        == f"cannot determine who owns this email: signing in as persona.ada@mana.test: {reason}"
    )
    assert note.startswith("Could not check the seed secret with 2 of 2 personas: signing in as persona.p")
    assert note.endswith(f"@mana.test: {reason}")
    await world.apply(plan)
    assert (world.users(), world.users("human")) == ({"bo", *FIVE}, {"ada"})


async def test_taken_email_is_unknown_without_seed_secret_or_look_up(world: World) -> None:
    world.add_human("ada")
    plan = await world.plan(make_catalog("ada", "bo"), passwords=None)
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    assert plan.drift[-1].reason.endswith(": there is no seed secret to sign in with")
    assert plan.notes == ("There is no seed secret: passwords were not checked.",)
    world.when(f"{LOOK_UP}.*ada.*limit=0", 500)
    plan = await world.plan(make_catalog("ada", "bo"))
    assert drift(plan) == {"ada": "unknown", "bo": "create"}
    assert "HTTP 500" in plan.of(Status.UNKNOWN)[0].reason
    world.when(LOOK_UP, 404, times=1)
    plan = await world.plan(make_catalog("bo"), force=True)
    assert plan.notes == ("The service offers no user look-up: new emails could belong to other accounts.",)
    for status, error in ((404, SafetyError), (500, ResponseError)):
        world.when(LOOK_UP, status, times=1)
        with pytest.raises(error):
            await world.plan(make_catalog("bo"))


async def seed_in_order(world: World, *names: str, wrong: str = "") -> None:
    """Create personas whose age is their place; some have another password."""
    await world.seed(make_catalog(*names))
    for place, who in enumerate(names):
        world.change(who, schema.personas, created_at=NOON + timedelta(days=place))
    for who in wrong.split():
        world.set_password(who)
    world.seen.clear()


@pytest.mark.parametrize(
    ("names", "secret", "only", "flexible"),
    [
        (["p0"], "another-seed-secret", (), False),
        (["p0", "p1"], DEVELOPMENT_SECRET, ("p0",), False),
        (FIVE, "another-seed-secret", ("p0",), True),
    ],
)
async def test_other_secret_is_refused_before_any_write_without_replace(
    world: World, names: list[str], secret: str, only: tuple[str, ...], flexible: bool
) -> None:
    await seed_in_order(world, *names)
    world.change("p0", email=email_of("p0").upper())
    if flexible:
        world.service.capabilities = FLEXIBLE
    number, passwords = len(names), PasswordDeriver(Secret(secret))
    with pytest.raises(SafetyError) as caught:
        await world.plan(make_catalog(*names, "new"), passwords=passwords, only=only)
    assert caught.value.message == f"The seed secret does not match: {number} of {number} sign-ins failed."
    cause = "The development secret is in use. " if secret == DEVELOPMENT_SECRET else ""
    advice = "Set PERSONA_SEED_SECRET to the secret of these personas, or add --replace to"
    cure = "change their passwords" if flexible else "re-create them"
    assert caught.value.hint == f"{cause}{advice} {cure}."
    assert (world.count(WRITE), world.count(SIGN_IN)) == (0, number)
    plan = await world.plan(make_catalog(*names), passwords=passwords, replace=True)
    assert [change.action for change in plan.actions] == ["update" if flexible else "replace"] * number


ORDER = ["p1", "p3", "p0", "p4", "p2"]  # not as in the catalog, nor by name


@pytest.mark.parametrize(
    ("names", "wrong", "options", "tries", "expected"),
    [
        (["p0"], "", {}, 1, ""),
        (["p0", "p1"], "", {}, 2, ""),
        (FIVE, "p0", {}, 5, "p0"),
        (FIVE, "p4", {}, 5, "p4"),
        (FIVE, "p2", {}, 2, ""),
        (ORDER, "p0 p3 p4", {}, 2, ""),
        (["extra0", *FIVE, "extra1"], "extra0 extra1 p4", {"only": ("p1", "p4")}, 5, "p4"),
        (FIVE, "p2", {"check_passwords": True}, 5, "p2"),
        (FIVE, "p2", {"check_passwords": True, "only": ("p2",)}, 3, "p2"),
        (FIVE, "p2", {"check_passwords": True, "only": ("p1",)}, 3, ""),
    ],
)
async def test_oldest_and_newest_password_decide_what_is_checked(
    world: World, names: list[str], wrong: str, options: dict[str, Any], tries: int, expected: str
) -> None:
    await seed_in_order(world, *names, wrong=wrong)
    plan = await world.plan(make_catalog(*(who for who in names if who in FIVE)), **options)
    found = {who: status for who, status in drift(plan).items() if not who.startswith("extra")}
    assert found == dict.fromkeys(expected.split(), "replace")
    assert (world.count(SIGN_IN), plan.notes) == (tries, ())


async def test_deleted_persona_says_nothing_about_the_secret(world: World) -> None:
    await seed_in_order(world, "p0", "p1", wrong="p1")
    world.service.capabilities = replace(world.service.capabilities, complete_list=True)
    world.when(SIGN_IN, do=lambda: world.delete("p0"), times=1)
    with pytest.raises(SafetyError, match="1 of 1 sign-ins failed"):
        await world.plan(make_catalog("p0", "p1"))
    await world.apply(await world.plan(make_catalog("p0", "p1"), replace=True))
    world.when(SIGN_IN, do=world.clear, times=1)
    plan = await world.plan(make_catalog("p0", "p1"))
    reason = "the persona was deleted meanwhile"
    assert {change.reason for change in plan.of(Status.UNKNOWN)} == {f"password not checked: {reason}"}
    assert plan.notes[0] == f"Could not check the seed secret with 2 of 2 personas: {reason}."


async def test_rate_limit_ends_the_checks_and_leaves_the_rest_unknown(world: World) -> None:
    world.service.concurrency = 1
    await seed_in_order(world, *FIVE)
    world.when(SIGN_IN, 429, skip=3)
    catalog = make_catalog("p0", "p1", "p2", entry("p3", archetype="other"), "p4")
    plan = await world.plan(catalog, check_passwords=True)
    assert drift(plan) == {"p3": "update", "p2": "unknown"}
    assert plan.drift[0].reason == "password not checked: not tried, the service limits sign-ins"
    assert plan.notes[0].startswith("Could not check the seed secret with 2 of 5 personas: signing in as ")
    assert world.count(SIGN_IN) == 3 + 2


async def test_limit_after_a_wrong_password_tries_no_further(world: World) -> None:
    world.service.concurrency = 1
    await seed_in_order(world, *FIVE, wrong="p0")
    world.when(SIGN_IN, 429, skip=1)
    with pytest.raises(SafetyError, match="1 of 1 sign-ins failed"):
        await world.plan(make_catalog(*FIVE))
    assert world.count(SIGN_IN) == 3


async def test_unknown_sample_beside_a_right_one_is_a_note(world: World) -> None:
    await seed_in_order(world, *FIVE)
    world.when(SIGN_IN, 500, times=1)
    plan = await world.plan(make_catalog(*FIVE), check_passwords=True, only=("p1",))
    assert plan.drift == ()
    assert plan.notes[0].startswith("Could not check the seed secret with 1 of 3 personas: ")
