"""No token, derived password, seed secret or admin password: in no output, file, error, or its frames."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest
import typer
from typer.main import get_command

from personas import derive_password
from personas.cli.app import app as command_line
from personas.cli.boundary import boundary
from personas.errors import PersonasError
from personas.secret import MASK, Secret

from .faultserver import Answer, Cut, Fault, Reset, Script, Seen, Stall, fault_server, nothing, when
from .world import (
    ADMIN_PASSWORD,
    PERSONAS,
    SECRET,
    SIGN_IN,
    Ended,
    World,
    email_of,
    entry,
    environment,
    run,
    world,
)

LOCALS = ["ada", "ben", "new"]
OUTPUTS = ["text", "json", "markdown", "github", "junit"]
REPORTED = ["seed", "dry-run", "cleanup", "list", "show", "validate"]
# Prints a secret because it was asked for it, and then only that one.
ASKED = ["login", "password", "token"]
NO_SERVICE = {"schema", "serve"}  # the one takes no secret; the other is looked at by itself, below
OPTIONS: dict[str, list[str]] = {
    "seed": ["--check-login", "--prune", "--recreate", "--yes"],
    "dry-run": ["--check-login"],
    "cleanup": ["--yes"],
    "list": ["--full"],
    "show": ["ada"],
    "password": ["ada@mana.test"],
    "login": ["ada"],
}
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Watched:
    """A command that has ended, and everything in which a secret could turn up."""

    ended: Ended
    texts: dict[str, str]
    errors: list[BaseException]

    def assert_silent_about(self, secrets: dict[str, str]) -> None:
        for place, text in self.texts.items():
            for name, secret in secrets.items():
                assert secret not in text, f"{name} in {place}: {text}"
        for error in self.errors:
            for place, text in shown_by(error):
                for name, secret in secrets.items():
                    assert secret not in text, f"{name} in {place} of {error!r}"


def shown_by(error: BaseException) -> Iterator[tuple[str, str]]:
    """Whatever a crash reporter shows of an error: its text, what led to it, every local of every frame."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
        yield "the text", "".join(traceback.format_exception(current)) + repr(current) + repr(vars(current))
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if not is_of_the_tests(frame):
                for name, value in frame.f_locals.items():
                    yield f"{name} in {frame.f_code.co_qualname}", repr(value)


