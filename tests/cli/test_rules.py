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


@pytest.mark.parametrize("status", [404, 405, 501])
def test_where_no_look_up_is_offered_personas_are_created_and_that_is_told(
    personas: Personas, router: respx.MockRouter, status: int
) -> None:
    router["users"].respond(status)
    router.get(url__regex=rf"{PERSONAS}/.+").respond(404, json={"error": "Not found"})
    preview = personas("dry-run", *GIVEN)
    assert preview.code == 0
    assert "offers no look-up of users" in " ".join(preview.out.split())
    said = personas("seed", *GIVEN)
    assert said.code == 0
    assert "3 created" in said.out
    assert "was not checked" in " ".join(said.out.split())


@pytest.mark.parametrize("status", [401, 403])
def test_a_look_up_that_is_forbidden_stops_the_run_before_anything_is_written(
    personas: Personas, router: respx.MockRouter, status: int
) -> None:
    router["users"].respond(status, json={"error": "Forbidden"})
    said = personas("seed", *GIVEN)
    assert (said.code, said.out) == (4, "")
    assert "looking up" in said.err
    assert not router["write"].called


def test_what_is_not_known_is_not_written_and_the_rest_is_done(
    personas: Personas, router: respx.MockRouter
) -> None:
    router["users"].respond(200, json={"users": [{"id": "u", "email": BO.email}], "total": 1})
    router.post("/api/auth/sign-in/email").respond(500)
    said = personas("seed", *GIVEN)
    assert said.code == 6
    assert "2 created" in said.out
    assert "not known" in said.out
    assert all(BO.email.encode() not in call.request.content for call in router["write"].calls)
    assert personas("dry-run", *GIVEN).code == 6


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


def test_a_token_that_ends_on_the_way_stops_the_run_and_tells_what_is_done(
    personas: Personas, router: respx.MockRouter
) -> None:
    router["write"].side_effect = lambda request: (
        created(request) if ADA.email.encode() in request.content else httpx.Response(401)
    )
    said = personas("seed", *GIVEN, "--concurrency", "1")
    assert said.code == 4
    assert "1 created, 2 not done" in said.out
    assert said.err.count("refused the admin token") == 1


@pytest.mark.parametrize("command", [["seed"], ["cleanup", "--yes"], ["list"]], ids=" ".join)
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"users": []}),
        httpx.Response(200, json={"personas": [{"email": "x"}]}),
        httpx.Response(200, content=b'{"personas": [' + b" " * 20_000_000),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(500, json={"statusCode": 500, "message": "Internal server error"}),
    ],
    ids=["html", "other", "half", "20MB", "redirect", "500"],
)
def test_an_answer_that_is_none_is_never_taken_for_an_empty_service(
    personas: Personas, router: respx.MockRouter, command: list[str], answer: httpx.Response
) -> None:
    router["list"].mock(return_value=answer)
    said = personas(*command, *GIVEN)
    assert (said.code, said.out) == (4, "")
    assert said.err.startswith("error: listing the live personas: ")
    assert not router["write"].called


def test_strays_outside_our_domain_are_left_alone_without_force(
    personas: Personas, router: respx.MockRouter
) -> None:
    router["list"].respond(200, json={"personas": [{"userId": "h", "email": "human@example.com"}]})
    route = router.delete(f"{PERSONAS}/h").respond(200, json={"ok": True, "deleted": "h"})
    assert personas("cleanup", *GIVEN, "--yes").code == 0
    assert personas("seed", *GIVEN, "--prune", "--yes").code == 0
    assert not route.called
    assert "1 deleted" in personas("cleanup", *GIVEN, "--yes", "--force").out
    assert route.call_count == 1


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
