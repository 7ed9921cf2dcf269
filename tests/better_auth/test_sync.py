"""Seed, update, prune and clean up: fetch, plan and apply with a Better Auth over a port."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from personas.errors import CredentialsError, ResponseError, SafetyError
from personas.redact import Secret
from personas.services.models import Verdict
from personas.services.sign_in import Credentials

from .conftest import REAL_URL, Start, connect
from .server import DESCRIPTORS, User
from .syncing import ADA, BO, CY, PASSWORDS, catalog, sync

pytestmark = pytest.mark.anyio

PROMPT = "You are ada, who tests things with great care."
KIND = {"fields": ("kind", *DESCRIPTORS)}
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    "stock": {},
    "declared": KIND,
    "kind-alone": {"fields": ("kind",)},
    "roles": {"roles": ("admin", "user", "persona")},
    "no-other-plugins": {"bearer": False, "jwt": False, "organization": False},
    "base-path": {**KIND, "base_path": "/auth/v2"},
}


@pytest.fixture(params=[*DEPLOYMENTS, *(["real"] if REAL_URL else [])])
def address(request: pytest.FixtureRequest, start: Start) -> tuple[str, str]:
    """The URL and base path of a deployment without personas."""
    if request.param == "real":
        return REAL_URL, "/api/auth"
    simulated = start(**DEPLOYMENTS[request.param])
    return simulated.url, simulated.base_path


async def test_whole_life_of_personas(address: tuple[str, str]) -> None:
    url, base_path = address
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
    assert found is not None
    assert (found.email, ended) == (ADA, None)
    assert (len(removed.outcomes), removed.results, left) == (2, {"done"}, ())


async def test_new_persona_has_marker_fields_and_verified_email(start: Start) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))

    stored = simulated.find(ADA)
    assert stored is not None
    assert (stored["kind"], stored["role"], stored["emailVerified"]) == ("persona", "user", True)
    assert {key: stored[key] for key in ("name", *DESCRIPTORS)} == {
        "name": "Ada",
        "archetype": "researcher",
        "tickCadence": "daily",
        "moduleMix": {"todo": 0.5, "notes": 1.0},
        "systemPrompt": PROMPT,
    }


@pytest.mark.parametrize(
    ("field", "stored", "in_catalog"),
    [
        ("archetype", None, "researcher"),
        ("archetype", {"a": 1}, "researcher"),
        ("systemPrompt", "Another prompt of this persona.", PROMPT),
        ("tickCadence", 5, "daily"),
        ("moduleMix", None, {"todo": 0.5, "notes": 1.0}),
        ("moduleMix", {"todo": "much"}, {"todo": 0.5, "notes": 1.0}),
        ("name", "Ada L.", "Ada"),
        ("emailVerified", False, True),
    ],
)
async def test_changed_value_is_drift_that_an_update_corrects(
    start: Start, field: str, stored: object, in_catalog: object
) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        ada = simulated.find(ADA)
        assert ada is not None
        ada[field] = stored
        corrected = await sync(service, catalog("ada"))

    assert [f.field for c in corrected.plan.changes for f in c.fields] == [field]
    assert (corrected.results, ada[field]) == ({"done"}, in_catalog)


async def test_weights_in_json_text_are_in_sync(start: Start) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        simulated.find(ADA)["moduleMix"] = '{"todo": 0.5, "notes": 1}'  # type: ignore[index]  # it was created
        assert (await sync(service, catalog("ada"))).counts == {"in-sync": 1}


async def test_email_of_human_is_conflict_and_human_stays(start: Start) -> None:
    simulated = start()
    human = simulated.add(ADA, "a-human-password", name="A human")
    before = dict(human)
    async with connect(simulated.url) as service:
        run = await sync(service, catalog())
        with pytest.raises(ResponseError, match="belongs to an account that is not a persona"):
            await service.create(catalog().personas[0], PASSWORDS.derive(ADA))

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


def _remove_marker(user: User) -> None:
    user.update(kind=None, role="user")


def _make_admin(user: User) -> None:
    user.update(role="persona,admin")


def _change_email(user: User) -> None:
    user.update(email="somebody.else@mana.test")


@pytest.mark.parametrize("options", [{}, KIND])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_remove_marker, "is not a persona any more"),
        (_make_admin, "is an admin"),
        (_change_email, "has another email now: somebody.else@mana.test"),
    ],
)
@pytest.mark.parametrize("doing", ["delete", "password", "name"])
async def test_account_that_is_no_persona_at_the_last_moment_is_skipped(
    start: Start, options: dict[str, Any], change: Any, reason: str, doing: str
) -> None:
    simulated = start(**options)
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        ada = simulated.find(ADA)
        assert ada is not None
        if doing == "password":
            simulated.secret[ada["id"]] = "another-password"
        wanted = catalog("ada", name="Another") if doing == "name" else catalog("ada")
        run = await sync(service, wanted, cleanup=doing == "delete", replace=True, before=lambda: change(ada))

    assert run.results == {"failed"}
    assert reason in run.outcomes[0].message
    assert simulated.users[ada["id"]]["name"] == "Ada"
    assert simulated.secret[ada["id"]] != PASSWORDS.derive(ADA).reveal() or doing != "password"


async def test_admin_with_marker_is_never_a_persona(start: Start) -> None:
    simulated = start()
    simulated.add(ADA, PASSWORDS.derive(ADA).reveal(), role="admin,persona")
    simulated.add("a.human@mana.test", role="nonpersona")
    async with connect(simulated.url) as service:
        run = await sync(service, catalog("ada"))

    assert (run.counts, run.results) == ({"create": 1}, {"failed"})  # neither account is listed
    assert "skipped, because the account is an admin" in run.outcomes[0].message


async def test_persona_without_marker_after_creation_is_deleted_again(start: Start) -> None:
    simulated = start(
        **KIND, hook=lambda user: user.update(kind=None) if "persona" in user["email"] else None
    )
    async with connect(simulated.url) as service:
        run = await sync(service, catalog("ada"))

    assert run.results == {"failed"}
    assert "removed the marker (kind 'persona'), so the account was deleted again" in run.outcomes[0].message
    assert simulated.find(ADA) is None


@pytest.mark.parametrize("fault", ["lost", "500"])
async def test_lost_answer_of_creation_completes_the_persona(start: Start, fault: str) -> None:
    simulated = start(**KIND, faults={"admin/create-user": [fault]})
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
        simulated.calls.clear()
        live = await service.list_personas()
        await service.list_personas()

    calls = simulated.count()
    assert len({persona.user_id for persona in live}) == 1000
    assert (calls["admin/list-users"], calls["admin/get-user"]) == (4, 0)


async def test_requests_of_a_second_seed(start: Start) -> None:
    simulated = start(**KIND)
    async with connect(simulated.url) as service:
        await sync(service, catalog())
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
    simulated = start(**KIND, limits={"sign-in": 3, "admin": 20})
    names = [f"p{number}" for number in range(50)]
    async with connect(simulated.url) as service:
        created = await sync(service, catalog(*names))
        again = await sync(service, catalog(*names), cleanup=True)

    assert (created.results, again.results, len(simulated.users)) == ({"done"}, {"done"}, 1)


async def test_wrong_passwords_refuse_the_run_and_replace_sets_them(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await sync(service, catalog())
        for user in simulated.users.values():
            if user["role"] == "persona":
                simulated.secret[user["id"]] = "another-password"
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


async def test_banned_persona_is_a_note_and_in_sync(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await sync(service, catalog("ada"))
        simulated.find(ADA)["banned"] = True  # type: ignore[index]  # it was created
        run = await sync(service, catalog("ada"))

    assert run.counts == {"in-sync": 1}
    assert service.notes == [f"Banned on the service, so they cannot sign in: {ADA}."]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rights": {"create", "list", "get"}}, CredentialsError, "user:update, user:set-password"),
        ({"passwords": False}, CredentialsError, "does not allow sign-in with a password"),
        ({"two_factor": {"admin@example.test"}}, CredentialsError, "two-factor"),
    ],
)
async def test_unsuitable_deployment_is_refused(
    start: Start, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    simulated = start(**options)
    async with connect(simulated.url) as service:
        with pytest.raises(error, match=message):
            await sync(service, catalog())

    assert len(simulated.users) == 1


@pytest.mark.parametrize(
    ("token", "message"),
    [("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln", "is a JWT"), ("an-expired-token", "does not accept")],
)
async def test_token_that_is_no_session_is_refused(start: Start, token: str, message: str) -> None:
    async with connect(start().url, credentials=Credentials(token=Secret(token))) as service:
        with pytest.raises(CredentialsError, match=message):
            await service.list_personas()


async def test_expired_session_of_admin_is_renewed_once(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await service.list_personas()
        simulated.sessions.clear()
        assert (await sync(service, catalog("ada"))).results == {"done"}

    assert simulated.count()["sign-in/email"] == 2


async def test_bearer_calls_send_neither_cookie_nor_origin(start: Start) -> None:
    simulated = start()
    async with connect(simulated.url) as service:
        await sync(service, catalog())

    posts = [headers for method, _, headers in simulated.calls if method == "POST"]
    assert posts
    assert not any({"cookie", "origin"} & set(headers) for headers in posts)


@pytest.mark.parametrize("count", [1, 2, 700])
async def test_any_number_of_emails_is_looked_up(start: Start, count: int) -> None:
    simulated = start()
    emails = [f"persona.number-{number}@mana.test" for number in range(count)]
    for email in emails[::2]:
        simulated.add(email)
    targets: list[str] = []
    service = connect(
        simulated.url, observe=lambda _method, target, _status, _seconds: targets.append(target)
    )
    async with service:
        found = await service.find_users(emails)

    lookups = [target for target in targets if "filterOperator=in" in target]
    assert set(found) == set(emails[::2])
    assert all(len(target) < 7000 for target in lookups)
    assert min(len(parse_qs(urlsplit(target).query)["filterValue"]) for target in lookups) >= 2
    assert len(lookups) <= 1 + count // 100
