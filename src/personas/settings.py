"""What was said and the environment become one frozen Settings; nothing else reads the environment.

The variables that stand for an option (PERSONAS_CATALOG, MANA_AUTH_URL, MANA_ADMIN_JWT) are read by the
command line, with the option; those that have none are read here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from personas.errors import CredentialsRefused, Refused, UsageError, why_unusable
from personas.secret import Secret, without_tokens

DEFAULT_CATALOG = "catalog.json"
DEFAULT_AUTH = "http://localhost:3001"
DEFAULT_ENDPOINT = "/api/v1/admin/personas"
DEFAULT_CONCURRENCY = 8
DEFAULT_TIMEOUT = 30.0
EMBEDDED_FILE = ".personas/auth.db"
MAX_CONCURRENCY = 64
MIN_TIMEOUT = 0.1
MAX_TIMEOUT = 3600
MAX_TOKEN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where the auth service is.

    Attributes:
        url: Its base URL without a trailing slash; empty for the embedded service.
        loopback: Whether it is on this machine for certain.
        embedded: The embedded service's database file; None for a service by URL.
    """

    url: str
    loopback: bool
    embedded: Path | None = None

    def __str__(self) -> str:
        return f"embedded:{self.embedded}" if self.embedded else self.url


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command was told, by flag or environment; a flag wins over its variable."""

    catalog: str = DEFAULT_CATALOG
    auth: Address = field(default_factory=lambda: parse_auth(DEFAULT_AUTH))
    endpoint: str = DEFAULT_ENDPOINT
    jwt: Secret | None = None
    admin_email: str | None = None
    admin_password: Secret | None = None
    seed_secret: Secret | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    timeout: float = DEFAULT_TIMEOUT
    production: bool = False
    ci: bool = False
    no_color: bool = False
    force_color: bool = False
    dumb: bool = False
    step_summary: Path | None = None
    step_outputs: Path | None = None
    service_key: Secret | None = None


def resolve(
    *,
    catalog: str = DEFAULT_CATALOG,
    auth: str = DEFAULT_AUTH,
    endpoint: str = DEFAULT_ENDPOINT,
    jwt: Secret | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    timeout: float = DEFAULT_TIMEOUT,
    allow_http: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Join what was said with the environment; an empty variable counts as not set.

    Raises:
        UsageError: Something cannot be meant so.
        CredentialsRefused: What should be a token can be none.
        Refused: Credentials would travel over plain http to another machine.
    """
    # Not by a name of its own: a traceback that carries what has one must not show the environment.
    variable = _Variables(os.environ if environ is None else environ)
    summary, outputs = variable("GITHUB_STEP_SUMMARY"), variable("GITHUB_OUTPUT")
    token_source = "MANA_ADMIN_JWT" if jwt and jwt == variable.secret("MANA_ADMIN_JWT") else "--jwt"
    return Settings(
        catalog=catalog,
        auth=parse_auth(
            auth,
            allow_http=allow_http,
            source="MANA_AUTH_URL" if auth == variable("MANA_AUTH_URL") else "--auth",
        ),
        endpoint=_parse_endpoint(endpoint),
        jwt=None if jwt is None else _read_token(jwt, token_source),
        admin_email=variable("MANA_ADMIN_EMAIL"),
        admin_password=variable.secret("MANA_ADMIN_PASSWORD"),
        seed_secret=find_seed_secret(variable.environ),
        concurrency=concurrency,
        timeout=timeout,
        production=is_production(variable.environ),
        ci=(variable("CI") or "").lower() not in {"", "0", "false"},
        no_color=variable("NO_COLOR") is not None or variable("TERM") == "dumb",
        dumb=variable("TERM") == "dumb",
        force_color=variable("FORCE_COLOR") not in {None, "0"},
        step_summary=Path(summary) if summary else None,
        step_outputs=Path(outputs) if outputs else None,
        service_key=variable.secret("MANA_SERVICE_KEY"),
    )


