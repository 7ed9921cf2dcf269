"""The second form of the embedded service: wrong where the original is, and right where it is right."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from original import LATER_MOUNT, Original

from personas.embedded import schema

from .client import ANNA, BO, HUMAN, PERSONAS, Client, body
from .recorded import SEQUENCES, as_recorded, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from personas.embedded import Embedded

USERS = "/api/v1/admin/users"
CRASHED = (500, {"statusCode": 500, "message": "Internal server error"})


@pytest.fixture
def wrap(small: Client) -> Callable[..., Client]:
    """Makes the form that is as wrong as the original, with options."""
    right = small.embedded.app

    def wrap(**options: Any) -> Client:
        small.embedded.app = right
        small.embedded.app = Original(small.embedded, **options)
        return small

    return wrap


@pytest.fixture
def original(wrap: Callable[..., Client]) -> Client:
    return wrap()


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_step_is_as_recorded_and_none_is_better(sequence: str, standing_sqlite: Embedded) -> None:
    embedded = as_recorded(standing_sqlite)
    found = anyio.run(partial(replay, app=Original(embedded)), sequence, embedded)
    assert [str(difference) for difference in found] == []


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


def test_the_look_up_crashes_where_a_user_on_its_page_has_a_session(
    original: Client,
) -> None:
    original.seed(ANNA)
    original.seed(BO)
    cookie = original.cookie(ANNA)
    assert find(original, "search=@mana.test") == CRASHED
    assert find(original, f"search={BO}")[1]["total"] == 1
    no_rows: dict[str, Any] = {"users": [], "total": 2}
    assert find(original, "search=@mana.test&page=2") == (200, {**no_rows, "page": 2, "limit": 20})
    assert find(original, "search=@mana.test&limit=0") == (200, {**no_rows, "page": 1, "limit": 0})
    assert find(original, "tier=founder&limit=1000")[0] == 200
    original.as_user(cookie, "POST", "/api/auth/sign-out")
    assert find(original, "search=@mana.test")[0] == 200


def test_a_nul_leaves_a_user_that_is_stamped_and_not_in_the_list(original: Client) -> None:
    assert sent(original, systemPrompt="a NUL \0 in it") == CRASHED
    assert original.user(ANNA)["kind"] == "persona"
    assert original.live() == []
    assert sent(original)[0] == 200
    before = original.rows(schema.personas)
    assert sent(original, systemPrompt="a NUL \0 in it", archetype="other") == CRASHED
    assert original.rows(schema.personas) == before


def test_a_nul_in_a_name_leaves_a_sign_up_behind_that_the_next_call_stamps(original: Client) -> None:
    failed = {"error": "Sign-up failed", "message": "Failed to create user"}
    assert sent(original, name="a NUL \0 in it") == (500, failed)
    user = original.user(ANNA)
    assert (user["kind"], original.live()) == ("human", [])
    assert sent(original, name="a NUL \0 in it")[1]["userId"] == user["id"]


def test_whoever_may_not_call_learns_nothing_of_it_and_swallows_nobody(original: Client) -> None:
    original.register(HUMAN)
    for method, path, content in (
        ("POST", PERSONAS, body("Human@mana.test")),
        ("DELETE", f"{PERSONAS}/%00", None),
        ("GET", f"{USERS}?page=0", None),
    ):
        assert original.call(method, path, json=content).status_code == 401
    assert original.user(HUMAN)["kind"] == "human"


def test_behind_a_proxy_right_passwords_are_refused_and_lock(
    wrap: Callable[..., Client],
) -> None:
    client = wrap(limited=True)
    client.seed()
    assert [client.login().status_code for _ in range(9)] == [200] * 3 + [401] * 5 + [429]
    assert client.sign_in().headers["x-retry-after"] == "10"


def test_the_loser_of_two_sign_ups_at_once_is_answered_500_one_time(wrap: Callable[..., Client]) -> None:
    client = wrap(races={ANNA})
    assert sent(client) == CRASHED
    assert [persona["email"] for persona in client.live()] == [ANNA]
    assert sent(client)[0] == 200


def test_later_deployments_have_other_paths_and_no_names_in_the_list(
    wrap: Callable[..., Client],
) -> None:
    client = wrap(mount=LATER_MOUNT)
    assert client.admin("GET", PERSONAS).status_code == 404
    user_id = client.admin("POST", LATER_MOUNT, json=body()).json()["userId"]
    [listed] = client.admin("GET", LATER_MOUNT).json()["personas"]
    assert (listed["userId"], "name" in listed) == (user_id, False)
    assert client.admin("GET", f"{LATER_MOUNT}/{user_id}").json()["persona"]["name"] == "Anna"
    assert client.admin("DELETE", f"{LATER_MOUNT}/{user_id}").status_code == 200
    assert wrap().admin("GET", LATER_MOUNT).status_code == 404
