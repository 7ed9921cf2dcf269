"""The commands with a Better Auth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from personas.catalog.loader import load_catalog
from personas.testing.service import open_external
from tests.cli.conftest import ADA, BO, SECRET, entry, folder, personas, write_catalog
from tests.commands import Done

from .conftest import KIND, Start
from .server import ADMIN, ADMIN_PASSWORD, Simulated

__all__ = ["folder"]  # a fixture of the commands' own tests

ENV = {"PERSONAS_ADMIN_EMAIL": ADMIN, "PERSONAS_ADMIN_PASSWORD": ADMIN_PASSWORD}
NO_ADMIN = dict.fromkeys(ENV, "")
JWT = "eyJhIjoxfQ.eyJyb2xlIjoiYWRtaW4ifQ.c2ln"


def run(simulated: Simulated, command: str, *options: str, **env: str) -> Done:
    return personas(command, *options, "--auth", simulated.url, **{**ENV, **env})


def test_every_command(start: Start) -> None:
    simulated = start(**KIND)
    seeded, again = run(simulated, "seed"), run(simulated, "seed")
    assert (seeded.code, again.code) == (0, 0)
    assert "3 created" in seeded.out
    assert "3 personas in sync" in again.out
    assert simulated.count()["ok"] == 2  # each run finds out the service once

    listed = run(simulated, "list", "-o", "json")
    assert [persona["email"] for persona in listed.json["live"]["personas"]].count(ADA) == 1
    assert "who tests things with great care" in run(simulated, "show", "ada").out
    Path("live.json").write_text(listed.out, "utf-8")
    write_catalog(entry("ada", archetype="other"), entry("bo"))
    for drift in (
        run(simulated, "dry-run", "--fail-on-drift"),
        personas("dry-run", "--snapshot", "live.json"),
    ):
        assert "researcher → other" in drift.out
        assert "1 to update, 1 extra" in drift.out
    assert "1 updated, 1 deleted" in run(simulated, "seed", "--prune", "--yes").out

    simulated.calls.clear()
    assert personas("login", "ada", "--auth", simulated.url).out.startswith("eyJ")
    cookie = personas("login", "ada", "--auth", simulated.url, "-o", "cookie")
    assert cookie.out.startswith("Cookie: better-auth.session_token=")
    assert not any(path.startswith("admin/") for path in simulated.count())

    token = run(simulated, "token").out.strip()
    assert personas("list", "--auth", simulated.url, "--token", token).code == 0
    # A JWT of another service does not decide which service this is.
    assert run(simulated, "token", MANA_ADMIN_JWT="a.b.c").out.count(".") != 2
    assert run(simulated, "list", PERSONAS_ADMIN_TOKEN="ended").code == 0

    space = {"slug": "chess", "name": "Chess", "type": "club", "owner": ADA, "members": [BO]}
    write_catalog(entry("ada", archetype="other"), entry("bo"), spaces=[space])
    assert run(simulated, "spaces").code == 0
    assert run(simulated, "spaces", "--dry-run", "--fail-on-drift").code == 0
    (live,) = simulated.spaces.values()
    assert [member["role"] for member in live["members"]] == ["owner", "member"]
    assert "metadata" not in live  # the type is not stored

    assert "2 deleted" in run(simulated, "cleanup", "--yes").out
    assert [user["email"] for user in simulated.users.values()] == [ADMIN]
    assert simulated.spaces == {}


@pytest.mark.parametrize(
    ("deployment", "options", "env", "code", "message"),
    [
        ({}, "--service better-auth --jwt " + JWT, {}, 2, "its admin endpoints refuse JWTs"),
        ({}, "--jwt " + JWT, {}, 2, "its admin endpoints refuse JWTs"),
        ({}, "--service mana --token t", {}, 2, "--token is a session token of Better Auth"),
        ({}, "--service other", {}, 2, "--service is neither mana nor better-auth"),
        ({}, "--base-path auth", {}, 2, "--base-path is not a path"),
        ({}, "--base-path /auth", {}, 4, "Neither mana nor Better Auth answers"),
        ({}, "--token an-expired-token", NO_ADMIN, 4, "does not accept the admin's session token"),
        ({}, "--token " + JWT, {}, 4, "The admin token is a JWT"),
        ({}, "--service better-auth", NO_ADMIN, 4, "PERSONAS_ADMIN_TOKEN"),
        ({}, "", {"PERSONAS_ADMIN_PASSWORD": "a-wrong-password"}, 4, "Check PERSONAS_ADMIN_EMAIL"),
        (
            {"rights": {"create", "list", "get"}},
            "",
            {},
            4,
            "personas needs: user:update, user:set-password, ",
        ),
        ({"passwords": False}, "", {}, 4, "does not allow sign-in with a password"),
        ({"two_factor": True}, "", {}, 4, "this account uses two-factor sign-in"),
    ],
)
def test_wrong_choice_or_unsuitable_deployment_is_refused(
    start: Start, deployment: dict[str, Any], options: str, env: dict[str, str], code: int, message: str
) -> None:
    simulated = start(**deployment)
    result = run(simulated, "seed", *options.split(), **env)
    assert (result.code, message in result.err, len(simulated.users)) == (code, True, 1), result.err


@pytest.mark.parametrize(
    ("options", "env"),
    [
        (["--token", "a-token"], {}),
        (["--token", "-"], {}),
        (["--token", "@token.txt"], {}),
        ([], {"PERSONAS_ADMIN_TOKEN": "a-token"}),
    ],
)
def test_session_token_implies_better_auth(start: Start, options: list[str], env: dict[str, str]) -> None:
    simulated = start(**KIND)
    simulated.add(ADA, kind="persona")
    simulated.sessions["a-token"] = simulated.find(ADMIN)["id"]
    Path("token.txt").write_text("a-token\n", "utf-8")
    result = personas("list", "--auth", simulated.url, *options, stdin="a-token\n", **env)
    assert (result.code, ADA in result.out) == (0, True)
    assert simulated.count()["ok"] == 0
    assert "a-token" in simulated.sessions  # it belongs to the user, so it is not signed out


def test_another_base_path_by_options_or_variables_alone(start: Start) -> None:
    simulated = start(**KIND, base_path="/auth/v2")
    write_catalog(entry("ada"), file="other.json")
    variables = {
        **ENV,
        "PERSONA_SEED_SECRET": "",
        "PERSONAS_SEED_SECRET": SECRET,
        "PERSONAS_AUTH_URL": simulated.url,
        "PERSONAS_SERVICE": "better-auth",
        "PERSONAS_BASE_PATH": "/auth/v2",
        "PERSONAS_CATALOG": "other.json",
    }
    assert "1 created" in personas("seed", **variables).out
    assert simulated.count()["ok"] == 0
    options = ("--base-path", "/auth/v2", "--catalog", "other.json")
    assert "1 persona in sync" in run(simulated, "seed", *options, "--service", "better-auth").out
    assert personas("login", "ada", "--auth", simulated.url, *options).code == 0


@pytest.mark.parametrize("options", [{}, {"jwt": False}, {"jwt": False, "bearer": False}])
def test_clients_of_the_pytest_plugin_are_signed_in(start: Start, options: dict[str, Any]) -> None:
    simulated = start(**KIND, **options)
    assert run(simulated, "seed").code == 0
    assert personas("login", "ada", "--auth", simulated.url).code == (4 if options else 0)
    service = open_external(load_catalog("catalog.json"), simulated.url)
    for signs_out in (False, True, False):
        with service.client("ada") as client:
            assert client.get("/api/auth/get-session").json()["user"]["email"] == ADA
            assert not signs_out or client.post("/api/auth/sign-out", json={}).status_code == 200
