"""`personas password WHO`: derive a persona's password."""

from __future__ import annotations

from personas.cli.options import CATALOG, Given, taking
from personas.cli.show import Who


@taking(*CATALOG, "auth")
def password(given: Given, who: Who) -> None:
    """Print the password that a persona signs in with, and nothing else.

    It is derived from the email and PERSONA_SEED_SECRET. A whole email needs no catalog.
    """
    from dataclasses import replace

    from personas.catalog.reading import load_catalog
    from personas.catalog.who import choose
    from personas.cli.console import emit
    from personas.passwords import check_secret, derive_password

    # Nothing is sent: whether the way there is safe does not matter.
    settings = replace(given, allow_http=True).settings()
    secret = check_secret(
        settings.seed_secret.reveal() if settings.seed_secret else None,
        loopback=settings.auth.loopback,
        production=settings.production,
    )
    # A catalog's emails are in lower case, and the password is derived from just that.
    email = who.strip().lower()
    if "@" not in who:
        catalog = load_catalog(settings.catalog)
        email = choose(who, [(p.email, p.name) for p in catalog.personas], where=f"in {catalog.file}")
    emit(derive_password(email, secret))
