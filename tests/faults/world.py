"""What the tests stand on: the embedded service with its database in reach, and commands run against it."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from conftest import Answering, both_forms
from making import catalog_json
from original import Original
from typer.testing import CliRunner

from personas import derive_password
from personas.catalog.models import Catalog
from personas.cli.app import app as command_line
from personas.embedded import Embedded, serving
from personas.embedded import schema as tables

from .faultserver import Fault, FaultServer, Requests, Script, Seen, Then, fault_server, nothing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SECRET = "a-seed-secret-for-tests-only-7d1"
ADMIN_PASSWORD = "admins-own-password-42"
OTHER_PASSWORD = "somebody-elses-password-1"
PROMPT = "You are a person who tries things out and writes down what went wrong."
# Hashing is what a creation costs; how well the service hashes is not what these tests are about.
QUICK_HASH = 2

PERSONAS = "/api/v1/admin/personas"
LOOK_UP = "/api/v1/admin/users"
SIGN_IN = "/api/auth/sign-in/email"
SIGN_OUT = "/api/auth/sign-out"

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


def emails_of(locals_: Sequence[str]) -> set[str]:
    return {email_of(local) for local in locals_}


def entry(local: str, **fields: Any) -> dict[str, Any]:
    """One persona of a catalog."""
    return {
        "name": f"Name of {local}",
        "email": email_of(local),
        "archetype": "researcher",
        "systemPrompt": PROMPT,
        "moduleMix": {"todo": 0.5, "notes": 0.5},
        "tickCadence": "daily",
        **fields,
    }


def environment(url: str = "", token: str | None = None, **more: str | None) -> dict[str, str | None]:
    """The variables of a command: nothing of this machine's own settings, and what the test gives."""
    given = {"PERSONA_SEED_SECRET": SECRET, "MANA_AUTH_URL": url or None, "MANA_ADMIN_JWT": token}
    return {**EMPTY_ENVIRONMENT, **given, **more}


