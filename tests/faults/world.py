"""What the tests stand on: catalogs, the embedded service with its database in reach, commands as run."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from conftest import Answering, both_forms
from typer.testing import CliRunner

from personas import derive_password
from personas.cli.app import app as command_line
from personas.embedded import Embedded, serving
from personas.embedded import schema as tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SECRET = "a-seed-secret-for-tests-only-7d1"
ADMIN_PASSWORD = "admins-own-password-42"
OTHER_PASSWORD = "somebody-elses-password-1"
PROMPT = "You are a person who tries things out and writes down what went wrong."
# Hashing is what a creation costs; how well the service hashes is not what these tests are about.
QUICK_HASH = 2

# For a test that asks for the world `real`.
both_worlds = both_forms("_one_world", scope="session")

# What this machine or its CI may have set, and a test must not inherit.
_VARIABLES = """
    PERSONAS_CATALOG MANA_AUTH_URL MANA_ADMIN_JWT MANA_ADMIN_EMAIL MANA_ADMIN_PASSWORD PERSONA_SEED_SECRET
    NODE_ENV PERSONAS_ENV CI GITHUB_STEP_SUMMARY GITHUB_OUTPUT MANA_SERVICE_KEY NO_COLOR
    HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
"""
EMPTY_ENVIRONMENT: dict[str, str | None] = dict.fromkeys(_VARIABLES.split())


def email_of(local: str) -> str:
    return local if "@" in local else f"{local}@mana.test"


def entry(local: str, **fields: Any) -> dict[str, Any]:
    """One persona of a catalog."""
    return {
        "name": fields.pop("name", f"Name of {local}"),
        "email": email_of(local),
        "archetype": "researcher",
        "systemPrompt": PROMPT,
        "moduleMix": {"todo": 0.5, "notes": 0.5},
        "tickCadence": "daily",
        **fields,
    }


def write_catalog(
    folder: Path, entries: Iterable[str | Mapping[str, Any]], name: str = "catalog.json"
) -> Path:
    """A catalog file of these personas."""
    personas = [entry(item) if isinstance(item, str) else item for item in entries]
    path = folder / name
    path.write_text(json.dumps({"personas": personas}), encoding="utf-8")
    return path


@dataclass(slots=True)
class World:
    """The embedded service on a port, and its database."""

    embedded: Embedded
    answering: Answering
    url: str = ""
    now_is_later_by: dt.timedelta = dt.timedelta(0)

    @property
    def token(self) -> str:
        return self.embedded.admin_token()

    def write(self, work: Any) -> Any:
        return self.embedded._service.database.write(work)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in connection.execute(sa.select(table))]

        return self.embedded._service.database.read(read)

    def emails(self, kind: str) -> set[str]:
        return {row["email"] for row in self.rows(tables.users) if row["kind"] == kind}

    @property
    def personas(self) -> set[str]:
        return self.emails("persona")

    def humans(self) -> dict[str, tuple[Any, ...]]:
        """Every human with everything that the database knows of them, their password included."""
        accounts = {row["user_id"]: row for row in self.rows(tables.accounts)}
        personas = {row["user_id"]: row for row in self.rows(tables.personas)}
        return {
            row["id"]: (row, accounts.get(row["id"]), personas.get(row["id"]))
            for row in self.rows(tables.users)
            if row["kind"] != "persona"
        }

    def add_users(
        self,
        emails: Sequence[str],
        password: str = OTHER_PASSWORD,
        *,
        kind: str = "human",
        stray: bool = False,
    ) -> None:
        """Users as an ordinary sign-up leaves them; with kind `persona`, stamped as well."""
        hasher = self.embedded._service.hasher
        now = self.embedded._service.now()
        hashes = {
            email: hasher.hash(derive_password(email, SECRET) if password == "derived" else password)
            for email in (emails if password == "derived" else emails[:1])
        }
        moments = {"created_at": now, "updated_at": now}
        ids = {email: f"user{len(self.rows(tables.users)) + n:06d}" for n, email in enumerate(emails)}

        def work(connection: Connection) -> None:
            people = [
                {
                    "id": ids[email],
                    "name": f"Name of {email.partition('@')[0]}",
                    "email": email.lower(),
                    "email_verified": kind == "persona",
                    "kind": kind,
                    "role": "user",
                    "access_tier": "public",
                    "two_factor_enabled": False,
                    **moments,
                }
                for email in emails
            ]
            connection.execute(sa.insert(tables.users), people)
            accounts = [
                {
                    "id": f"a{ids[email]}",
                    "user_id": ids[email],
                    "provider_id": "credential",
                    "password": hashes.get(email) or hashes[emails[0]],
                    **moments,
                }
                for email in emails
            ]
            connection.execute(sa.insert(tables.accounts), accounts)
            if kind == "persona":
                described = [
                    {
                        "user_id": ids[email],
                        "archetype": "stray" if stray else "researcher",
                        "system_prompt": PROMPT,
                        "module_mix": {"todo": 0.5, "notes": 0.5},
                        "tick_cadence": "daily",
                        **moments,
                    }
                    for email in emails
                ]
                connection.execute(sa.insert(tables.personas), described)

        if emails:
            self.write(work)

    def add_humans(self, *emails: str) -> None:
        self.add_users([email_of(email) for email in emails])

    def add_half_created(self, *emails: str) -> None:
        self.add_users([email_of(email) for email in emails], "derived")

    def add_personas(self, *emails: str, password: str = "derived") -> None:
        self.add_users([email_of(email) for email in emails], password, kind="persona")

    def add_sessions(self, *emails: str) -> None:
        """Let these users have signed in: from then on the original answers 500 where it would show them."""
        now = self.embedded._service.now()
        wanted = {email_of(email) for email in emails}
        rows = [
            {
                "id": f"s{row['id']}",
                "user_id": row["id"],
                "token": f"token-of-{row['id']}",
                "expires_at": now + dt.timedelta(days=7),
                "created_at": now,
                "updated_at": now,
            }
            for row in self.rows(tables.users)
            if row["email"] in wanted
        ]
        if rows:
            self.write(lambda c: c.execute(sa.insert(tables.sessions), rows))

    def start_anew(self) -> None:
        """An empty service again, but for its admin."""
        self.answering.wait()
        self.now_is_later_by = dt.timedelta(0)
        self.write(lambda c: c.execute(sa.delete(tables.users).where(tables.users.c.kind != "system")))
        self.write(lambda c: c.execute(sa.delete(tables.organizations)))
        self.write(lambda c: c.execute(sa.delete(tables.login_attempts)))

    def keep(self) -> dict[str, list[dict[str, Any]]]:
        """Everything that is stored now."""
        return {table.name: self.rows(table) for table in tables.metadata.sorted_tables}

    def restore(self, kept: Mapping[str, list[dict[str, Any]]]) -> None:
        """Store again what was kept, and nothing else."""
        self.answering.wait()

        def work(connection: Connection) -> None:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(sa.delete(table))
            for table in tables.metadata.sorted_tables:
                if kept[table.name]:
                    connection.execute(sa.insert(table), kept[table.name])

        self.write(work)

    def set_admin_password(self, password: str = ADMIN_PASSWORD) -> tuple[str, str]:
        """Give the admin a password that the test knows; the email and it."""
        hashed = self.embedded._service.hasher.hash(password)
        admin = next(row for row in self.rows(tables.users) if row["role"] == "admin")
        accounts = tables.accounts
        self.write(
            lambda c: c.execute(
                sa.update(accounts).where(accounts.c.user_id == admin["id"]).values(password=hashed)
            )
        )
        return admin["email"], password


@contextmanager
def world(folder: Path, *, app: Any = None, **options: Any) -> Iterator[World]:
    """The embedded service on a free port; `app` wraps its application."""
    made: list[World] = []

    def clock() -> dt.datetime:
        later = made[0].now_is_later_by if made else dt.timedelta(0)
        return dt.datetime.now(dt.UTC) + later

    with Embedded.open(folder / "auth.db", clock=clock, scrypt_cost=QUICK_HASH, **options) as embedded:
        if app is not None:
            embedded.app = app(embedded)
        embedded.app = answering = Answering(embedded.app)
        made.append(World(embedded, answering))
        with serving(embedded) as url:
            made[0].url = url
            yield made[0]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has come to its end."""

    code: int
    out: str
    err: str
    exception: BaseException | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def everything(self) -> str:
        return self.out + self.err

    def document(self) -> Any:
        return json.loads(self.out)

    def results(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for outcome in self.document()["outcomes"]:
            counted[outcome["result"]] = counted.get(outcome["result"], 0) + 1
        return counted


def environment(url: str = "", token: str | None = None, **more: str | None) -> dict[str, str | None]:
    """The variables of a command: nothing of this machine's own settings, and what the test gives."""
    given = {"PERSONA_SEED_SECRET": SECRET, "MANA_AUTH_URL": url or None, "MANA_ADMIN_JWT": token}
    return {**EMPTY_ENVIRONMENT, **given, **more}


def run(*args: str | Path, env: Mapping[str, str | None], stdin: str | None = None) -> Ended:
    """Run a command of the command line in this process; it must not end in a traceback."""
    result = CliRunner().invoke(command_line, [str(arg) for arg in args], env=env, input=stdin)
    ended = Ended(result.exit_code, result.stdout, result.stderr, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), ended
    assert "Traceback" not in ended.everything or "--debug" in args, ended
    assert "a bug in personas" not in ended.everything, ended
    return ended


@contextmanager
def started(*args: str | Path, env: Mapping[str, str | None], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own; killed when the block ends before it does."""
    whole = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "personas", *map(str, args)],
        env=whole,
        cwd=cwd,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run_beside(
    one: Sequence[str | Path], other: Sequence[str | Path], *, env: Mapping[str, str | None], cwd: Path
) -> list[Ended]:
    """Run two commands at the same time, the other one in this process; how they ended."""
    with started(*one, env=env, cwd=cwd) as process:
        ended = run(*other, env=env)
        return [end_of(process), ended]


def wait_until_said(process: subprocess.Popen[str], words: str) -> None:
    """Wait until a process has said so on stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(words)


def stop_at_once(process: subprocess.Popen[str], first: signal.Signals = signal.SIGINT) -> None:
    """Interrupt a process that writes, and once more when it has said that it finishes what is under way."""
    process.send_signal(first)
    wait_until_said(process, "once more to stop now")
    process.send_signal(signal.SIGINT)


def end_of(process: subprocess.Popen[str], timeout: float = 30) -> Ended:
    """Wait for a process; it must not end in a traceback."""
    out, err = process.communicate(timeout=timeout)
    ended = Ended(process.returncode, out, err)
    assert "Traceback" not in ended.everything, ended
    assert "a bug in personas" not in ended.everything, ended
    return ended
