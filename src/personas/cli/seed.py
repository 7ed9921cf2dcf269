"""`personas seed`: create and update personas."""

from __future__ import annotations

from personas.cli import options

EXAMPLES = """Examples:
  personas seed --auth embedded       try it without a service
  personas seed -c staging.json --auth https://auth.staging.example.com
  personas seed --prune --yes         also delete what is not in the catalog"""


def seed(
    file: options.CatalogArgument = None,
    catalog: options.Catalog = None,
    only: options.Only = None,
    auth: options.Auth = None,
    jwt: options.Jwt = None,
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

    Admin credentials: --jwt, or the variables MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD (or
    PERSONAS_ADMIN_EMAIL and PERSONAS_ADMIN_PASSWORD). Passwords are derived from PERSONA_SEED_SECRET
    (or PERSONAS_SEED_SECRET).
    """
    from personas.cli.confirm import confirm
    from personas.cli.flow import (
        apply_personas,
        check_plan,
        choose_passwords,
        read_plan,
        require_allowed_domain,
    )
    from personas.cli.runner import start_run
    from personas.config import resolve_config
    from personas.reconcile.changes import Options
    from personas.report.text import describe_deletions

    with start_run("seed", output=output, reports=report, quiet=quiet, verbose=verbose) as run:
        config = resolve_config(
            auth=auth,
            jwt=jwt,
            endpoint=endpoint,
            concurrency=concurrency,
            timeout=timeout,
            allow_http=allow_http,
        )
        loaded = run.load_catalog(catalog, file)
        require_allowed_domain(loaded)
        passwords = choose_passwords(config)
        planned = Options(prune=prune, replace=replace, force=force, only=tuple(only or ()))

        plan = read_plan(
            run, config, loaded, passwords, planned, check_passwords=check_passwords, create=not dry_run
        )
        check_plan(plan, expect_plan)
        if dry_run or not plan.actions:
            return
        confirm(run, describe_deletions(plan), f"Delete at {config.address}?", yes=yes, force=force)
        apply_personas(run, config, loaded, plan, passwords, force=force)
