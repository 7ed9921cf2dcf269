"""`personas seed`: create and update personas."""

from __future__ import annotations

from personas.cli import options
from personas.cli.password import choose_passwords
from personas.config import resolve_config


def seed(
    file: options.CatalogArgument = None,
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
    prune: options.Prune = False,
    replace: options.Replace = False,
    check_passwords: options.CheckPasswords = False,
    expect_plan: options.ExpectPlan = None,
    yes: options.Yes = False,
    force: options.Force = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Create and update personas to match the catalog.

    Instead of --jwt, set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD, or
    PERSONAS_ADMIN_EMAIL and PERSONAS_ADMIN_PASSWORD. Passwords are derived from
    PERSONA_SEED_SECRET or PERSONAS_SEED_SECRET.

    Examples:
      personas seed --auth embedded             try it without a service
      personas seed --auth https://auth.staging.example.com -c staging.json
      personas seed --prune --yes               also delete extra personas
    """
    from personas.cli import flow
    from personas.cli.runner import start_run
    from personas.reconcile.changes import Options

    with start_run("seed", output, report, quiet, verbose) as run:
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, concurrency, kind, token, base_path)
        loaded = run.load_catalog(catalog, file)
        flow.require_allowed_domain(loaded)
        passwords = choose_passwords(config)
        planned = Options(prune=prune, replace=replace, force=force, only=tuple(only or ()))
        plan = flow.read_plan(
            run, config, loaded, passwords, planned, check_passwords=check_passwords, create=not dry_run
        )
        flow.check_plan(plan, expect_plan)
        if dry_run:
            run.add(notes=flow.describe_spaces(loaded, plan))
        elif plan.actions:
            flow.apply_personas(run, config, loaded, plan, passwords, yes=yes)
