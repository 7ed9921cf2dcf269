"""`personas password`: the password of a persona."""

from __future__ import annotations

from personas.cli import options
from personas.config import resolve_config


def password(
    persona: options.PersonaArgument,
    catalog: options.Catalog = None,
    auth: options.Auth = None,
    verbose: options.Verbose = False,
) -> None:
    """Print the password of a persona.

    It is derived from the email and PERSONA_SEED_SECRET; no request is sent.
    Without a catalog, PERSONA must be an email.

    Examples:
      personas password anna
      personas password persona.anna@mana.test
    """
    from personas.cli.flow import choose_passwords
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout

    with start_run("password", verbose=verbose) as run:
        # The address decides whether the development secret may be used; nothing travels there.
        config = resolve_config(auth, allow_http=True)
        (email,) = run.find_emails(catalog, [persona])
        write_stdout(choose_passwords(config).derive(email).reveal() + "\n")
