"""The rules of a run, where the service does not do its part: exit codes, what is told, what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import respx
from making import make_jwt

from .conftest import THREE, Personas

URL = "http://localhost:3001"
PERSONAS = "/api/v1/admin/personas"
USERS = "/api/v1/admin/users"
ADA, BO, CY = THREE
GIVEN = ("--jwt", make_jwt())


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    """A service without personas or users that takes whatever it is sent."""
    with respx.mock(base_url=URL, assert_all_called=False) as mocked:
        mocked.get(PERSONAS, name="list").respond(200, json={"personas": []})
        mocked.get(USERS, name="users").respond(200, json={"users": [], "total": 0})
        mocked.post(PERSONAS, name="write").mock(side_effect=created)
        yield mocked


def created(request: httpx.Request) -> httpx.Response:
    email = json.loads(request.content)["email"]
    return httpx.Response(200, json={"ok": True, "userId": f"id-{email}", "email": email})


def details(number: int) -> dict[str, object]:
    persona = THREE[number]
    return {
        "userId": f"id{number}",
        "email": persona.email,
        "archetype": persona.archetype,
        "tickCadence": "daily",
        "systemPrompt": persona.system_prompt,
        "moduleMix": dict(persona.module_mix),
    }


def live(router: respx.MockRouter) -> None:
    """All three are live; the list of this deployment has no names."""
    listed = [{"userId": f"id{n}", "email": p.email} for n, p in enumerate(THREE)]
    router["list"].respond(200, json={"personas": listed})
    for number in range(3):
        router.get(f"{PERSONAS}/id{number}", name=f"id{number}").respond(
            200, json={"persona": details(number)}
        )


def test_a_deployment_whose_list_has_no_names_is_in_sync(
    personas: Personas, router: respx.MockRouter
) -> None:
    live(router)
    said = personas("seed", *GIVEN)
    assert said.code == 0
    assert "in sync: 3 personas" in said.out
    assert not router["write"].called


def test_where_no_look_up_is_offered_a_preview_tells_that_too(
    personas: Personas, router: respx.MockRouter
) -> None:
    router["users"].respond(404)
    router.get(url__regex=rf"{PERSONAS}/.+").respond(404, json={"error": "Not found"})
    preview = personas("dry-run", *GIVEN)
    assert preview.code == 0
    assert "offers no look-up of users" in " ".join(preview.out.split())


def test_a_persona_that_cannot_be_read_is_not_written_and_not_in_sync(
    personas: Personas, router: respx.MockRouter
) -> None:
    live(router)
    router["id1"].respond(200, text="<html>")
    router["id2"].respond(200, json={"persona": {**details(2), "archetype": "other"}})
    said = personas("seed", *GIVEN)
    assert said.code == 6
    assert "1 updated" in said.out
    assert "1 not known" in said.out
    assert router["write"].call_count == 1


def test_one_failure_is_told_with_its_persona_and_reason_and_the_rest_is_done(
    personas: Personas, router: respx.MockRouter
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if BO.email.encode() in request.content:
            return httpx.Response(400, json={"error": "ValidationError", "details": ["name is too long"]})
        return created(request)

    router["write"].side_effect = answer
    said = personas("seed", *GIVEN, "--report", "r.json")
    assert said.code == 6
    assert "2 created, 1 failed" in said.out
    flat = " ".join(said.out.split())
    assert f"{BO.email}: seeding {BO.email}: refused with HTTP 400: ValidationError; name is too long" in flat
    document = json.loads(Path("r.json").read_text("utf-8"))
    assert [o["result"] for o in document["outcomes"]].count("done") == 2
    assert document["exitCode"] == 6


def test_what_a_service_says_cannot_act_on_the_terminal(personas: Personas, router: respx.MockRouter) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07"
    router["list"].respond(
        200,
        json={"personas": [{"userId": "x", "email": f"{evil}@mana.test", "name": evil, "archetype": evil}]},
    )
    router["write"].respond(400, json={"error": evil, "message": evil})
    for command in ("seed", "list", "dry-run"):
        for form in ("text", "markdown", "github", "junit", "json"):
            said = personas(command, *GIVEN, "-o", form)
            assert "\x1b" not in said.out + said.err
            assert "\x07" not in said.out + said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["seed", "{token}"],
        ["{token}"],
        ["seed", "--auth", "{token}"],
        ["seed", "--endpoint", "{token}", "-o", "json"],
        ["seed", "--auth", "embedded", "--only", "{token}"],
        ["seed", "--auth", "embedded", "--only", "{token}", "-o", "json"],
        ["seed", "--timeout", "{token}"],
        ["seed", "--output={token}"],
        ["seed", "--jtw={token}"],
        ["validate", "--report", "a.json", "--of", "{token}"],
    ],
    ids=" ".join,
)
def test_a_token_in_a_wrong_place_is_not_repeated(personas: Personas, arguments: list[str]) -> None:
    token = make_jwt()
    said = personas(*(argument.format(token=token) for argument in arguments))
    assert said.code == 2
    flat = "".join((said.out + said.err).replace("│", "").split())
    for part in token.split("."):
        assert part not in flat
