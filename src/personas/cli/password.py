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
    from personas.cli.access import secret_of
    from personas.cli.boundary import boundary
    from personas.cli.console import emit
    from personas.passwords import derive_password

    with boundary(debug=debug):
        # Nothing is sent: whether the way there is safe does not matter.
        secret = secret_of(settings.resolve(auth=auth, allow_http=True)).reveal()
        # A catalog's emails are in lower case, and the password is derived from just that.
        email = who.strip().lower() if "@" in who else choose_from(load_catalog(catalog), who)
        emit(derive_password(email, secret))