class _Variables:
    """The environment, which a traceback must not show."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def __call__(self, name: str) -> str | None:
        return self.environ.get(name) or None

    def secret(self, name: str) -> Secret | None:
        return Secret(self.environ[name]) if self.environ.get(name) else None


def find_seed_secret(environ: Mapping[str, str] | None = None) -> Secret | None:
    """What PERSONA_SEED_SECRET holds; None when it is not set, or empty."""
    return _Variables(os.environ if environ is None else environ).secret("PERSONA_SEED_SECRET")


def find_catalog() -> str:
    """The catalog that PERSONAS_CATALOG names, for programs without the command line."""
    return os.environ.get("PERSONAS_CATALOG") or DEFAULT_CATALOG


def is_production(environ: Mapping[str, str] | None = None) -> bool:
    """Whether NODE_ENV or PERSONAS_ENV says that this is production."""
    environ = os.environ if environ is None else environ
    return any(environ.get(name, "").strip().lower() == "production" for name in ("NODE_ENV", "PERSONAS_ENV"))


def parse_auth(text: str, *, allow_http: bool = False, source: str = "--auth") -> Address:
    """Understand `http(s)://host[:port][/path]` or `embedded[:FILE]`.

    Raises:
        UsageError: It is neither.
        Refused: It is plain http to another machine, and `allow_http` is not said.
    """
    if text == "embedded" or text.startswith("embedded:"):
        file = text.partition(":")[2] or EMBEDDED_FILE
        if "://" in file:  # a database's URL may hold a password: it is not shown
            hint = "For a database by URL: personas serve --database URL, and the address it tells."
            raise UsageError(f"{source} embedded:… takes a file, not a URL", hint=hint)
        return Address(url="", loopback=True, embedded=Path(file))
    split = _split_url(text, source)
    host = split.hostname or ""
    loopback = is_loopback(host)
    if split.scheme == "http" and not loopback and not allow_http:
        raise Refused(
            f"{source} {_without_userinfo(split)} is plain http to another machine: "
            "the token and the passwords could be read on the way",
            hint="Use https, or say --allow-http where the network is yours.",
        )
    return Address(url=_without_userinfo(split).rstrip("/"), loopback=loopback)


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, whatever a name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split_url(text: str, source: str) -> SplitResult:
    hint = f"Write {source} as http://localhost:3001, https://auth.example.com, or embedded."
    if any(ch.isspace() or not ch.isprintable() for ch in text):
        raise UsageError(f"{source} has a space or a control character in it", hint=hint)
    if not text.isascii():
        raise UsageError(
            f"{source} has a character beyond ASCII in it",
            hint="Write a host's name in its xn-- form, and a path percent-encoded.",
        )
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        # Why not is left unsaid: it would name what stands where a port should, and that may be a password.
        raise UsageError(f"{source} is no URL, or its port is no port", hint=hint) from None
    if split.scheme not in {"http", "https"}:
        raise UsageError(f"{source} {_shortened(text)!r} is no http(s) URL", hint=hint)
    if not split.hostname or port == 0:
        raise UsageError(f"{source} {_shortened(text)!r} names no host or no usable port", hint=hint)
    if split.username is not None or split.password is not None:
        raise UsageError(f"{source} must not hold a user name or password", hint=hint)
    if split.query or split.fragment:
        raise UsageError(f"{source} must end before any '?' or '#'", hint=hint)
    return split


def _shortened(text: str) -> str:
    # Whatever stands before an @ may be a password.
    text = without_tokens(text.rpartition("@")[2])
    return text if len(text) <= 80 else text[:79] + "…"


def _without_userinfo(split: SplitResult) -> str:
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"


def _parse_endpoint(text: str) -> str:
    hint = "Write --endpoint as a path, such as /api/v1/admin/personas or /api/v1/personas/admin."
    if not text.startswith("/") or text.startswith("//") or not text.isascii() or not text.isprintable():
        raise UsageError(f"--endpoint {_shortened(text)!r} is not a path", hint=hint)
    if any(ch in text for ch in "?# \\%") or ".." in text:
        raise UsageError(f"--endpoint {_shortened(text)!r} is more than a plain path", hint=hint)
    return text.rstrip("/") or "/"


def _read_token(said: Secret, source: str) -> Secret:
    if said.reveal() == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError(
                f"{source} - reads the token from standard input, and that is a terminal", hint="Pipe it in."
            )
        try:
            piped = Secret(sys.stdin.read(MAX_TOKEN_BYTES))
        except UnicodeDecodeError:
            raise CredentialsRefused("what standard input holds is no text, and so no token") from None
        return _token(piped, "standard input")
    if said.reveal().startswith("@"):
        path = Path(said.reveal()[1:])
        try:
            with path.open("rb") as file:
                content = Secret(file.read(MAX_TOKEN_BYTES).decode("utf-8"))
        except UnicodeDecodeError:
            raise CredentialsRefused(f"{source} @{path}: the file is no text, and so no token") from None
        except (OSError, ValueError) as error:
            hint = "Name a file that holds the token."
            raise UsageError(f"{source} @{path}: {why_unusable(error)}", hint=hint) from None
        return _token(content, f"the file {path}")
    return _token(said, source)


def _token(given: Secret, source: str) -> Secret:
    """The token without what people paste around it."""
    token = _bare(given)
    if not token:
        raise UsageError(
            f"there is no token in {source}: it is empty", hint="Is the variable that it comes from set?"
        )
    if not token.reveal().isascii() or any(ch.isspace() for ch in token.reveal()):
        raise CredentialsRefused(
            f"what {source} holds is not one token: it has spaces, line breaks or non-ASCII characters"
        )
    if len(token.reveal()) >= MAX_TOKEN_BYTES:
        raise CredentialsRefused(f"what {source} holds is too long for a token")
    return token


def _bare(token: Secret) -> Secret:
    text = token.reveal().strip()
    return Secret(text[7:].strip() if text.lower().startswith("bearer ") else text)


_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Understand a whole number with its unit: 90m, 12h, 7d.

    Raises:
        ValueError: It is none.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write it as 90m, 12h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
