"""`personas password`: the password of a persona."""

from __future__ import annotations

from personas.cli import options
from personas.cli.streams import print_line, write_stdout
from personas.config import Config, choose_seed_secret, resolve_config
from personas.passwords import PasswordDeriver


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
    from personas.cli.runner import start_run

    with start_run("password", verbose=verbose) as run:
        # The address decides whether the development secret may be used; nothing travels there.
        config = resolve_config(auth, allow_http=True)
        (email,) = run.find_emails(catalog, [persona])
        write_stdout(choose_passwords(config).derive(email).reveal() + "\n")


def choose_passwords(config: Config) -> PasswordDeriver:
    """Return the password deriver; print a line if it uses the development secret. Raises SafetyError."""
    passwords = choose_seed_secret(config)
    if passwords.development:
        print_line("Using the public development seed secret; set PERSONA_SEED_SECRET for another one.")
    return passwords
