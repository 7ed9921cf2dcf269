"""Secrets appear in no output, whatever the command, the format and the service."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from personas import derive_password
from personas.services.mana import ManaService
from tests.commands import COMMANDS as ALL_COMMANDS, Done

from .conftest import ADMIN_PASSWORD, ANNA, BO, BY_PASSWORD, ENDPOINT, SECRET, TEAM, World, rewrite
from .proxy import Answer, Fault, Request, Script

REPORTS = ("report.json", "report.md", "report.txt")
# Arguments of every command; those in PRINTING print a secret, which is their purpose.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "seed": ("--prune", "--replace", "--check-passwords", "--yes"),
    "dry-run": ("--check-passwords",),
    "cleanup": ("--yes",),
    "list": (),
    "show": ("anna",),
    "spaces": ("--prune", "--yes"),
    "validate": (),
    "init": (),
    "schema": (),
    "serve": ("--host", "0.0.0.0"),  # refused: without a base URL
    "password": ("anna",),
    "login": ("anna",),
    "token": (),
}
PRINTING = {"password", "login", "token"}
REPORTING = {"seed", "dry-run", "cleanup", "list", "show", "spaces", "validate"}


def test_every_command_is_walked() -> None:
    assert set(COMMANDS) == ALL_COMMANDS


def secrets(world: World) -> dict[str, str]:
    """Return every secret that a run can hold, by name."""
    return {
        "token": world.env["MANA_ADMIN_JWT"] or "",
        "signature": (world.env["MANA_ADMIN_JWT"] or "").rpartition(".")[2],
        "seed secret": SECRET,
        "admin password": ADMIN_PASSWORD,
        "Anna's password": derive_password(ANNA, SECRET),
        "Bo's password": derive_password(BO, SECRET),
    }


def find_secrets(world: World, text: str) -> list[str]:
    """Return the names of the secrets in a text, as they are and as JSON and URLs write them."""
    found = []
    for name, secret in secrets(world).items():
        forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        forms |= {json.dumps(form)[1:-1] for form in forms} | {quote(secret), quote(secret, safe="")}
        found += [name for form in forms if form in text or form in "".join(text.split())]
    # Cookies and tokens that the service issued during the run.
    found += [word for word in ("mana.session_token=", "eyJ") if word in text]
    return found


def check(world: World, done: Done, *, printing: bool = False) -> None:
    """Check that neither stream nor a report has a secret; `printing` leaves stdout out."""
    texts = [done.err] if printing else [done.out, done.err]
    texts += [file.read_text() for name in REPORTS if (file := world.folder / name).exists()]
    for text in texts:
        assert find_secrets(world, text) == [], text


def run_verbose(world: World, command: str, output: str, script: Script | None = None, **env: Any) -> Done:
    """Run a command with everything that prints more."""
    more: tuple[str, ...] = ()
    if command in REPORTING:
        more = ("-o", output, *(f"--report={name}" for name in REPORTS))
    if command not in {"init", "schema", "serve"}:
        more += ("-v",)
    return world.run(command, *COMMANDS[command], *more, script=script, **env)


@pytest.fixture
def seeded(world: World) -> World:
    """Anna and Bo are live with another archetype, so that there is something to do."""
    world.seed("anna", "bo", spaces=[TEAM])
    world.edit("solo-dev", "artist")
    return world


def test_secrets_are_found_where_they_are(world: World) -> None:
    """The check of the other tests can fail."""
    for name, secret in secrets(world).items():
        assert name in find_secrets(world, f"x {json.dumps(secret)} x")
        assert name in find_secrets(world, f"/x?y={quote(secret, safe='')}")


def echo(request: Request) -> dict[str, object]:
    """Return an error that repeats a request in many ways."""
    body = request.body.decode()
    headers = json.dumps(request.headers)
    pairs = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    values = ", ".join(str(value) for value in json.loads(request.body or b"{}").values())
    return {
        "error": f"cannot do this: {body}",
        "message": f"{pairs} {values}",
        "details": [body, json.dumps(body), headers, quote(values), json.dumps({"deep": headers})],
        "hint": values,
        "code": values[:90],
        "statusCode": 400,
    }


def answer(kind: str, request: Request) -> Fault | None:
    """Return an answer of this kind that repeats the request; None if the kind is for other requests."""
    text, writing = json.dumps(echo(request)), request.method != "GET" and "sign-in" not in request.path
    refusal = Answer(400, echo(request), (("x-echo", quote(text)[:4000]),))
    answers = {
        "JSON": refusal,
        "text": Answer(500, f"<pre>{text}</pre>"),
        "redirect": Answer(302, None, (("location", f"https://evil.example/?{quote(text)[:4000]}"),)),
        "refused writes": refusal if writing else None,
        "warnings": Answer(200, {"ok": True, "warning": text}) if request.method == "DELETE" else None,
        "names": rewrite(" ".join(request.headers.values())) if request.path.startswith(ENDPOINT) else None,
    }
    return answers[kind]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_a_secret(seeded: World, command: str) -> None:
    for output, env in (("text", {}), ("github", BY_PASSWORD)):
        done = run_verbose(seeded, command, output, **env)
        check(seeded, done, printing=command in PRINTING)
        assert "bug" not in done.all


FIRST_CALLS = ("list", "seed", "spaces", "login", "token")


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        *((kind, FIRST_CALLS) for kind in ("JSON", "text", "redirect")),
        ("refused writes", ("seed", "spaces", "cleanup")),
        ("warnings", ("cleanup",)),
        ("names", ("list", "show", "dry-run", "seed", "cleanup")),
    ],
)
def test_service_that_echoes_secrets_makes_no_command_print_them(
    seeded: World, kind: str, commands: tuple[str, ...]
) -> None:
    for command in commands:
        env: Mapping[str, Any] = BY_PASSWORD if command == "token" or kind == "JSON" else {}
        done = run_verbose(seeded, command, "github", partial(answer, kind), **env)
        assert seeded.proxy.requests
        check(seeded, done)
        assert "bug" not in done.all


@pytest.mark.parametrize("command", ["list", "seed", "login"])
def test_bug_shows_no_secret_in_its_traceback(
    seeded: World, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the run holds: it cannot know others.
    held = {"token", "seed secret"} if command != "login" else {"Anna's password", "seed secret"}
    known = {name: secret for name, secret in secrets(seeded).items() if name in held}

    async def fail(*_: object) -> None:
        local = json.dumps(known)
        raise RuntimeError(f"{known} {local}") from KeyError(local)

    for name in ("list_personas", "sign_in"):
        monkeypatch.setattr(ManaService, name, fail)
    for verbose in ((), ("-v",)):
        done = seeded.run(command, *COMMANDS[command], *verbose)
        assert done.code == 1
        assert "This is a bug in personas: RuntimeError." in done.err
        assert ("Traceback" in done.err) is bool(verbose)
        check(seeded, done)


TYPED = "hunter22-hunter22"
AWAY = ("--allow-http", "--auth", "http://auth.example.test")


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ({"MANA_ADMIN_JWT": TYPED}, (), "The admin token is not a JWT."),
        ({}, ("--jwt", f"{TYPED} x"), "contains white space"),
        ({"PERSONAS_SEED_SECRET": TYPED}, (), "have different values"),
        ({"MANA_ADMIN_PASSWORD": TYPED, "MANA_ADMIN_JWT": None}, (), "MANA_ADMIN_EMAIL is not"),
        ({}, ("--auth", f"https://{TYPED}@auth.example.test:x"), "is not an http(s) URL"),
        ({}, ("--auth", f"embedded:postgresql://user:{TYPED}@host/db"), "takes a file, not a URL"),
        ({"http_proxy": f"http://user:{TYPED}@127.0.0.1:9"}, AWAY, "Cannot connect to the proxy 127.0.0.1:9"),
        ({"http_proxy": f"http://user:a#{TYPED}@127.0.0.1:9"}, AWAY, "HTTP_PROXY is not the URL of an HTTP"),
    ],
)
def test_value_that_cannot_be_used_is_named_not_shown(
    world: World, env: dict[str, Any], options: tuple[str, ...], message: str
) -> None:
    world.catalog("anna")
    for command in ("list", "seed"):
        done = world.run(command, "-v", *options, **env)
        assert done.code in {2, 4}, done.all
        assert message in done.all
        assert TYPED not in done.all
        assert world.proxy.requests == []


def test_proxy_that_refuses_and_echoes_shows_no_password(world: World) -> None:
    proxy = world.proxy.url.replace("//", f"//user:{TYPED}@")
    encoded = base64.b64encode(f"user:{TYPED}".encode()).decode()
    done = world.run("list", "-v", *AWAY, script=partial(answer, "JSON"), http_proxy=proxy)
    assert done.code == 4, done.all
    assert encoded in str(world.proxy.requests[0].headers)
    assert TYPED not in done.all
    assert encoded not in done.all
    check(world, done)
