"""No token, derived password, seed secret or admin password: in no output, file, error, or its frames."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.main import get_command

from personas import derive_password
from personas.cli.app import app as command_line
from personas.cli.boundary import boundary
from personas.errors import PersonasError
from personas.secret import MASK, Secret

from .faultserver import Answer, Cut, Fault, Reset, Script, Seen, Stall, fault_server, nothing
from .world import (
    ADMIN_PASSWORD,
    SECRET,
    Ended,
    World,
    email_of,
    entry,
    environment,
    run,
    world,
    write_catalog,
)

LOCALS = ["ada", "ben", "new"]
OUTPUTS = ["text", "json", "markdown", "github", "junit"]
REPORTED = ["seed", "dry-run", "cleanup", "list", "show", "validate"]
# Prints a secret because it was asked for it, and then only that one.
ASKED = {"password", "token", "login"}
NO_SERVICE = {"schema", "serve"}  # the one takes no secret; the other is looked at by itself, below


def arguments(command: str, catalog: Path) -> list[str]:
    """How a command is called here."""
    more: dict[str, list[str]] = {
        "seed": ["--check-login", "--prune", "--recreate", "--yes"],
        "dry-run": ["--check-login"],
        "cleanup": ["--yes"],
        "list": ["--full"],
        "show": ["ada"],
        "password": ["ada@mana.test"],
        "login": ["ada"],
    }
    own = [] if command == "token" else ["--catalog", str(catalog)]
    return [command, *more.get(command, []), *own]


@dataclass(slots=True)
class Watched:
    """Everything in which a secret could turn up."""

    texts: dict[str, str] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

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


def watch(
    args: Sequence[str], env: dict[str, str | None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Ended, Watched]:
    """Run a command and gather everything that it leaves behind."""
    files = [folder / name for name in ("report.txt", "report.json", "report.md", "report.xml")]
    for file in files:
        file.unlink(missing_ok=True)
    reports = [f"--report={file}" for file in files] if args[0] in REPORTED else []
    github = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "outputs")}
    with errors_noted(monkeypatch) as errors:
        ended = run(*args, *reports, "--debug", env={**env, **github})
    texts = {
        "stderr": ended.err,
        **{file.name: file.read_text() for file in folder.iterdir() if file.is_file()},
    }
    texts = {
        name: text for name, text in texts.items() if name != "catalog.json" and not name.endswith(".key")
    }
    if args[0] not in ASKED:
        texts["stdout"] = ended.out
    return ended, Watched(texts, errors)


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
        persona = {
            "userId": "u1",
            "email": "ada@mana.test",
            "name": token,
            "systemPrompt": said,
            "archetype": token,
        }
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
    "lost answers": lambda seen: Reset("lost") if "sign-in" in seen.path else None,
    "stalls": lambda seen: Stall() if "sign-in" in seen.path else None,
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
def test_no_secret_is_shown_by_any_command(
    real: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, situation: str, by: str
) -> None:
    catalog = write_catalog(tmp_path, [entry("ada", name="Other"), "ben", "new"])
    email, password = real.set_admin_password()
    with fault_server(SITUATIONS[situation], real.url) as proxy:
        token = real.token
        if by == "token":
            env = environment(proxy.url, token)
        else:
            env = environment(proxy.url, MANA_ADMIN_EMAIL=email, MANA_ADMIN_PASSWORD=password)
        for number, command in enumerate([*REPORTED, *sorted(ASKED)]):
            real.start_anew()
            real.add_personas("ada", "ben", "stray")
            output = [f"--output={OUTPUTS[number % len(OUTPUTS)]}"] if command in REPORTED else []
            args = [*arguments(command, catalog), *output]
            if command not in {"validate", "password"}:
                args.append("--timeout=0.3")
            _, watched = watch(args, env, tmp_path, monkeypatch)
            sent = {seen.headers.get("authorization", "").removeprefix("Bearer ") for seen in proxy.seen} - {
                ""
            }
            watched.assert_silent_about(secrets_of(token) | {f"token {n}": t for n, t in enumerate(sent)})


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("kind", ["json", "json beyond ASCII", "url"])
def test_an_admins_password_of_strange_characters_is_hidden_however_it_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, kind: str
) -> None:
    password = 'xyzzy-ä "with" \\ and/plugh'
    catalog = write_catalog(tmp_path, LOCALS)

    def say_again(seen: Seen) -> Fault:
        said = seen.body.decode()
        if kind == "json beyond ASCII":
            said = json.dumps(json.loads(said or "null"), ensure_ascii=False)
        if kind == "url":
            said = urlencode(json.loads(said or "{}"))
        return Answer(status, {"error": said, "message": f"{said} was wrong", "code": said})

    with fault_server(say_again) as server:
        env = environment(server.url, MANA_ADMIN_EMAIL="a@b.example", MANA_ADMIN_PASSWORD=password)
        args = ["seed", "--catalog", str(catalog), "-o", "json"]
        ended, watched = watch(args, env, tmp_path, monkeypatch)
    assert ended.code == 4, ended
    assert (MASK in watched.texts["report.json"]) == (status != 200)
    watched.assert_silent_about({"the password": password, "its start": "xyzzy", "its end": "plugh"})


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_secret_is_in_any_format_of_a_run_that_fails_in_every_way(
    real: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    real.add_personas("ada", "ben", "stray")
    real.add_humans("human")
    catalog = write_catalog(tmp_path, [entry("ada", archetype="x"), "ben", *(f"n{i}" for i in range(6))])
    failing = iter([echo(400, "json"), echo(500, "json"), echo(500, "json"), echo(200, "json")])

    def script(seen: Seen) -> Fault | None:
        said = next(failing, None) if seen.method == "POST" and "/personas" in seen.path else None
        return said(seen) if said else None

    with fault_server(script, real.url) as proxy:
        token = real.token
        args = ["seed", "--catalog", str(catalog), "--check-login", f"--output={output}"]
        ended, watched = watch(args, environment(proxy.url, token), tmp_path, monkeypatch)
    assert ended.code == 6, ended
    assert watched.errors
    assert MASK in watched.texts["report.json"]
    watched.assert_silent_about(
        secrets_of(token) | {f"p{i}": derive_password(f"n{i}@mana.test", SECRET) for i in range(6)}
    )


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
def test_no_secret_is_shown_by_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    own = [] if args[0] == "token" else ["--catalog", str(catalog)]
    env = environment(
        "http://127.0.0.1:9", MANA_ADMIN_EMAIL="a@b.example", MANA_ADMIN_PASSWORD=ADMIN_PASSWORD
    )
    with errors_noted(monkeypatch) as errors:
        ended = run(*args, *own, "--debug", env=env)
    assert ended.code in {2, 4, 5}, ended
    assert errors or "Invalid value for" in ended.err  # typer refuses some of them by itself
    watched = Watched({"stdout": ended.out, "stderr": ended.err}, errors)
    watched.assert_silent_about(secrets_of("SECRET-TOKEN"))


def test_a_password_in_the_address_is_refused_without_being_shown(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    env = environment("https://user:SECRET-TOKEN@example.com", "a.b.c")
    ended = run("seed", "--catalog", catalog, "--debug", env=env)
    assert ended.code == 2, ended
    assert "SECRET-TOKEN" not in ended.everything


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, args: list[str]
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    # Set for the program as the system would: the test runner's way encodes it before.
    monkeypatch.setenv(variable, value)
    env = {name: given for name, given in environment("http://127.0.0.1:9").items() if name != variable}
    with errors_noted(monkeypatch) as errors:
        ended = run(*args, "--catalog", catalog, "--debug", env=env)
    assert ended.code in {2, 4}, ended
    assert errors
    watched = Watched({"stdout": ended.out, "stderr": ended.err}, errors)
    watched.assert_silent_about({"the value": "SECRET-TOKEN"})


def test_the_development_secret_is_in_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    env = environment("https://auth.invalid", "a.b.c", PERSONA_SEED_SECRET=None)
    with errors_noted(monkeypatch) as errors:
        ended = run("seed", "--catalog", catalog, "--debug", env=env)
    assert ended.code == 5, ended
    watched = Watched({"stdout": ended.out, "stderr": ended.err}, errors)
    watched.assert_silent_about({"the development secret": "dev-persona-seed-secret-rotate-in-prod"})


def test_the_traceback_of_a_bug_hides_the_secrets_that_its_message_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import typer

    token = Secret("header.payload.signature")
    with pytest.raises(typer.Exit) as ended, boundary(debug=True):
        raise ZeroDivisionError(f"while sending {token.reveal()}")
    shown = capsys.readouterr().err
    assert f"ZeroDivisionError: while sending {MASK}" in shown
    assert "header.payload.signature" not in shown
    assert "a bug in personas: ZeroDivisionError" in shown
    assert ended.value.exit_code == 1


def test_the_embedded_services_own_admin_password_is_in_no_output_and_not_in_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    with world(tmp_path) as made:
        admin = made.embedded.admin
        assert admin is not None
        token = made.token
        assert admin.password not in repr(admin)
        assert admin.password not in repr(made.embedded)
        assert admin.password.encode() not in (tmp_path / "auth.db").read_bytes()
        assert admin.password.encode() not in (tmp_path / "auth.db-wal").read_bytes()
        env = environment(made.url, MANA_ADMIN_EMAIL=admin.email, MANA_ADMIN_PASSWORD=admin.password)
        for command in ("seed", "list", "cleanup"):
            args = [*arguments(command, catalog), "-o", "json"]
            folder = tmp_path / command
            folder.mkdir()
            ended, watched = watch(args, env, folder, monkeypatch)
            assert ended.code == 0, ended
            watched.assert_silent_about({**secrets_of(token), "its password": admin.password})


def test_the_embedded_service_in_process_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    database = tmp_path / "state" / "auth.db"
    for command in ("seed", "show", "cleanup"):
        args = [*arguments(command, catalog), "--auth", f"embedded:{database}", "-o", "json"]
        _, watched = watch(args, environment(), tmp_path, monkeypatch)
        watched.assert_silent_about(secrets_of("eyJ"))
