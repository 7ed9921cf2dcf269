"""`personas dry-run`: show what seed would do."""

from __future__ import annotations

from personas.cli import options
from personas.config import resolve_config
from personas.errors import UsageError


def dry_run(
    file: options.CatalogArgument = None,
    catalog: options.Catalog = None,
    only: options.Only = None,
    snapshot: options.Snapshot = None,
    auth: options.Auth = None,
    jwt: options.Jwt = None,
    kind: options.Service = None,
    token: options.Token = None,
    base_path: options.BasePath = None,
    allow_http: options.AllowHttp = False,
    timeout: options.Timeout = None,
    endpoint: options.Endpoint = None,
    concurrency: options.Concurrency = None,
    offline: options.Offline = False,
    prune: options.Prune = False,
    replace: options.Replace = False,
    check_passwords: options.CheckPasswords = False,
    force: options.Force = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    fail_on_drift: options.FailOnDrift = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show what seed would do and change nothing.

    Compares with the service if one is named, if there are credentials, or if
    an option needs it. Otherwise it only validates the catalog.

    Examples:
      personas dry-run --auth https://auth.staging.example.com
      personas dry-run --fail-on-drift -o github        in CI
      personas dry-run --snapshot live.json             from: personas list -o json
    """
    from personas.cli import flow
    from personas.cli.runner import start_run
    from personas.reconcile.changes import Options
    from personas.reconcile.fetch import read_snapshot
    from personas.reconcile.plan import make_plan

    with start_run("dry-run", output, report, quiet, verbose, fail_on_drift) as run:
        needs_live = fail_on_drift or prune or replace or check_passwords
        if offline and (snapshot is not None or needs_live):
            raise UsageError("--offline compares nothing, but another option needs a comparison.")
        if snapshot is not None and check_passwords:
            raise UsageError("--snapshot cannot check passwords.", hint="Leave out --check-passwords.")
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, concurrency, kind, token, base_path)
        loaded = run.load_catalog(catalog, file)
        planned = Options(prune=prune, replace=replace, force=force, only=tuple(only or ()))
        if snapshot is not None:
            live = read_snapshot(snapshot)
            source = f"{live.service}, {live.taken_at:%Y-%m-%d %H:%M %Z}"
            run.add(plan=make_plan(loaded, live, planned), notes=(f"Snapshot: {snapshot} ({source}).",))
        elif not offline and (needs_live or config.service_named or config.has_credentials):
            passwords = flow.choose_passwords_if_any(config)
            flow.read_plan(run, config, loaded, passwords, planned, check_passwords=check_passwords)
        if (plan := run.report.plan) is not None:
            run.add(notes=flow.describe_spaces(loaded, plan))
            flow.check_plan(plan)