def of_a_process(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The same for a process of its own, which has the rest from this one."""
    whole = {**os.environ, **variables}
    return {name: value for name, value in whole.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has come to its end."""

    code: int
    out: str
    err: str
    exception: BaseException | None = field(default=None, repr=False)
    seen: Requests = field(default_factory=Requests, repr=False)

    def __post_init__(self) -> None:
        """No command may end in a traceback."""
        assert self.exception is None or isinstance(self.exception, SystemExit), self
        assert "a bug in personas" not in self.everything, self

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def everything(self) -> str:
        return self.out + self.err

    @property
    def flat(self) -> str:
        """Standard output without its breaks of lines."""
        return " ".join(self.out.split())

    def document(self) -> Any:
        return json.loads(self.out)

    def plan(self) -> Any:
        return self.document()["plan"]

    def results(self) -> dict[str, int]:
        """How many personas have come to which result."""
        return dict(Counter(outcome["result"] for outcome in self.document()["outcomes"]))

    def states(self) -> dict[str, str]:
        """The state of each persona in the plan."""
        return {change["email"]: change["state"] for change in self.plan()["changes"]}

    def space_states(self) -> dict[str, str]:
        """The state of each space in the plan."""
        return {change["slug"]: change["state"] for change in self.plan()["spaceChanges"]}

    def told(self) -> dict[str, tuple[str, str]]:
        """Result and message of each step, by email or slug."""
        document = self.document()
        return {
            outcome.get("email") or outcome["slug"]: (outcome["result"], outcome["message"])
            for outcome in (*document["outcomes"], *document["spaceOutcomes"])
        }


def run(
    *args: str | Path, env: Mapping[str, str | None], seen: Requests | None = None, exits: int | None = 0
) -> Ended:
    """Run a command of the command line in this process; `exits` is the exit code that it must have."""
    result = CliRunner().invoke(command_line, [str(arg) for arg in args], env=env)
    ended = Ended(result.exit_code, result.stdout, result.stderr, result.exception, seen or Requests())
    assert "Traceback" not in ended.everything or "--debug" in args, ended
    assert exits is None or ended.code == exits, ended
    return ended


@dataclass(frozen=True, slots=True)
class Process:
    """A command in a process of its own, and the proxy between it and the service."""

    popen: subprocess.Popen[str]
    proxy: FaultServer

    def wait_until_said(self, words: str) -> None:
        """Wait until it has said so on stderr."""
        assert self.popen.stderr is not None
        assert any(words in line for line in self.popen.stderr), words

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Interrupt it while it writes, and wait until it says that it finishes what is under way."""
        self.popen.send_signal(number)
        self.wait_until_said("finishing what is in flight; once more to stop now")

    def stop_at_once(self, first: signal.Signals = signal.SIGINT) -> None:
        """Interrupt it while it writes, and once more when it has said what that would do."""
        self.interrupt(first)
        self.popen.send_signal(signal.SIGINT)

    def end(self, *, exits: int = 0, timeout: float = 30) -> Ended:
        """Wait for its end."""
        out, err = self.popen.communicate(timeout=timeout)
        ended = Ended(self.popen.returncode, out, err, seen=self.proxy.seen)
        assert "Traceback" not in ended.everything, ended
        assert ended.code == exits, ended
        return ended


@dataclass(frozen=True, slots=True)
class Kept:
    """All rows of all tables, and what the original remembers of spaces with a member who was deleted."""

    rows: dict[str, list[dict[str, Any]]]
    ownerless: set[str]


@dataclass(slots=True)
class World:
    """The embedded service on a port, its database, and a catalog to be made true there."""

    embedded: Embedded
    answering: Answering
    form: Original | None
    folder: Path
    url: str = ""
    now_is_later_by: dt.timedelta = dt.timedelta(0)
    states: dict[str, Kept] = field(default_factory=dict)

    # Commands

    @property
    def token(self) -> str:
        return self.embedded.admin_token()

    @property
    def catalog(self) -> Path:
        """The file that commands are given."""
        return self.folder / "catalog.json"

    def write_catalog(self, *entries: str | Mapping[str, Any]) -> None:
        """Let the catalog be of these personas."""
        personas = [entry(item) if isinstance(item, str) else item for item in entries]
        self.catalog.write_text(json.dumps({"personas": personas}), encoding="utf-8")

    def write_spaces(self, catalog: Catalog) -> None:
        """Let the catalog be this one, its spaces included."""
        self.catalog.write_text(catalog_json(catalog.personas, catalog.spaces), encoding="utf-8")

    def environment(
        self, env: Mapping[str, str | None] | None = None, *, url: str = ""
    ) -> dict[str, str | None]:
        """The variables of a command that is run against this service, or against a proxy before it."""
        token = None if env and "MANA_ADMIN_EMAIL" in env else self.token
        return {**environment(url or self.url, token), **(env or {})}

    def arguments(self, *args: str | Path) -> list[str | Path]:
        """A command as it is called: with the catalog, unless it takes none."""
        return [*args, *(() if args[0] == "token" else ("-c", self.catalog))]

    def run(
        self,
        *args: str | Path,
        through: Script | None = None,
        exits: int | None = 0,
        env: Mapping[str, str | None] | None = None,
    ) -> Ended:
        """Run a command in this process; `through` a proxy, all requests are seen, and may meet a fault."""
        if through is None:
            return run(*self.arguments(*args), env=self.environment(env), exits=exits)
        with fault_server(through, self.url) as proxy:
            variables = self.environment(env, url=proxy.url)
            return run(*self.arguments(*args), env=variables, seen=proxy.seen, exits=exits)

    @contextmanager
    def started(
        self, *args: str | Path, through: Script = nothing, env: Mapping[str, str | None] | None = None
    ) -> Iterator[Process]:
        """A command in a process of its own; killed when the block ends before it does."""
        with fault_server(through, self.url) as proxy:
            popen = subprocess.Popen(
                [sys.executable, "-m", "personas", *map(str, self.arguments(*args))],
                env=of_a_process(self.environment(env, url=proxy.url)),
                cwd=self.folder,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                yield Process(popen, proxy)
            finally:
                popen.kill()
                popen.communicate()

    def run_beside(self, one: Sequence[str], other: Sequence[str], *, through: Script) -> list[Ended]:
        """Run two commands at the same time, the other one in this process, through one proxy."""
        with self.started(*one, "-o", "json", through=through) as process:
            env = self.environment(url=process.proxy.url)
            ended = run(*self.arguments(*other, "-o", "json"), env=env)
            return [process.end(), ended]

    # The database

    def write(self, work: Callable[[Connection], object]) -> None:
        self.embedded._service.database.write(work)

    def execute(self, statement: sa.Executable, rows: list[dict[str, Any]] | None = None) -> None:
        self.write(lambda connection: connection.execute(statement, rows))

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in connection.execute(sa.select(table))]

        return self.embedded._service.database.read(read)

    def emails(self, kind: str) -> set[str]:
        return {row["email"] for row in self.rows(tables.users) if row["kind"] == kind}

    @property
    def personas(self) -> set[str]:
        return self.emails("persona")

    def user(self, local: str) -> dict[str, Any]:
        return next(row for row in self.rows(tables.users) if row["email"] == email_of(local))

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
        self, *locals_: str, password: str | None = OTHER_PASSWORD, kind: str = "human", **fields: Any
    ) -> None:
        """Users as an ordinary sign-up leaves them; without a password, they have the derived one."""
        hasher, now = self.embedded._service.hasher, self.embedded._service.now()
        moments = {"created_at": now, "updated_at": now}
        one_hash = password and hasher.hash(password)
        users, accounts = [], []
        for number, local in enumerate(locals_, len(self.rows(tables.users))):
            email, user_id = email_of(local), f"user{number:06d}"
            user = {"id": user_id, "email": email, "name": f"Name of {local.partition('@')[0]}", "kind": kind}
            hashed = one_hash or hasher.hash(derive_password(email, SECRET))
            users.append({**user, "email_verified": kind == "persona", **moments, **fields})
            accounts.append({"id": f"a{user_id}", "user_id": user_id, "password": hashed, **moments})

        if not users:
            return
        self.execute(sa.insert(tables.users), users)
        self.execute(sa.insert(tables.accounts), accounts)

    def add_humans(self, *locals_: str) -> None:
        self.add_users(*locals_)

    def add_half_created(self, *locals_: str) -> None:
        self.add_users(*locals_, password=None)

    def add_personas(self, *locals_: str, password: str | None = None, **fields: Any) -> None:
        """Personas as the catalog's `entry` wants them, some fields of their users changed."""
        self.add_users(*locals_, password=password, kind="persona", **fields)
        now, ids = self.embedded._service.now(), {row["email"]: row["id"] for row in self.rows(tables.users)}
        described = [
            {
                "user_id": ids[email_of(local)],
                "archetype": "researcher",
                "system_prompt": PROMPT,
                "module_mix": {"todo": 0.5, "notes": 0.5},
                "tick_cadence": "daily",
                "created_at": now,
                "updated_at": now,
            }
            for local in locals_
        ]
        if described:
            self.execute(sa.insert(tables.personas), described)

    def rename(self, local: str, name: str) -> None:
        users = tables.users
        self.execute(sa.update(users).where(users.c.email == email_of(local)).values(name=name))

    def add_sessions(self, *locals_: str) -> None:
        """Let these users have signed in: from then on the original answers 500 where it would show them."""
        now = self.embedded._service.now()
        moments = {"created_at": now, "updated_at": now, "expires_at": now + dt.timedelta(days=7)}
        wanted = emails_of(locals_)
        ids = [row["id"] for row in self.rows(tables.users) if row["email"] in wanted]
        rows = [{"id": f"s{each}", "user_id": each, "token": f"token-of-{each}", **moments} for each in ids]
        if rows:
            self.execute(sa.insert(tables.sessions), rows)

    def set_admin_password(self, password: str = ADMIN_PASSWORD) -> dict[str, str]:
        """Give the admin a password; the variables by which a command knows it."""
        admin = next(row for row in self.rows(tables.users) if row["role"] == "admin")
        accounts = tables.accounts
        hashed = self.embedded._service.hasher.hash(password)
        self.execute(sa.update(accounts).where(accounts.c.user_id == admin["id"]).values(password=hashed))
        return {"MANA_ADMIN_EMAIL": admin["email"], "MANA_ADMIN_PASSWORD": password}

    def start_anew(self, folder: Path | None = None) -> None:
        """An empty service again, but for its admin; the catalog may stand in another folder."""
        self.answering.wait()
        self.folder = folder or self.folder
        self.now_is_later_by = dt.timedelta(0)
        self.execute(sa.delete(tables.users).where(tables.users.c.kind != "system"))
        self.execute(sa.delete(tables.organizations))
        self.execute(sa.delete(tables.login_attempts))

    def keep(self) -> Kept:
        """Everything that the service knows now."""
        ownerless = self.form._ownerless if self.form else ()
        return Kept({table.name: self.rows(table) for table in tables.metadata.sorted_tables}, set(ownerless))

    def restore(self, kept: Kept) -> None:
        """Let the service know what was kept, and nothing else."""
        self.answering.wait()
        if self.form is not None:
            self.form._ownerless = set(kept.ownerless)

        def work(connection: Connection) -> None:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(sa.delete(table))
            for table in tables.metadata.sorted_tables:
                if kept.rows[table.name]:
                    connection.execute(sa.insert(table), kept.rows[table.name])

        self.write(work)


def in_no_time(limited: World) -> Script:
    """The script of a proxy before a service with limits; the seconds that it asks for pass at once."""

    def pass_time(status: int, head: bytes, body: bytes) -> bytes:
        if status == 429:
            names = [line.lower().partition(b":")[0] for line in head.split(b"\r\n")]
            assert b"x-retry-after" in names
            assert b"retry-after" not in names
            limited.now_is_later_by += dt.timedelta(seconds=11)
            head = re.sub(rb"(?i)(x-retry-after): \d+", rb"\1: 0", head)
        return head + body

    def script(seen: Seen) -> Fault | None:
        seen.headers["x-forwarded-for"] = "203.0.113.7"
        return Then(pass_time) if seen.path == SIGN_IN else None

    return script


def interrupted(*numbers: signal.Signals, then: Fault | None = None) -> Callable[[], Fault | None]:
    """Send these signals, once, to a command that runs in this process; then its request meets a fault."""
    waiting = list(numbers)

    def interrupt() -> Fault | None:
        while waiting:
            signal.pthread_kill(threading.main_thread().ident or 0, waiting.pop(0))
        return then

    return interrupt


@contextmanager
def world(
    folder: Path, *, app: Callable[[Embedded], Original] | None = None, **options: Any
) -> Iterator[World]:
    """The embedded service on a free port; `app` wraps its application."""
    made: list[World] = []

    def clock() -> dt.datetime:
        later = made[0].now_is_later_by if made else dt.timedelta(0)
        return dt.datetime.now(dt.UTC) + later

    with Embedded.open(folder / "auth.db", clock=clock, scrypt_cost=QUICK_HASH, **options) as embedded:
        form = app(embedded) if app is not None else None
        embedded.app = answering = Answering(form or embedded.app)
        made.append(World(embedded, answering, form, folder))
        with serving(embedded) as url:
            made[0].url = url
            yield made[0]
