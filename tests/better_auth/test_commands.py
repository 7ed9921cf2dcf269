"""The commands with a Better Auth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personas.catalog.loader import load_catalog
from personas.testing.service import open_external
from tests.cli.conftest import (
    entry,
    folder,
    personas,
    write_catalog,
)
from tests.commands import Done

from .conftest import Start
from .server import ADMIN, ADMIN_PASSWORD, DESCRIPTORS, Simulated

__all__ = ["folder"]  # a fixture of the commands' own tests

KIND: dict[str, Any] = {"fields": ("kind", *DESCRIPTORS)}
ENV = {"PERSONAS_ADMIN_EMAIL": ADMIN, "PERSONAS_ADMIN_PASSWORD": ADMIN_PASSWORD}
ADA, BO = "persona.ada@mana.test", "persona.bo@mana.test"


def run(simulated: Simulated, command: str, *options: str, **env: str) -> Done:
    return personas(command, *options, "--auth", simulated.url, **{**ENV, **env})


@pytest.fixture
def seeded(start: Start) -> Simulated:
    """A deployment with the three personas of the catalog."""
    simulated = start(**KIND)
    assert run(simulated, "seed").code == 0
    return simulated


def test_seed_finds_out_the_service_once_and_is_repeatable(start: Start) -> None:
    simulated = start(**KIND)
    first, again = run(simulated, "seed"), run(simulated, "seed")
    assert (first.code, again.code) == (0, 0)
    assert "3 created" in first.out
    assert "3 personas in sync" in again.out
    assert simulated.count()["ok"] == 2


def test_update_prune_and_cleanup(seeded: Simulated) -> None:
    write_catalog(entry("ada", name="Ada Lind"), entry("bo"))
    drift = run(seeded, "dry-run", "--fail-on-drift")
    pruned = run(seeded, "seed", "--prune", "--yes")
    removed = run(seeded, "cleanup", "--yes")
    assert (drift.code, pruned.code, removed.code) == (10, 0, 0)
    assert "Ada → Ada Lind" in drift.out
    assert "1 updated, 1 deleted" in pruned.out
    assert "2 deleted" in removed.out
    assert {user["email"] for user in seeded.users.values()} == {ADMIN}


def test_conflict_refuses_the_run_before_any_write(start: Start) -> None:
    simulated = start()
    human = dict(simulated.add(ADA, "a-human-password"))
    result = run(simulated, "seed")
    assert result.code == 5
    assert f"{ADA} belongs to an account that is not a persona" in result.out + result.err
    assert list(simulated.users.values())[1:] == [human]


def test_list_show_and_snapshot(seeded: Simulated) -> None:
    listed = run(seeded, "list", "-o", "json")
    Path("live.json").write_text(listed.out, "utf-8")
    shown = run(seeded, "show", "ada")
    write_catalog(entry("ada", archetype="other"), entry("bo"), entry("cy", archetype="solo-dev"))
    compared = personas("dry-run", "--snapshot", "live.json")
    assert [p["email"] for p in listed.json["live"]["personas"]].count(ADA) == 1
    assert "who tests things with great care" in shown.out
    assert "archetype  researcher → other" in compared.out


def test_descriptors_that_are_not_stored_are_one_note(start: Start) -> None:
    simulated = start()
    run(simulated, "seed")
    result = run(simulated, "dry-run", "-o", "json", "--fail-on-drift")
    assert result.code == 0
    assert json.dumps(result.json).count("Not stored on this service") == 1


@pytest.mark.parametrize("jwt", [True, False])
def test_login(start: Start, jwt: bool) -> None:
    simulated = start(**KIND, jwt=jwt)
    run(simulated, "seed")
    simulated.calls.clear()
    token = personas("login", "ada", "--auth", simulated.url)
    cookie = personas("login", "ada", "--auth", simulated.url, "-o", "cookie")
    assert (token.code, token.out.startswith("eyJ")) == ((0, True) if jwt else (4, False))
    assert cookie.out.startswith("Cookie: better-auth.session_token=")
    assert not any(path.startswith("admin/") for path in simulated.count())


def test_spaces_without_types(seeded: Simulated) -> None:
    space = {"slug": "chess", "name": "Chess", "type": "club", "owner": ADA, "members": [BO]}
    write_catalog(entry("ada"), entry("bo"), entry("cy", archetype="solo-dev"), spaces=[space])
    created, again = run(seeded, "spaces"), run(seeded, "spaces", "--dry-run", "--fail-on-drift")
    (live,) = seeded.organizations.values()
    removed = run(seeded, "cleanup", "--yes")
    assert (created.code, again.code, removed.code) == (0, 0, 0)
    assert [member["role"] for member in live["members"]] == ["owner", "member"]
    assert live["metadata"] == "null"
    assert seeded.organizations == {}


@pytest.mark.parametrize(
    ("options", "env", "code", "message"),
    [
        (["--service", "better-auth", "--jwt", "eyJ.eyJ.x"], {}, 2, "its admin endpoints refuse JWTs"),
        (["--jwt", "eyJhIjoxfQ.eyJyb2xlIjoiYWRtaW4ifQ.c2ln"], {}, 2, "its admin endpoints refuse JWTs"),
        (["--service", "mana", "--token", "t"], {}, 2, "--token is a session token of Better Auth"),
        (["--service", "other"], {}, 2, "--service is neither mana nor better-auth"),
        (["--base-path", "auth"], {}, 2, "--base-path is not a path"),
        (["--base-path", "/auth"], {}, 4, "Neither mana nor Better Auth answers"),
        (["--token", "an-expired-token"], {}, 4, "does not accept the admin's session token"),
        (
            ["--service", "better-auth"],
            {"PERSONAS_ADMIN_EMAIL": "", "PERSONAS_ADMIN_PASSWORD": ""},
            4,
            "TOKEN",
        ),
        ([], {"PERSONAS_ADMIN_PASSWORD": "a-wrong-password"}, 4, "Check PERSONAS_ADMIN_EMAIL"),
    ],
)
def test_wrong_choices_are_refused(
    start: Start, options: list[str], env: dict[str, str], code: int, message: str
) -> None:
    result = run(start(), "list", *options, **env)
    assert (result.code, message in result.err) == (code, True), result.err


@pytest.mark.parametrize("by", ["option", "variable", "stdin"])
def test_session_token_implies_better_auth(seeded: Simulated, by: str) -> None:
    seeded.sessions["a-session-token"] = next(iter(seeded.users))
    seeded.calls.clear()
    options = {"option": ["--token", "a-session-token"], "stdin": ["--token", "-"]}.get(by, [])
    env = {"PERSONAS_ADMIN_TOKEN": "a-session-token"} if by == "variable" else {}
    result = personas("list", "--auth", seeded.url, *options, stdin="a-session-token\n", **env)
    assert (result.code, ADA in result.out) == (0, True)
    assert seeded.count()["ok"] == 0
    assert "a-session-token" in seeded.sessions


def test_another_base_path(start: Start) -> None:
    simulated = start(**KIND, base_path="/auth/v2")
    by_option = run(simulated, "seed", "--base-path", "/auth/v2")
    by_variable = run(simulated, "seed", PERSONAS_BASE_PATH="/auth/v2", PERSONAS_SERVICE="better-auth")
    login = personas("login", "ada", "--auth", simulated.url, "--base-path", "/auth/v2")
    assert (by_option.code, by_variable.code, login.code) == (0, 0, 0)


@pytest.mark.parametrize("options", [{}, {"jwt": False}, {"jwt": False, "bearer": False}])
def test_clients_of_the_pytest_plugin_are_signed_in(start: Start, options: dict[str, Any]) -> None:
    simulated = start(**KIND, **options)
    assert run(simulated, "seed").code == 0
    with open_external(load_catalog("catalog.json"), simulated.url) as service:
        for _ in range(2):
            with service.client("ada") as client:
                assert client.get("/api/auth/get-session").json()["user"]["email"] == ADA
        with service.client("ada") as client:
            assert client.post("/api/auth/sign-out", json={}).status_code == 200
        with service.client("ada") as client:
            assert client.get("/api/auth/get-session").json()["user"]["email"] == ADA
