"""`personas password WHO`: derive a persona's password."""

from __future__ import annotations

from personas import settings
from personas.cli import options


def password(
    who: options.Who,
    catalog: options.Catalog = settings.DEFAULT_CATALOG,
    auth: options.Auth = settings.DEFAULT_AUTH,
    debug: options.Debug = False,
) -> None:
    """Print a persona's password, and nothing else.

    It is derived from the email and PERSONA_SEED_SECRET. A whole email needs no catalog.
    """
    from personas.catalog.reading import load_catalog
    from personas.catalog.who import choose_from
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
            email = choose_from(loaded, who)
        emit(derive_password(email, secret))