def is_of_the_tests(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return "/tests/" in path or "/_pytest/" in path or path.endswith(("typer/testing.py", "click/testing.py"))


@contextmanager
def errors_noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """Every error of ours that is made, also one that is caught again."""
    made: list[BaseException] = []
    original = PersonasError.__init__

    def note(self: PersonasError, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        made.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(PersonasError, "__init__", note)
        yield made


class Watch(Protocol):
    def __call__(self, *args: str, env: dict[str, str | None], exits: int | None = None) -> Watched: ...


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Runs a command on a catalog of three and gathers everything that it leaves behind."""
    left, catalog = tmp_path / "left", tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"personas": [entry(local) for local in LOCALS]}))
    left.mkdir()

    def watched(*args: str, env: dict[str, str | None], exits: int | None = None) -> Watched:
        for file in left.iterdir():
            file.unlink()
        own = [] if args[0] == "token" else ["--catalog", str(catalog)]
        if args[0] in REPORTED:
            own += [f"--report={left / name}" for name in ("r.txt", "r.json", "r.md", "r.xml")]
        github = {"GITHUB_STEP_SUMMARY": str(left / "summary.md"), "GITHUB_OUTPUT": str(left / "outputs")}
        with errors_noted(monkeypatch) as errors:
            ended = run(*args, *own, "--debug", env={**env, **github}, exits=exits)
        texts = {"stderr": ended.err, **{file.name: file.read_text() for file in left.iterdir()}}
        if args[0] not in ASKED or ended.code:
            texts["stdout"] = ended.out
        return Watched(ended, texts, errors)

    return watched


def secrets_of(token: str) -> dict[str, str]:
    passwords = {f"the password of {local}": derive_password(email_of(local), SECRET) for local in LOCALS}
    return {
        "the token": token,
        "the seed secret": SECRET,
        "the admin's password": ADMIN_PASSWORD,
        **passwords,
    }


def echo(status: int, kind: str) -> Script:
    """A server that says again whatever it was told, in every field that a client might look at."""

    def script(seen: Seen) -> Fault:
        said = f"{dict(seen.headers)} {seen.body.decode()}"
        if kind == "text":
            return Answer(status, said)
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        persona = {"userId": "u1", "email": "ada@mana.test", "name": token, "archetype": token}
        persona["systemPrompt"] = said
        body = {
            **dict.fromkeys(("error", "message", "hint", "email", "userId", "code"), said),
            "details": [said, *seen.headers.values()],
            "personas": [persona],
            "persona": persona,
            "users": [{"id": "u9", "email": "new@mana.test", "name": said}],
            "total": 1,
            "recentActions": [{"toolName": said, "result": token, "errorMessage": said}],
            "feedbackByModule": [{"module": said, "avgRating": 3}],
        }
        text = json.dumps(body) if kind == "json" else json.dumps(body, ensure_ascii=False)
        if kind == "escaped":
            text = text.replace(token, "".join(f"\\u{ord(ch):04x}" for ch in token)) if token else text
        return Answer(status, text, (("x-echo", token), ("content-type", "application/json")))

    return script


SITUATIONS: dict[str, Script] = {
    "all is well": nothing,
    "every call is refused with an echo as JSON": echo(400, "json"),
    "every call is refused with an echo as text": echo(400, "text"),
    "the token is refused with an echo": echo(401, "json"),
    "forbidden with an echo": echo(403, "json"),
    "not found with an echo": echo(404, "json"),
    "an error of the service with an echo": echo(500, "json"),
    "success with an echo": echo(200, "json"),
    "success with an echo, escaped": echo(200, "escaped"),
    "half answers": lambda seen: Cut() if seen.method == "POST" and seen.number % 3 else None,
    "lost answers": when(SIGN_IN, then=Reset("lost")),
    "stalls": when(SIGN_IN, then=Stall()),
}


def test_every_command_is_walked() -> None:
    group: Any = get_command(command_line)
    assert set(group.commands) == {*REPORTED, *ASKED, *NO_SERVICE}


@pytest.mark.parametrize(
    ("by", "situation"),
    [
        *(("token", situation) for situation in SITUATIONS),
        ("email and password", "all is well"),
        ("email and password", "the token is refused with an echo"),
        ("email and password", "success with an echo, escaped"),
        ("email and password", "stalls"),
    ],
)
def test_no_secret_is_shown_by_any_command(real: World, watch: Watch, situation: str, by: str) -> None:
    real.write_catalog(entry("ada", name="Other"), "ben", "new")
    admin = real.set_admin_password() if by == "email and password" else {}
    real.add_personas("ada", "ben", "stray")
    before = real.keep()
    with fault_server(SITUATIONS[situation], real.url) as proxy:
        env = real.environment(admin, url=proxy.url)
        for number, command in enumerate([*REPORTED, *ASKED]):
            real.restore(before)
            options = [f"--output={OUTPUTS[number % len(OUTPUTS)]}"] if command in REPORTED else []
            if command not in {"validate", "password"}:
                options.append("--timeout=0.3")
            watched = watch(command, *OPTIONS.get(command, []), *options, env=env)
            sent = {seen.headers.get("authorization", "").removeprefix("Bearer ") for seen in proxy.seen}
            tokens = {f"token {number}": token for number, token in enumerate(sent - {""})}
            watched.assert_silent_about(secrets_of(env["MANA_ADMIN_JWT"] or real.token) | tokens)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("kind", ["json", "json beyond ASCII", "url"])
def test_an_admins_password_of_strange_characters_is_hidden_however_it_is_said_again(
    watch: Watch, status: int, kind: str
) -> None:
    password = 'xyzzy-ä "with" \\ and/plugh'

    def say_again(seen: Seen) -> Fault:
        said = seen.body.decode()
        if kind == "json beyond ASCII":
            said = json.dumps(json.loads(said or "null"), ensure_ascii=False)
        if kind == "url":
            said = urlencode(json.loads(said or "{}"))
        return Answer(status, {"error": said, "message": f"{said} was wrong", "code": said})

    with fault_server(say_again) as server:
        env = environment(server.url, MANA_ADMIN_EMAIL="a@b.example", MANA_ADMIN_PASSWORD=password)
        watched = watch("seed", "-o", "json", env=env, exits=4)
    assert (MASK in watched.texts["r.json"]) == (status != 200)
    watched.assert_silent_about({"the password": password, "its start": "xyzzy", "its end": "plugh"})


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_secret_is_in_any_format_of_a_run_that_fails_in_every_way(
    real: World, watch: Watch, output: str
) -> None:
    real.add_personas("ada", "ben", "stray")
    real.add_humans("human")
    new = [f"n{number}" for number in range(6)]
    real.write_catalog(entry("ada", archetype="x"), "ben", *new)
    failing = iter([echo(400, "json"), echo(500, "json"), echo(500, "json"), echo(200, "json")])

    def script(seen: Seen) -> Fault | None:
        said = next(failing, nothing) if seen.matches(f"POST {PERSONAS}") else nothing
        return said(seen)

    with fault_server(script, real.url) as proxy:
        env = real.environment(url=proxy.url)
        watched = watch("seed", "--check-login", f"--output={output}", env=env, exits=6)
    assert watched.errors
    assert MASK in watched.texts["r.json"]
    passwords = {local: derive_password(email_of(local), SECRET) for local in new}
    watched.assert_silent_about(secrets_of(env["MANA_ADMIN_JWT"] or "") | passwords)


@pytest.mark.parametrize(
    "args",
    [
        ["seed", "--jwt", "SECRET-TOKEN with spaces"],
        ["seed", "--jwt", "SECRET-TOKEN", "--timeout", "0"],
        ["seed", "--jwt", "SECRET-TOKEN"],
        ["seed", "--jwt", "SECRET-TOKEN.ünicode.x"],
        ["seed", "--jwt", "SECRET-TOKEN", "--auth", "http://example.com"],
        ["list", "--jwt", "eyJhbGciOiJFZERTQSJ9.e30.SECRET-TOKEN", "--endpoint", "nonsense"],
        ["dry-run", "--jwt", "SECRET-TOKEN", "--report", "/nowhere/at/all.json"],
        ["token", "--jwt", "SECRET-TOKEN"],
        ["show", "ada", "--jwt", "SECRET-TOKEN", "--concurrency", "99"],
    ],
    ids=" ".join,
)
def test_no_secret_is_shown_by_wrong_usage(watch: Watch, args: list[str]) -> None:
    env = environment(NOWHERE, MANA_ADMIN_EMAIL="a@b.example", MANA_ADMIN_PASSWORD=ADMIN_PASSWORD)
    watched = watch(*args, env=env)
    assert watched.ended.code in {2, 4, 5}, watched.ended
    # typer refuses some of them by itself
    assert watched.errors or "Invalid value for" in watched.ended.err
    watched.assert_silent_about(secrets_of("SECRET-TOKEN"))


def test_a_password_in_the_address_is_refused_without_being_shown(watch: Watch) -> None:
    watched = watch("seed", env=environment("https://user:SECRET-TOKEN@example.com", "a.b.c"), exits=2)
    assert all("SECRET-TOKEN" not in text for text in watched.texts.values())


@pytest.mark.parametrize(
    ("variable", "value", "args"),
    [
        ("MANA_ADMIN_JWT", "SECRET-TOKEN and more", ["list"]),
        ("MANA_ADMIN_JWT", "SECRET-TOKEN", ["list"]),
        ("PERSONA_SEED_SECRET", "SECRET-TOKEN-\udcff", ["seed", "--jwt", "a.b.c"]),
        ("PERSONA_SEED_SECRET", "SECRET-TOKEN-\udcff", ["password", "ada@mana.test"]),
        ("MANA_ADMIN_PASSWORD", "SECRET-TOKEN", ["list"]),
    ],
)
def test_no_secret_is_shown_where_a_variable_is_wrong(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, args: list[str]
) -> None:
    # Set for the program as the system would: the test runner's way encodes it before.
    monkeypatch.setenv(variable, value)
    env = {name: given for name, given in environment(NOWHERE).items() if name != variable}
    watched = watch(*args, env=env)
    assert watched.ended.code in {2, 4}, watched.ended
    assert watched.errors
    watched.assert_silent_about({"the value": "SECRET-TOKEN"})


def test_the_development_secret_is_in_no_refusal(watch: Watch) -> None:
    env = environment("https://auth.invalid", "a.b.c", PERSONA_SEED_SECRET=None)
    watched = watch("seed", env=env, exits=5)
    watched.assert_silent_about({"the development secret": "dev-persona-seed-secret-rotate-in-prod"})


def test_the_traceback_of_a_bug_hides_the_secrets_that_its_message_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = Secret("header.payload.signature")
    with pytest.raises(typer.Exit) as ended, boundary(debug=True):
        raise ZeroDivisionError(f"while sending {token.reveal()}")
    shown = capsys.readouterr().err
    assert f"ZeroDivisionError: while sending {MASK}" in shown
    assert "header.payload.signature" not in shown
    assert "a bug in personas: ZeroDivisionError" in shown
    assert ended.value.exit_code == 1


def test_the_embedded_services_own_admin_password_is_in_no_output_and_not_in_its_database(
    tmp_path: Path, watch: Watch
) -> None:
    with world(tmp_path) as made:
        admin = made.embedded.admin
        assert admin is not None
        assert admin.password not in repr(admin)
        assert admin.password not in repr(made.embedded)
        assert admin.password.encode() not in (tmp_path / "auth.db").read_bytes()
        assert admin.password.encode() not in (tmp_path / "auth.db-wal").read_bytes()
        env = environment(made.url, MANA_ADMIN_EMAIL=admin.email, MANA_ADMIN_PASSWORD=admin.password)
        for command in ("seed", "list", "cleanup"):
            watched = watch(command, *OPTIONS[command], "-o", "json", env=env, exits=0)
            watched.assert_silent_about({**secrets_of(made.token), "its password": admin.password})


def test_the_embedded_service_in_process_shows_no_secret(tmp_path: Path, watch: Watch) -> None:
    database = tmp_path / "state" / "auth.db"
    for command in ("seed", "show", "cleanup"):
        own = ["--auth", f"embedded:{database}", "-o", "json"]
        watch(command, *OPTIONS[command], *own, env=environment()).assert_silent_about(secrets_of("eyJ"))
