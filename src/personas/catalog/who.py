"""Understand WHO: an email, its local part, or a name when unique."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from personas.errors import UsageError

if TYPE_CHECKING:
    from personas.catalog.models import Catalog


def choose_from(catalog: Catalog, who: str) -> str:
    """The email that WHO means in a catalog; errors as `choose` has them."""
    among = [(persona.email, persona.name) for persona in catalog.personas]
    see = f"personas dry-run --offline --catalog {catalog.file}"
    return choose(who, among, where=f"in {catalog.file}", see=see)


def choose(who: str, among: Sequence[tuple[str, str]], *, where: str, see: str = "personas list") -> str:
    """The email that WHO means.

    Args:
        who: An email, its local part, or a name; case is ignored.
        among: Emails and names to choose from.
        where: Where these come from, for the error: `among the live personas`.
        see: The command that shows them all.

    Raises:
        UsageError: Nobody is meant, or more than one.
    """
    wanted = who.strip().casefold()
    for fits in (
        lambda email, _: email.casefold() == wanted,
        lambda email, _: email.casefold().split("@")[0] == wanted,
        lambda email, _: email.casefold().split("@")[0].removeprefix("persona.") == wanted,
        lambda _, name: name.casefold() == wanted,
    ):
        found = sorted({email for email, name in among if fits(email, name)})
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{who!r} means {len(found)} personas {where}: {', '.join(found[:5])}", hint="Give the email."
            )
    known = {
        text.casefold(): text
        for email, name in among
        for text in (email, email.split("@")[0], email.split("@")[0].removeprefix("persona."), name)
        if text
    }
    near = difflib.get_close_matches(wanted, known, n=3)
    if near:
        hint = f"Did you mean {' or '.join(known[text] for text in near)}?"
    elif among:
        hint = f"See who is there with: {see}"
    else:
        hint = "There is nobody at all; create the catalog's personas with: personas seed"
    raise UsageError(f"{who!r} is nobody {where}", hint=hint)
