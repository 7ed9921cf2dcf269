"""`personas spaces`: the shared spaces of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personas.cli import options
from personas.cli.password import choose_passwords
from personas.config import resolve_config
from personas.errors import UsageError

if TYPE_CHECKING:
    from personas.reconcile.changes import Plan


def spaces(
    catalog: options.Catalog = None,
    only: options.OnlySpaces = None,
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
    prune: options.PruneSpaces = False,
    delete: options.Delete = False,
    yes: options.Yes = False,
    force: options.Force = False,
    output: options.Format = options.Output.TEXT,
    report: options.Reports = None,
    fail_on_drift: options.FailOnDrift = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Create and update the shared spaces of the catalog.

    Signs in as their owners and members, who must be live: run seed first.

    Examples:
      personas spaces --dry-run
      personas spaces --prune --yes        also remove what is not in the catalog
      personas spaces --delete --only familie-brandt
    """
    from personas.cli import flow
    from personas.cli.confirm import confirm
    from personas.cli.runner import Observer, start_run
    from personas.reconcile.changes import Options, Outcome
    from personas.report.text import describe_deletions
    from personas.services.base import Service
    from personas.spaces.apply import apply_spaces
    from personas.spaces.client import SignInCache, fetch_spaces
    from personas.spaces.plan import make_space_plan

    with start_run("spaces", output, report, quiet, verbose, fail_on_drift) as run:
        if delete and prune:
            raise UsageError("--delete and --prune cannot be used together.")
        if fail_on_drift and not dry_run:
            raise UsageError("--fail-on-drift needs --dry-run.")
        config = resolve_config(auth, jwt, allow_http, timeout, endpoint, concurrency, kind, token, base_path)
        loaded = run.load_catalog(catalog)
        flow.require_allowed_domain(loaded)
        sign_ins = SignInCache(choose_passwords(config))
        planned = Options(command="spaces", prune=prune or delete, force=force, only=tuple(only or ()))

        async def read(service: Service) -> Plan:
            state = await fetch_spaces(service, loaded, sign_ins, only=planned.only)
            plan = make_space_plan(loaded, state, planned, delete=delete)
            # No session is left open behind a question: the answer may be no.
            if dry_run or not plan.actions or describe_deletions(plan):
                await sign_ins.close(service)
            return plan

        async def write(service: Service, on_outcome: Observer) -> tuple[Outcome, ...]:
            try:
                return await apply_spaces(plan, service, sign_ins, cancel=run.cancel, on_outcome=on_outcome)
            finally:
                await sign_ins.close(service)

        plan = run.read(read, config)
        run.add(plan=plan)
        if dry_run or not plan.actions:
            return
        if losses := describe_deletions(plan):
            confirm(run, losses, f"Delete at {config.address}?", yes=yes, force=force)
        run.write(write, config, plan)
