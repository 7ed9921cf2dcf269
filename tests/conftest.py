from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import typer.main
from chromium import CHROMIUM_FLAGS, CI
from fake import FakeAuth
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from personas.embedded import Embedded, serving
from personas.embedded.service import utc_now
from personas.service import transport

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from starlette.types import ASGIApp, Receive, Scope, Send
    from xdist.remote import Producer

# How long an example takes on a busy machine says nothing of what it shows. Hunting with more of them:
# pytest --hypothesis-profile=hunt
settings.register_profile("suite", deadline=None, max_examples=50)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile("suite")

_PREFIXES = ("MANA_", "PERSONA", "GITHUB_")
_NAMES = {"NO_COLOR", "FORCE_COLOR", "CI", "NODE_ENV", "COLUMNS", "LINES", "TERM"}


class OneServer(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """Each test goes to whoever is free, but those on PostgreSQL to one: a server takes seconds to start."""

    def _split_scope(self, nodeid: str) -> str:
        return "postgresql" if "postgresql" in nodeid else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneServer:
    return OneServer(config, log)


def pytest_collection_finish() -> None:
    """Let the garbage collector look no more at what was collected: it stays, and is a tenth of all time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the variables of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _calls_are_tried_again_soon() -> Iterator[None]:
    """How long is waited in between is shown of the client itself; elsewhere it is only time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "Patience", partial(transport.Patience, wait_initial=0.001, wait_max=0.01))
        yield


@pytest.fixture(autouse=True, scope="session")
def _commands_are_made_once() -> Iterator[None]:
    """A runner makes them anew for each run, which takes longer than most commands do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def auth() -> AsyncIterator[FakeAuth]:
    """A service that answers what the test says."""
    async with FakeAuth.open() as fake:
        yield fake


@pytest.fixture
def chromium() -> str:
    """The program of a browser; where none can be had, the test is skipped, but in CI that is a failure."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        reason = "no chromium here; install it with: apt-get install chromium"
        if CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return program


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for one test: while it runs, this thread has an event loop that others cannot have."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


SERVICE_KEY = "the runner's own key"
Form = Literal["embedded", "original", "later"]


def both_forms(fixture: str, *, scope: Literal["session"] | None = None) -> pytest.MarkDecorator:
    """Run a test twice: with the embedded service, and with its form that is as wrong as the original."""
    return pytest.mark.parametrize(fixture, ["embedded", "original"], indirect=True, scope=scope)


def take_form(embedded: Embedded, form: Form) -> None:
    """Make an embedded service as wrong as the original, or as one of its later deployments."""
    from original import LATER_MOUNT, MOUNT, Original

    if form != "embedded":
        embedded.app = Original(embedded, mount=LATER_MOUNT if form == "later" else MOUNT)


def as_new(standing: Embedded, **changes: Any) -> Embedded:
    """An open service as on its first day, with changes; much quicker than to open another one."""
    standing._service.now = changes.get("now", utc_now)
    standing.reset()
    return Embedded(replace(standing._service, **changes), standing.admin)


class Answering:
    """An application that knows what it has not answered yet; a client that is gone does not wait for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0
        self._changed = threading.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._changed:
            self._under_way += more
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until everything is answered: what a test has asked must not act in the next one."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, 20)


class Served:
    """The embedded service on a port, with what was asked of it."""

    def __init__(self, embedded: Embedded, url: str) -> None:
        self.embedded = embedded
        self.url = url
        self.lines: list[str] = []
        self.answering = Answering(embedded.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Noted before it is answered: whoever has the answer finds it counted.
        self.lines.append(f"{scope['method']} {scope['path']}")
        await self.answering(scope, receive, send)

    def count(self, method: str, path: str = "") -> int:
        """How many requests with this method went to a path that begins so."""
        return sum(line.startswith(f"{method} {path}") for line in self.lines)

    @property
    def writes(self) -> int:
        """How many requests created, updated or deleted a persona."""
        return self.count("POST", "/api/v1/") + self.count("DELETE", "/api/v1/")


@dataclass
class Standing:
    """The embedded service on a port for as long as the tests run; each test answers there in its turn."""

    embedded: Embedded
    url: str = ""
    turn: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.turn is not None
        await self.turn(scope, receive, send)


@pytest.fixture(scope="session")
def _standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    database = tmp_path_factory.mktemp("served") / "served.db"
    with Embedded.open(database, scrypt_cost=2, service_key=SERVICE_KEY) as embedded:
        embedded.app = standing = Standing(embedded)
        with serving(embedded) as url:
            standing.url = url
            yield standing


@pytest.fixture
def served(request: pytest.FixtureRequest, _standing: Standing) -> Iterator[Served]:
    """The embedded service on a port, in the form that the test wants, its passwords cheaply hashed."""
    embedded = as_new(_standing.embedded)
    take_form(embedded, getattr(request, "param", "embedded"))
    embedded.app = _standing.turn = service = Served(embedded, _standing.url)
    yield service
    service.answering.wait()
