"""`personas password WHO`: derive a persona's password."""

from __future__ import annotations

from personas.cli import options
from personas.settings import DEFAULT_AUTH, DEFAULT_CATALOG


def password(
    who: options.Who,
    catalog: options.Catalog = DEFAULT_CATALOG,
    auth: options.Auth = DEFAULT_AUTH,
    debug: options.Debug = False,
) -> None:
    """Print a persona's password, and nothing else.

    It is derived from the email and PERSONA_SEED_SECRET. A whole email needs no catalog.
    """
    from personas.catalog.reading import load_catalog
    from personas.catalog.who import choose
    from personas.cli.boundary import boundary
    from personas.cli.console import emit
    from personas.passwords import check_secret, derive_password
    from personas.settings import resolve

    with boundary(debug=debug):
        # Nothing is sent: whether the way there is safe does not matter.
        settings = resolve(catalog=catalog, auth=auth, allow_http=True)
        secret = check_secret(
            settings.seed_secret.reveal() if settings.seed_secret else None,
            loopback=settings.auth.loopback,
            production=settings.production,
        )
        # A catalog's emails are in lower case, and the password is derived from just that.
        email = who.strip().lower()
        if "@" not in who:
            loaded = load_catalog(settings.catalog)
            email = choose(who, [(p.email, p.name) for p in loaded.personas], where=f"in {loaded.file}")
        emit(derive_password(email, secret))
