"""`personas serve`: the embedded service on a port."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personas.cli import options
from personas.cli.console import somebody_to_ask
from personas.errors import NotInstalled, Refused, UsageError
from personas.settings import Settings, is_loopback, resolve

if TYPE_CHECKING:
    from personas.embedded import AdminCredentials, Embedded

DEFAULT_DATABASE = ".personas/auth.db"
DEFAULT_ORIGIN = "http://localhost:5173"


def serve(
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 3001,
    host: Annotated[
        str, typer.Option("--host", help="The address; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    database: Annotated[
        str,
        typer.Option("--database", metavar="FILE|URL", help="An SQLite file, or postgresql://…"),
    ] = DEFAULT_DATABASE,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Serve it under this name too. Repeatable."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="Let pages of this origin call it (CORS). Repeatable.",
            show_default=DEFAULT_ORIGIN,
        ),
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-proxy",
            metavar="ADDRESS",
            help="Believe this proxy's X-Forwarded-For, and limit sign-ins by it. Repeatable.",
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    debug: options.Debug = False,
) -> None:
    """Run the embedded auth service until Ctrl-C.

    The first start makes the database and an admin, whose password it shows once. The runner's side is open
    to whoever sends MANA_SERVICE_KEY as X-Service-Key; without that variable it is closed. On an address of
    this machine alone it is served as localhost, 127.0.0.1, [::1] and what --allow-host names.
    """
    from personas.cli.boundary import boundary

    with boundary(debug=debug):
        settings = resolve()
        try:
            from personas.embedded import Embedded, EmbeddedError
            from personas.embedded import serve as run
        except ImportError as error:
            raise NotInstalled(error) from None
        try:
            key = settings.service_key
            with Embedded.open(
                database,
                service_key=key.reveal() if key else None,
                behind_proxy=bool(trust_proxy),
                allow_origins=allow_origin or [DEFAULT_ORIGIN],
            ) as embedded:
                if reset:
                    _reset(embedded, settings, yes=yes)
                run(
                    embedded,
                    host=host,
                    port=port,
                    allow_hosts=allow_host or [],
                    trusted_proxies=trust_proxy or [],
                    ready=lambda url: _greet(embedded, url, settings, host=host),
                    log=_log,
                )
                _log("stopped")
        except EmbeddedError as error:
            raise UsageError(error.message, hint=error.hint) from None


def _reset(embedded: Embedded, settings: Settings, *, yes: bool) -> None:
    contents = embedded.count()
    number = f"{contents.users} users, {contents.personas} of them personas"
    what = f"--reset would delete {number}, in {embedded.database_name}"
    if settings.production:
        raise Refused(f"{what}, and this is production", hint="Unset NODE_ENV and PERSONAS_ENV if it is not.")
    if embedded.admin is not None:  # made a moment ago: there is nothing to delete
        return
    if not yes:
        if not somebody_to_ask(settings):
            raise Refused(f"{what}: nobody can be asked here", hint="Say --yes if that is meant.")
        print(f"{what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise Refused("not confirmed; nothing was changed")
    embedded.reset()


def _greet(embedded: Embedded, url: str, settings: Settings, *, host: str) -> None:
    """Say where the service is and how to get in; the only place where the admin's password is shown."""
    try:
        with embedded.introducing_admin() as admin:
            _say(_greeting(embedded, admin, url, settings))
    except OSError as error:
        _log(f"the greeting could not be written: {error.strerror}")
        _log("the admin's password, if no earlier start has shown it, is shown by the next one")
    if not is_loopback(host):
        _log(f"other machines can reach {host}, over plain http: passwords can be read on the way")


def _greeting(embedded: Embedded, admin: AdminCredentials | None, url: str, settings: Settings) -> str:
    database = embedded.database_name
    lines = [f"The embedded auth service listens on {url}", f"  database  {database}"]
    if admin is not None:
        lines += [
            f"  admin     {admin.email}",
            f"  password  {admin.password}  (shown this once: only its hash is stored)",
        ]
    else:
        lines += ["  admin     its password was shown by an earlier start"]
    open_to = (
        "whoever sends MANA_SERVICE_KEY" if settings.service_key else "nobody: MANA_SERVICE_KEY is not set"
    )
    lines += [
        f"  runner    open to {open_to}",
        "A token, with MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD set to the admin's:",
        f"  personas token --auth {url}",
    ]
    if "://" not in database:
        lines += [
            "or, with the right to read the file alone:",
            f"  personas token --auth embedded:{database}",
        ]
    return "\n".join([*lines, "Ctrl-C stops it."])


def _say(text: str) -> None:
    """Print to standard output.

    Raises:
        OSError: It leads nowhere, is full, or nobody reads it any more.
    """
    if os.path.samestat(os.fstat(sys.stdout.fileno()), Path(os.devnull).stat()):
        raise OSError(errno.EBADF, "standard output leads nowhere")
    print(text, flush=True)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
