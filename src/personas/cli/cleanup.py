"""`personas cleanup`: delete the personas in scope."""

from __future__ import annotations

from personas.cli import options
from personas.config import resolve_config


def cleanup(
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
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    force: options.Force = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Delete every live persona in the catalog's scope, for good.

    Lists what is lost and asks. The catalog's spaces are deleted first.
    Personas outside the scope stay.

    Examples:
      personas cleanup --dry-run
      personas cleanup --only 'books.*' --yes
      personas cleanup --auth embedded
    """
    from personas.cli import flow
    from personas.cli.runner import start_run
    from personas.reconcile.changes import Options
    from personas.reconcile.fetch import fetch_list
    from personas.reconcile.plan import make_cleanup_plan

    with start_run("cleanup", output, report, quiet, verbose) as run:
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, concurrency, kind, token, base_path)
        loaded = run.load_catalog(catalog)
        flow.require_allowed_domain(loaded)
        planned = Options(command="cleanup", force=force, only=tuple(only or ()))
        live = run.read(
            lambda service: fetch_list(service, loaded.scope, only=planned.only, catalog=loaded), config
        )
        plan = make_cleanup_plan(loaded, live, planned)
        run.add(plan=plan)
        if dry_run:
            run.add(notes=flow.describe_spaces(loaded, plan))
        if dry_run or not plan.actions:
            return
        # Their passwords sign in as the owners of spaces, which are deleted first.
        passwords = flow.choose_passwords_if_any(config) if loaded.spaces else None
        flow.apply_personas(run, config, loaded, plan, passwords, yes=yes)
