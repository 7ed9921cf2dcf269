"""The recorded exchanges of the original service, replayed: in process, over a port, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from personas.embedded import Embedded, serving

from .conftest import BOTH
from .replay import EXCHANGES, RECORDED, Replay, decode_jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNLIKE: dict[str, tuple[int, Any]] = {
    # On purpose, each with its own test in test_improvements.py.
    "null-body": (400, {"error": "Invalid JSON body"}),
    "signup-invalid-email": (400, RECORDED["signup-invalid-email"]["response"]["body"]),
    "signup-password-too-long": (400, RECORDED["signup-password-too-long"]["response"]["body"]),
    "uppercase-second": (200, RECORDED["uppercase-first"]["response"]["body"]),
    "nul-in-text": (
        400,
        {"error": "ValidationError", "details": ["text must not contain NUL"]},
    ),
    "upsert-onto-human": (
        409,
        {"error": "Conflict", "message": "human@mana.test belongs to a user that is no persona"},
    ),
    "detail-with-activity": (
        200,
        {
            **RECORDED["detail-with-activity"]["response"]["body"],
            "feedbackByModule": [
                {"module": "notes", "avgRating": 5, "ratings": 1},
                {"module": "todo", "avgRating": 3, "ratings": 2},
            ],
        },
    ),
}
REPLAYED = [exchange["name"] for exchange in EXCHANGES if "request" in exchange]


@pytest.fixture(scope="module", params=BOTH)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["in-process", "port"])
def replay(
    request: pytest.FixtureRequest, kind: str, make_database: Callable[[str], str]
) -> Iterator[Replay]:
    with Embedded.open(make_database(kind), scrypt_cost=2) as embedded:

        async def run(transport: httpx.AsyncBaseTransport | None) -> Replay:
            async with httpx.AsyncClient(transport=transport, base_url=embedded.base_url) as client:
                made = Replay(embedded, client)
                await made.run()
                return made

        if request.param == "in-process":
            yield anyio.run(run, httpx.ASGITransport(embedded.app))
        else:
            with serving(embedded):
                yield anyio.run(run, None)


@pytest.mark.parametrize("name", REPLAYED)
def test_an_exchange_is_answered_as_the_original_answered_it(replay: Replay, name: str) -> None:
    recorded = RECORDED[name]["response"]
    if name in UNLIKE:
        status, body = UNLIKE[name]
        recorded = {**recorded, "status": status, "body": body}
    assert replay.differences(name, recorded) == []


def test_an_access_token_has_the_header_and_the_claims_of_the_original(replay: Replay) -> None:
    recorded = RECORDED["access-token-claims"]
    header, payload = decode_jwt(replay.answers["login-persona"].json()["accessToken"])
    user = replay.answers["login-persona"].json()["user"]
    assert (list(header), list(payload)) == (list(recorded["header"]), list(recorded["payload"]))
    assert header["alg"] == "EdDSA"
    assert payload["exp"] - payload["iat"] == 15 * 60
    assert payload["sub"] == user["id"]
    assert {key: payload[key] for key in ("email", "role", "tier", "aud")} == {
        key: recorded["payload"][key] for key in ("email", "role", "tier", "aud")
    }
    assert payload["iss"] == str(replay.answers["health"].request.url.copy_with(path="/")).rstrip("/")


def test_every_recorded_exchange_is_replayed_or_checked(replay: Replay) -> None:
    assert {*replay.answers, "access-token-claims"} == set(RECORDED)
