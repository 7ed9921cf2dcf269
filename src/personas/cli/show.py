"""`personas show`: one live persona."""

from __future__ import annotations

from personas.cli import options
from personas.config import resolve_config
from personas.errors import ResponseError


def show(
    persona: options.PersonaArgument,
    catalog: options.Catalog = None,
    auth: options.Auth = None,
    jwt: options.Jwt = None,
    kind: options.Service = None,
    token: options.Token = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    endpoint: options.Endpoint = None,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show one live persona: prompt, weights, last actions and feedback.

    Examples:
      personas show anna
      personas show persona.anna@mana.test -o json
    """
    from personas.catalog.models import Scope
    from personas.catalog.select import find_persona
    from personas.cli.runner import start_run
    from personas.reconcile.changes import LiveState
    from personas.reconcile.fetch import fetch_details, fetch_list
    from personas.services.base import Service

    with start_run("show", output, report, quiet, verbose) as run:
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, None, kind, token, base_path)
        loaded = run.load_catalog_if_any(catalog)
        scope = loaded.scope if loaded else Scope()

        async def read(service: Service) -> LiveState:
            live = await fetch_list(service, scope)
            found = find_persona(live.personas, persona, f"at {config.address}")
            one = live.model_copy(update={"personas": (found,), "only": (found.email,)})
            return await fetch_details(service, one)

        live = run.read(read, config)
        if live.unread:
            raise ResponseError(" ".join(live.unread.values()))
        run.add(live=live)
