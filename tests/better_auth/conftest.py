from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
import respx

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Catalog
from personas.passwords import PasswordDeriver
from personas.reconcile.apply import apply
from personas.reconcile.changes import Options, Outcome, Plan
from personas.reconcile.fetch import fetch
from personas.reconcile.plan import make_cleanup_plan, make_plan
from personas.redact import Secret
from personas.services.better_auth import BetterAuthService
from personas.services.http import RetryPolicy
from personas.services.sign_in import Credentials
from tests.cli.conftest import SECRET, entry

from .server import ADMIN, ADMIN_PASSWORD, DESCRIPTORS, Simulated

Start = Callable[..., Simulated]

PASSWORDS = PasswordDeriver(Secret(SECRET))
KIND: dict[str, Any] = {"fields": ("kind", *DESCRIPTORS)}  # a deployment that declares all fields
QUICK = RetryPolicy(first_wait=0.001, max_wait=0.002, connect=0.05, total=5)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a simulated Better Auth with these options."""
    with ExitStack() as stack:

        def start(**options: Any) -> Simulated:
            simulated = Simulated(**options)
            router = stack.enter_context(respx.mock(assert_all_called=False))
            router.route(url__startswith=simulated.url).mock(side_effect=simulated.answer)
            return simulated

        yield start


def connect(url: str, **options: Any) -> BetterAuthService:
    """Return the service, with the admin's email and password."""
    admin = Credentials(email=ADMIN, password=Secret(ADMIN_PASSWORD))
    return BetterAuthService(url, admin, **{"retry": QUICK, **options})


class Run(NamedTuple):
    """A plan, and how it ended."""

    plan: Plan
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many changes have each status."""
        return {status.value: count for status, count in self.plan.counts.items() if count}

    @property
    def results(self) -> set[str]:
        """How the actions ended."""
        return {outcome.result.value for outcome in self.outcomes}


def catalog(*names: str, **changes: Any) -> Catalog:
    """A catalog of personas with these names; `changes` apply to each."""
    personas = [entry(name, **changes) for name in names or ("ada", "bo", "cy")]
    return parse_catalog(json.dumps({"personas": personas}), file="catalog.json")


async def sync(
    service: BetterAuthService,
    wanted: Catalog,
    *,
    cleanup: bool = False,
    before: Callable[[], object] = lambda: None,
    **options: Any,
) -> Run:
    """Read, plan and apply; `before` is called between plan and apply."""
    live = await fetch(service, wanted, passwords=PASSWORDS, replace=options.get("replace", False))
    plan = (make_cleanup_plan if cleanup else make_plan)(wanted, live, Options(**options))
    before()
    return Run(plan, await apply(plan, service, PASSWORDS))
