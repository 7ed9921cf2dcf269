from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from personas.redact import Secret
from personas.services.better_auth import BetterAuthService
from personas.services.http import RetryPolicy
from personas.services.sign_in import Credentials

from .server import ADMIN, ADMIN_PASSWORD, Simulated

# A real Better Auth to run the tests of synchronisation with, and its admin; without personas at the start.
REAL_URL = os.environ.get("PERSONAS_TEST_BETTER_AUTH", "")
QUICK = RetryPolicy(first_wait=0.001, max_wait=0.002, connect=0.05, total=5)

Start = Callable[..., Simulated]


def connect(url: str, **options: Any) -> BetterAuthService:
    """Return the service, with the admin's email and password unless `credentials` are given."""
    admin = Credentials(email=ADMIN, password=Secret(ADMIN_PASSWORD))
    return BetterAuthService(url, options.pop("credentials", admin), **{"retry": QUICK, **options})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a simulated Better Auth with these options."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Simulated(**options).serve())
