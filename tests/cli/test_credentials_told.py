from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from conftest import Served
from making import make_jwt

from .conftest import Personas

COMMANDS = [["seed"], ["dry-run"], ["cleanup", "--yes"], ["list"], ["show", "ada"], ["token"]]
HOUR_AGO = time.time() - 3600


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (make_jwt(exp=HOUR_AGO), "the admin token expired 1 hour ago"),
        (make_jwt(role="user"), "the token is not an admin's: its role is 'user'"),
        (make_jwt(role=None), "the token is not an admin's: it names no role"),
        ("garbage-without-dots", "the admin token is not a JWT"),
        ("two words", "not one token"),
    ],
    ids=["expired", "user", "no-role", "garbage", "words"],
)
def test_a_token_that_would_be_refused_is_told_before_anything_is_sent(
    personas: Personas, served: Served, token: str, text: str
) -> None:
    by_variable = {"MANA_AUTH_URL": served.url, "MANA_ADMIN_JWT": token}
    for said in (
        *(personas(*command, "--auth", served.url, "--jwt", token) for command in COMMANDS),
        personas("list", env=by_variable),
    ):
        assert (said.code, said.out) == (4, "")
        assert said.err.startswith("error: ")
        assert said.err.count(text) == 1
        assert token not in said.err
    # A token that seems to have ended may be good by the service's clock: that is asked for without it.
    assert set(served.lines) == ({"GET /api/auth/jwks"} if "expired" in text else set())


def test_a_token_comes_by_flag_variable_file_or_standard_input(
    personas: Personas, served: Served, folder: Path
) -> None:
    token = served.embedded.admin_token()
    (folder / "token").write_text(f"Bearer {token}\n")
    for arguments, variable, stdin in [
        (["--jwt", token], "", ""),
        ([], token, ""),
        (["--jwt", "@token"], "garbage", ""),
        (["--jwt", "-"], "garbage", token + "\n"),
    ]:
        said = personas(
            "list", "--auth", served.url, *arguments, env={"MANA_ADMIN_JWT": variable}, stdin=stdin
        )
        assert said.code == 0, said.err
        assert "no persona" in said.out


@pytest.mark.parametrize("command", [["seed"], ["show", "ada"]], ids=" ".join)
def test_nothing_at_the_address_is_told_with_the_way_to_try_without_a_service(
    personas: Personas, command: list[str], unused_port: int
) -> None:
    said = personas(*command, "--auth", f"http://localhost:{unused_port}", "--jwt", make_jwt())
    assert (said.code, said.out) == (4, "")
    assert said.err == (
        f"error: nothing answers at http://localhost:{unused_port}: connection refused\n"
        "  Start it there; to try without a service: personas seed --auth embedded\n"
    )


@pytest.mark.parametrize("command", COMMANDS[:5], ids=" ".join)
def test_in_json_an_error_is_in_the_document_too(
    personas: Personas, command: list[str], unused_port: int
) -> None:
    for auth, code, kind in [
        (f"http://localhost:{unused_port}", 4, "Unreachable"),
        ("http://auth.invalid", 5, "Refused"),
        ("no-url", 2, "UsageError"),
    ]:
        said = personas(*command, "--auth", auth, "--jwt", make_jwt(), "-o", "json", "--report", "r.json")
        assert said.code == code
        document = json.loads(said.out)
        assert document == json.loads(Path("r.json").read_text("utf-8"))
        assert (document["exitCode"], document["error"]["kind"]) == (code, kind)
        assert said.err.startswith("error: ")


def test_a_token_is_printed_and_nothing_else(personas: Personas, served: Served) -> None:
    personas("seed", "--auth", "embedded", "--only", "ada")
    said = personas("token", "--auth", "embedded")
    assert (said.code, said.err) == (0, "")
    assert said.out.count("\n") == 1
    assert said.out.count(".") == 2
    admin = served.embedded.admin
    assert admin is not None
    env = {"MANA_ADMIN_EMAIL": admin.email, "MANA_ADMIN_PASSWORD": admin.password}
    token = personas("token", "--auth", served.url, env=env).out.strip()
    assert personas("list", "--auth", served.url, "--jwt", token).code == 0


def test_what_a_command_does_not_use_cannot_stop_it(personas: Personas) -> None:
    env = {"MANA_ADMIN_JWT": "not one token", "MANA_AUTH_URL": "http://auth.invalid"}
    assert personas("validate", env=env).code == 0
    assert personas("schema", env=env).code == 0
    assert personas("password", "ada", env=env).code == 0
