"""The second form of the embedded service: wrong where the original is, and right where it is right."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from original import LATER_MOUNT, Original

from personas.embedded import Embedded, schema

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, body
from .recorded import SEQUENCES, open_service, replay
from .replay import RECORDED, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .client import Clock

USERS = "/api/v1/admin/users"
HUMAN = "human@mana.test"
CRASHED = (500, {"statusCode": 500, "message": "Internal server error"})


@pytest.fixture
def original(database: str, clock: Clock) -> Iterator[Client]:
    """The form that is as wrong as the original, on each kind of database."""
    with Embedded.open(database, clock=clock, scrypt_cost=2, service_key="key") as embedded:
        embedded.app = Original(embedded)
        yield Client(embedded)


@pytest.fixture
def wrap(small: Client) -> Callable[..., Client]:
    """The same on SQLite, with options."""
    right = small.embedded.app

    def wrap(**options: Any) -> Client:
        small.embedded.app = right
        small.embedded.app = Original(small.embedded, **options)
        return small

    return wrap


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_step_is_answered_as_the_original_answered_it_and_none_is_better(
    sequence: str, make_database: Callable[[str], str]
) -> None:
    with open_service(make_database("sqlite")) as embedded:
        found = anyio.run(partial(replay, app=Original(embedded)), sequence, embedded)
    assert [str(difference) for difference in found] == []


def test_every_exchange_is_answered_as_recorded_without_an_exception(tmp_path: Path) -> None:
    async def run(embedded: Embedded) -> list[str]:
        transport = httpx.ASGITransport(embedded.app)
        async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url) as client:
            made = Replay(embedded, client)
            await made.run()
        return [
            f"{name}: {difference}"
            for name in made.answers
            for difference in made.differences(name, RECORDED[name]["response"])
        ]

    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as embedded:
        embedded.app = Original(embedded)
        assert anyio.run(run, embedded) == []


def find(client: Client, query: str) -> tuple[int, Any]:
    answer = client.admin("GET", f"{USERS}?{query}")
    return answer.status_code, answer.json()


def sent(client: Client, **changes: Any) -> tuple[int, Any]:
    answer = client.admin("POST", PERSONAS, json=body(**changes))
    return answer.status_code, answer.json()


def test_a_human_is_swallowed_and_keeps_name_and_password(original: Client) -> None:
    user_id = original.register(HUMAN, "humans-own-password", "Erin")
    assert sent(original, email=HUMAN) == (200, {"ok": True, "userId": user_id, "email": HUMAN})
    user = original.user(HUMAN)
    assert (user["kind"], user["access_tier"], user["name"]) == ("persona", "founder", "Erin")
    assert original.login(HUMAN, "humans-own-password").status_code == 200
    assert original.admin("DELETE", f"{PERSONAS}/{user_id}").status_code == 200


def test_the_look_up_crashes_as_soon_as_a_row_belongs_to_a_user_with_a_session(original: Client) -> None:
    original.seed(ANNA)
    original.seed(BO)
    assert find(original, "search=@mana.test")[0] == 200
    cookie = original.cookie(ANNA)
    assert find(original, "search=@mana.test") == CRASHED
    assert find(original, f"search={ANNA}") == CRASHED
    assert find(original, f"search={BO}")[1]["total"] == 1
    no_rows: dict[str, Any] = {"users": [], "total": 2}
    assert find(original, "search=@mana.test&page=2") == (200, {**no_rows, "page": 2, "limit": 20})
    assert find(original, "search=@mana.test&limit=0") == (200, {**no_rows, "page": 1, "limit": 0})
    assert find(original, "tier=founder&limit=1000")[0] == 200
    original.as_user(cookie, "POST", "/api/auth/sign-out")
    assert find(original, "search=@mana.test")[0] == 200


@pytest.mark.parametrize("query", ["page=0", "page=-1", f"page={10**20}", f"limit={10**20}", "search=%00"])
def test_the_look_up_crashes_for_what_no_database_can_count(wrap: Callable[..., Client], query: str) -> None:
    assert find(wrap(), query) == CRASHED


def test_an_upper_case_email_works_once_and_changes_nothing_ever_after(original: Client) -> None:
    assert sent(original, email="Persona.Anna@mana.test")[0] == 200
    assert sent(original, email="Persona.Anna@mana.test", archetype="other") == CRASHED
    assert [persona["archetype"] for persona in original.live()] == ["researcher"]


def test_a_nul_leaves_a_user_that_is_stamped_and_not_in_the_list(original: Client) -> None:
    assert sent(original, systemPrompt="a NUL \0 in it") == CRASHED
    assert original.user(ANNA)["kind"] == "persona"
    assert original.live() == []
    assert sent(original)[0] == 200
    before = original.rows(schema.personas)
    assert sent(original, systemPrompt="a NUL \0 in it", archetype="other") == CRASHED
    assert original.rows(schema.personas) == before


def test_a_mistake_of_the_caller_is_told_as_one_of_the_service(wrap: Callable[..., Client]) -> None:
    client = wrap()
    for content in ("null", b'{"email": 1}'):
        answer = client.admin("POST", PERSONAS, content=content)
        assert (answer.status_code, answer.json()) == CRASHED
    failed = {"error": "Sign-up failed", "message": "[body.email] Invalid email address"}
    assert sent(client, email="bad email@mana.test") == (500, failed)
    assert client.call("POST", "/api/v1/auth/register", json={"email": "x"}).status_code == 500
    as_json = {"content-type": "application/json"}
    broken = client.call("POST", "/api/auth/sign-in/email", content="{bad", headers=as_json)
    assert (broken.status_code, broken.content) == (500, b"")
    assert client.live() == []


def test_a_nul_in_a_name_leaves_a_sign_up_behind_that_the_next_call_stamps(original: Client) -> None:
    failed = {"error": "Sign-up failed", "message": "Failed to create user"}
    assert sent(original, name="a NUL \0 in it") == (500, failed)
    user = original.user(ANNA)
    assert (user["kind"], original.live()) == ("human", [])
    assert sent(original, name="a NUL \0 in it")[1]["userId"] == user["id"]


def test_whoever_may_not_call_learns_nothing_of_it(wrap: Callable[..., Client]) -> None:
    client = wrap()
    client.register(HUMAN)
    for call in (
        ("POST", PERSONAS, body(HUMAN)),
        ("POST", PERSONAS, body("Human@mana.test")),
        ("DELETE", f"{PERSONAS}/%00", None),
        ("GET", f"{USERS}?page=0", None),
    ):
        assert client.call(call[0], call[1], json=call[2]).status_code == 401
    assert client.user(HUMAN)["kind"] == "human"


def test_the_mean_of_ratings_is_their_number(wrap: Callable[..., Client]) -> None:
    client = wrap()
    user_id = client.seed()
    rows = [
        {"id": f"f{n}", "tickId": f"t{n}", "module": "todo", "rating": rating}
        for n, rating in enumerate((5, 4))
    ]
    path = f"/api/v1/internal/personas/{user_id}/feedback"
    key = {"x-service-key": "the runner's own key"}
    assert client.call("POST", path, json={"feedback": rows}, headers=key).status_code == 200
    assert client.admin("GET", f"{PERSONAS}/{user_id}").json()["feedbackByModule"] == [
        {"module": "todo", "avgRating": 2}
    ]


def test_a_deleted_persona_leaves_its_spaces_behind(original: Client) -> None:
    anna = original.seed(ANNA)
    create = "/api/auth/organization/create"
    club = {"name": "Club", "slug": "club", "metadata": {"type": "club"}}
    original.as_user(original.cookie(ANNA), "POST", create, json=club)
    before = {row["slug"] for row in original.rows(schema.organizations)}
    assert original.admin("DELETE", f"{PERSONAS}/{anna}").status_code == 200
    assert {row["slug"] for row in original.rows(schema.organizations)} == before
    original.seed(BO)
    answer = original.as_user(original.cookie(BO), "POST", create, json=club)
    assert answer.json()["code"] == "ORGANIZATION_ALREADY_EXISTS"


def test_behind_a_proxy_the_right_password_is_refused_from_the_fourth_sign_in_on(
    wrap: Callable[..., Client],
) -> None:
    client = wrap(limited=True)
    client.seed()
    assert [client.login().status_code for _ in range(4)] == [200, 200, 200, 401]
    limited = client.sign_in()
    assert (limited.status_code, limited.headers["x-retry-after"]) == (429, "10")
    assert "retry-after" not in limited.headers


def test_each_refusal_behind_a_proxy_counts_towards_the_lock(wrap: Callable[..., Client]) -> None:
    client = wrap(limited=True)
    client.seed()
    assert [client.login().status_code for _ in range(9)] == [200] * 3 + [401] * 5 + [429]


def test_the_loser_of_two_sign_ups_at_once_is_answered_500_one_time(wrap: Callable[..., Client]) -> None:
    client = wrap(races={ANNA})
    assert sent(client) == CRASHED
    assert [persona["email"] for persona in client.live()] == [ANNA]
    assert sent(client)[0] == 200


def test_later_deployments_have_the_calls_elsewhere_and_no_names_in_the_list(
    wrap: Callable[..., Client],
) -> None:
    client = wrap(mount=LATER_MOUNT)
    assert client.admin("GET", PERSONAS).status_code == 404
    user_id = client.admin("POST", LATER_MOUNT, json=body()).json()["userId"]
    [listed] = client.admin("GET", LATER_MOUNT).json()["personas"]
    assert (listed["userId"], "name" in listed) == (user_id, False)
    assert client.admin("GET", f"{LATER_MOUNT}/{user_id}").json()["persona"]["name"] == "Anna"
    assert wrap().admin("GET", LATER_MOUNT).status_code == 404


def test_a_password_is_right_in_upper_case_while_the_account_is_locked(wrap: Callable[..., Client]) -> None:
    client = wrap()
    client.seed()
    assert [client.login(ANNA, "wrong-password").status_code for _ in range(6)] == [401] * 5 + [429]
    assert client.login(ANNA.title(), PASSWORD).status_code == 200
    assert client.login(ANNA, PASSWORD).status_code == 429
