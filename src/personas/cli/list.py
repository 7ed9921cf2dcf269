"""`personas list`: the live personas and what they did lately."""

from __future__ import annotations

from personas.cli import options
from personas.config import resolve_config


def list_(
    catalog: options.Catalog = None,
    only: options.Only = None,
    auth: options.Auth = None,
    jwt: options.Jwt = None,
    kind: options.Service = None,
    token: options.Token = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    endpoint: options.Endpoint = None,
    concurrency: options.Concurrency = None,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """List the live personas: last activity, and actions of 7 days.

    JSON has all details of each persona and can be used as a snapshot.

    Examples:
      personas list --only 'solo-*'
      personas list -o json > live.json    for personas dry-run --snapshot
    """
    from personas.catalog.models import Scope
    from personas.cli.runner import start_run
    from personas.reconcile.changes import LiveState
    from personas.reconcile.fetch import fetch_details, fetch_list
    from personas.services.base import Service

    with start_run("list", output, report, quiet, verbose) as run:
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, concurrency, kind, token, base_path)
        loaded = run.load_catalog_if_any(catalog)
        scope = loaded.scope if loaded else Scope()
        detailed = output is options.Output.JSON or any(file.endswith(".json") for file in report or ())

        async def read(service: Service) -> LiveState:
            live = await fetch_list(service, scope, only=tuple(only or ()), catalog=loaded)
            return await fetch_details(service, live) if detailed else live

        live = run.read(read, config)
        run.add(live=live, notes=tuple(live.unread.values()))
