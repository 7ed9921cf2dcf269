"""Seed, update, prune and clean up: fetch, plan and apply with a Better Auth."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from personas.errors import ResponseError, SafetyError
from personas.redact import Secret
from personas.services.models import FoundUser, LivePersona, Verdict
from tests.cli.conftest import ADA, BO, CY

from .conftest import KIND, PASSWORDS, Start, catalog, connect, sync
from .server import ADMIN

pytestmark = pytest.mark.anyio

# A real Better Auth to run a test with, and its admin as in `server`; without personas at the start.
REAL_URL = os.environ.get("PERSONAS_TEST_BETTER_AUTH", "")
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    "stock": {},
    "declared": KIND,
    "kind-alone": {"fields": ("kind",)},
    "roles": {"roles": ("admin", "user", "persona")},
    "no-other-plugins": {"bearer": False, "jwt": False, "organization": False},
    "base-path": {**KIND, "base_path": "/auth/v2"},
}


@pytest.mark.parametrize("deployment", [*DEPLOYMENTS, *(["real"] if REAL_URL else [])])
async def test_whole_life_of_personas(start: Start, deployment: str) -> None:
    url, base_path = REAL_URL, "/api/auth"
    if deployment != "real":
        simulated = start(**DEPLOYMENTS[deployment])
        url, base_path = simulated.url, simulated.base_path
    async with connect(url, base_path=base_path) as service:
        created = await sync(service, catalog())
        again = await sync(service, catalog())
        renamed = await sync(service, catalog(name="Another Name"))
        kept = await sync(service, catalog("ada", "bo", name="Another Name"))
        pruned = await sync(service, catalog("ada", "bo", name="Another Name"), prune=True)
        session = await service.sign_in(ADA, PASSWORDS.derive(ADA))
        found = await service.find_session(session)
        await service.sign_out(session)
        ended = await service.find_session(session)
        removed = await sync(service, catalog("ada", "bo"), cleanup=True)
        left = await service.list_personas()

    assert (created.counts, created.results) == ({"create": 3}, {"done"})
    assert (again.counts, again.outcomes) == ({"in-sync": 3}, ())
    assert (renamed.counts, renamed.results) == ({"update": 3}, {"done"})
    assert (kept.counts, kept.outcomes) == ({"in-sync": 2, "extra": 1}, ())
    assert [(o.key, o.action, o.result) for o in pruned.outcomes] == [(CY, "delete", "done")]
    assert (found and found.email, ended) == (ADA, None)
    assert (len(removed.outcomes), removed.results, left) == (2, {"done"}, ())


@pytest.mark.parametrize(
    ("field", "stored", "is_drift"),
    [
        ("archetype", None, True),
        ("archetype", {"a": 1}, True),
        ("systemPrompt", "Another prompt of this persona.", True),
        ("tickCadence", 5, True),
        ("moduleMix", None, True),
        ("moduleMix", {"todo": "much"}, True),
        ("moduleMix", '{"todo": 0.5, "notes": 1}', False),
        ("name", "Ada L.", True),
        ("emailVerified", False, True),
        ("banned", True, False),
    ],
)
async def test_changed_value_is_drift_that_an_update_corrects(
    start: Start, field: str, stored: object, is_drift: bool
) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        ada = simulated.find(ADA)
        before = ada[field]
        ada[field] = stored
        run = await sync(service, catalog("ada"))

    assert [f.field for c in run.plan.changes for f in c.fields] == ([field] if is_drift else [])
    assert (run.results, ada[field]) == (({"done"}, before) if is_drift else (set(), stored))
    banned = f"Banned on the service, so they cannot sign in: {ADA}."
    assert service.notes == ([banned] if field == "banned" else [])


async def test_email_of_human_is_conflict_and_human_stays(start: Start) -> None:
    simulated = start()
    human = simulated.add(ADA, "a-human-password", name="A human")
    before = dict(human)
    async with connect(simulated.url) as service:
        run = await sync(service, catalog())

    assert {c.key: c.status.value for c in run.plan.changes} == {ADA: "conflict", BO: "create", CY: "create"}
    assert human == before


@pytest.mark.parametrize(("options", "role"), [({}, "user,persona"), (KIND, "user")])
async def test_half_created_persona_is_completed(start: Start, options: dict[str, Any], role: str) -> None:
    simulated = start(**options)
    half = simulated.add(ADA, PASSWORDS.derive(ADA).reveal(), name="Half")
    async with connect(simulated.url) as service:
        run = await sync(service, catalog("ada"))
        again = await sync(service, catalog("ada"))

    assert (run.counts, run.results, run.outcomes[0].id) == ({"create": 1}, {"done"}, half["id"])
    assert (half["name"], half["emailVerified"], half["role"]) == ("Ada", True, role)
    assert again.counts == {"in-sync": 1}


@pytest.mark.parametrize(
    ("options", "change", "reason"),
    [
        ({}, {"role": "user"}, "is not a persona any more (role is not 'persona')"),
        (KIND, {"kind": None}, "is not a persona any more (kind is not 'persona')"),
        ({}, {"role": "persona,admin"}, "is an admin"),
        (KIND, {"role": "admin"}, "is an admin"),
        (KIND, {"email": "someone.else@mana.test"}, "has another email now: someone.else@mana.test"),
    ],
)
@pytest.mark.parametrize("doing", ["delete", "password", "name"])
async def test_account_that_is_no_persona_at_the_last_moment_is_skipped(
    start: Start, options: dict[str, Any], change: dict[str, Any], reason: str, doing: str
) -> None:
    simulated = start(**options)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        ada = simulated.find(ADA)
        if doing == "password":
            simulated.secret[ada["id"]] = "another-password"
        before = (dict(ada) | change, simulated.secret[ada["id"]])
        wanted = catalog("ada", name="Another") if doing == "name" else catalog("ada")
        run = await sync(
            service, wanted, cleanup=doing == "delete", replace=True, before=lambda: ada.update(change)
        )

    assert run.results == {"failed"}
    assert f"skipped, because the account {reason}" in run.outcomes[0].message
    assert (simulated.users[ada["id"]], simulated.secret[ada["id"]]) == before


@pytest.mark.parametrize(
    ("email", "role"),
    [
        (ADA, "admin,persona"),
        (ADMIN, "seeder,persona"),  # the account of this run, whatever gives it its rights
    ],
)
async def test_admin_with_marker_is_never_a_persona(start: Start, email: str, role: str) -> None:
    simulated = start()
    simulated.add("a.human@mana.test", role="nonpersona")
    account = simulated.find(email) or simulated.add(email)
    account["role"] = role
    before = dict(account)
    wanted = catalog("ada").personas[0].model_copy(update={"email": email})
    async with connect(simulated.url) as service:
        assert await service.list_personas() == ()
        with pytest.raises(ResponseError, match="skipped, because the account is an admin"):
            await service.delete(LivePersona(user_id=account["id"], email=email))
        with pytest.raises(ResponseError, match="skipped, because the account is an admin"):
            await service.create(wanted, PASSWORDS.derive(email), existing=FoundUser(account["id"], email))

    assert simulated.find(email) == before


@pytest.mark.parametrize("fault", ["lost", "500"])
async def test_lost_answer_of_creation_completes_the_persona(start: Start, fault: str) -> None:
    simulated = start(**KIND, faults={"admin/create-user": fault})
    # Some databases store the account, and then fail to store its password.
    simulated.hook = lambda user: simulated.secret.pop(user["id"], None)
    async with connect(simulated.url) as service:
        run = await sync(service, catalog("ada"))
        check = await service.check_password(ADA, PASSWORDS.derive(ADA))

    assert (run.results, check.verdict, len(simulated.users)) == ({"done"}, Verdict.RIGHT, 2)


async def test_thousand_personas_are_listed_in_two_pages_without_details(start: Start) -> None:
    simulated = start(**KIND)
    for number in range(1000):
        simulated.add(f"persona.p{number}@mana.test", kind="persona")
    async with connect(simulated.url) as service:
        live = await service.list_personas()

    assert len({persona.user_id for persona in live}) == 1000
    assert (simulated.count()["admin/list-users"], simulated.count()["admin/get-user"]) == (2, 0)


async def test_what_a_seed_stores_and_what_the_next_one_sends(start: Start) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog())
    ada = catalog().personas[0].model_dump(mode="json", by_alias=True)
    expected = {**ada, "kind": "persona", "role": "user", "emailVerified": True}
    assert expected.items() <= simulated.find(ADA).items()
    # With bearer tokens, neither cookies nor an Origin are needed.
    assert not any({"cookie", "origin"} & call.headers.keys() for call in simulated.calls)
    simulated.calls.clear()
    async with connect(simulated.url) as service:
        await sync(service, catalog())

    assert simulated.count() == {
        "sign-in/email": 3,
        "sign-out": 3,
        "get-session": 1,
        "admin/has-permission": 1,
        "admin/update-user": 1,
        "admin/list-users": 1,
    }


async def test_rate_limits_delay_a_run_and_fail_nothing(start: Start) -> None:
    simulated = start(**KIND, limits={"sign-in": 3, "admin": 20}, window=0.2)
    names = [f"p{number}" for number in range(25)]
    async with connect(simulated.url) as service:
        created = await sync(service, catalog(*names))
        again = await sync(service, catalog(*names), cleanup=True)

    assert (created.results, again.results, len(simulated.users)) == ({"done"}, {"done"}, 1)
    calls = simulated.count()  # the refused ones too
    assert min(calls["admin/create-user"], calls["admin/get-user"]) > 25


async def test_wrong_passwords_refuse_the_run_and_replace_sets_them(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await sync(service, catalog())
        for email in (ADA, BO, CY):
            simulated.secret[simulated.find(email)["id"]] = "another-password"
        session = await service.sign_in(ADA, Secret("another-password"))
        with pytest.raises(SafetyError, match="3 of 3 sign-ins failed") as refused:
            await sync(service, catalog())
        replaced = await sync(service, catalog(), replace=True)
        ended = await service.find_session(session)
        check = await service.check_password(ADA, PASSWORDS.derive(ADA))

    assert "--replace to change their passwords" in refused.value.hint
    assert (replaced.counts, replaced.results) == ({"update": 3}, {"done"})
    assert {o.action.value for o in replaced.outcomes} == {"update"}
    assert (ended, check.verdict) == (None, Verdict.RIGHT)


async def test_expired_session_of_admin_is_renewed_once(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await service.list_personas()
        simulated.sessions.clear()
        assert (await sync(service, catalog("ada"))).results == {"done"}

    assert simulated.count()["sign-in/email"] == 2


@pytest.mark.parametrize("count", [1, 2, 700])
async def test_any_number_of_emails_is_looked_up(start: Start, count: int) -> None:
    simulated = start()
    emails = [f"persona.number-{number}@mana.test" for number in range(count)]
    for email in emails[::2]:
        simulated.add(email)
    targets: list[str] = []
    async with connect(simulated.url, observe=lambda _method, target, *_: targets.append(target)) as service:
        found = await service.find_users(emails)

    lookups = [target for target in targets if "filterOperator=in" in target]
    assert set(found) == set(emails[::2])
    assert all(len(target) < 7000 for target in lookups)
    assert min(len(parse_qs(urlsplit(target).query)["filterValue"]) for target in lookups) >= 2
    assert len(lookups) <= 1 + count // 100
