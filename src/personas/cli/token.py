"""`personas token`: a token of the admin."""

from __future__ import annotations

from dataclasses import replace

from personas.cli import options
from personas.config import resolve_config, variable


def token(
    auth: options.Auth = None,
    kind: options.Service = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Print a token of the admin.

    Signs in with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; the embedded service
    needs neither. A token usually lasts 15 minutes.

    Examples:
      personas token --auth embedded
      export MANA_ADMIN_JWT=$(personas token)
    """
    from personas.cli.runner import start_run
    from personas.cli.streams import write_stdout

    with start_run("token", verbose=verbose) as run:
        config = resolve_config(auth, None, allow_http, timeout, service=kind, base_path=base_path)
        if config.admin_email and config.admin_password:  # a fresh token, not the one of MANA_ADMIN_JWT
            config = replace(config, token=None, service=kind or variable("PERSONAS_SERVICE"))
        found = run.read(lambda service: service.admin_token(), config)
        write_stdout(found.reveal() + "\n")
