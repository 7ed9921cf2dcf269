"""After the writes: whether every account that was made has our name, for a human may have had it before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from personas.errors import ServiceError
from personas.reconcile.changes import Change
from personas.reconcile.owners import Passwords
from personas.service.endpoints import AuthService
from personas.service.models import LivePersona, Login


@dataclass(frozen=True, slots=True)
class Made:
    """An account that one step made, or found under another id than expected.

    Attributes:
        change: The change whose step it was.
        user_id: The account's id, by the service's word.
    """

    change: Change
    user_id: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at one account told.

    Attributes:
        made: The account.
        foreign: It had existed before, and may be somebody else's.
        message: What there is to say; empty when all is well.
    """

    made: Made
    foreign: bool = False
    message: str = ""


async def look_at_names(service: AuthService, passwords: Passwords, made: list[Made]) -> AsyncIterator[Look]:
    """Look at the name of every account that was made: one list, and one read for each name that it lacks.

    Raises:
        ServiceError: The list could not be read.
    """
    listed: Mapping[str, LivePersona] = {
        persona.user_id: persona for persona in await service.list_personas(safety=True)
    }
    for account in made:
        persona = listed.get(account.user_id)
        try:
            if persona is not None and persona.name is None:
                detail = await service.get_persona(account.user_id, who=account.change.key, safety=True)
                persona = detail.persona
        except ServiceError as error:
            yield Look(account, message=f"its name could not be read afterwards: {error.message}")
            continue
        yield await _look_at(account, persona, passwords)


async def _look_at(made: Made, persona: LivePersona | None, passwords: Passwords) -> Look:
    wanted = made.change.wanted
    if persona is None:
        return Look(made, message="it is not in the list any more")
    if wanted is None or persona.name in {None, wanted.name}:
        return Look(made)
    check = await passwords.check(wanted.email)
    if check.verdict is Login.WORKS:
        return Look(made, message="it had been ours before, with another name: only --recreate mends that")
    return Look(
        made,
        foreign=True,
        message=f"{made.change.key} (user {made.user_id}) had existed before, with another name, and is a "
        "persona now: it may be somebody else's account; look at it before anything is deleted",
    )
