"""What the tests of carrying out share."""

from __future__ import annotations

from typing import Any

import anyio
from making import SECRET

from personas.reconcile.apply import apply
from personas.reconcile.outcome import Applied, Result
from personas.reconcile.plan import Plan
from personas.secret import Secret
from personas.service.endpoints import AuthService

DONE, FAILED, UNKNOWN, NOT_DONE = Result.DONE, Result.FAILED, Result.UNKNOWN, Result.NOT_DONE


async def carry_out(made: Plan, client: AuthService, **options: Any) -> Applied:
    with anyio.fail_after(20):
        return await apply(made, client, Secret(SECRET), **options)


def results(applied: Applied) -> list[Result]:
    return [outcome.result for outcome in applied.outcomes]
