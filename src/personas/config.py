"""Merge options and environment variables into one Config; no other module reads the environment."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from personas.errors import SafetyError, UsageError
from personas.passwords import DEVELOPMENT_SECRET, PasswordDeriver
from personas.redact import Secret

DEFAULT_CATALOG = "catalog.json"
DEFAULT_AUTH = "http://localhost:3001"
DEFAULT_ENDPOINT = "/api/v1/admin/personas"
DEFAULT_BASE_PATH = "/api/auth"
MANA, BETTER_AUTH = "mana", "better-auth"
DEFAULT_CONCURRENCY = 8
DEFAULT_TIMEOUT = 30.0
MAX_TIMEOUT = 600
EMBEDDED_FILE = ".personas/auth.db"
MIN_WIDTH = 20

JWT_REFUSED = "--jwt (MANA_ADMIN_JWT) does not work with Better Auth: its admin endpoints refuse JWTs."
JWT_HINT = (
    "Pass a session token with --token (PERSONAS_ADMIN_TOKEN), or set PERSONAS_ADMIN_EMAIL and "
    "PERSONAS_ADMIN_PASSWORD."
)

# Each variable has two names. Messages use the first.
SYNONYMS = {
    "AUTH_URL": ("MANA_AUTH_URL", "PERSONAS_AUTH_URL"),
    "ADMIN_JWT": ("MANA_ADMIN_JWT", "PERSONAS_ADMIN_JWT"),
    "ADMIN_EMAIL": ("MANA_ADMIN_EMAIL", "PERSONAS_ADMIN_EMAIL"),
    "ADMIN_PASSWORD": ("MANA_ADMIN_PASSWORD", "PERSONAS_ADMIN_PASSWORD"),
    "SEED_SECRET": ("PERSONA_SEED_SECRET", "PERSONAS_SEED_SECRET"),
}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an auth service."""

    url: str  # without a trailing slash; empty for the embedded service
    loopback: bool  # whether it is certainly on this machine
    embedded: Path | None = None  # the database file of the embedded service

    def __str__(self) -> str:
        return f"embedded:{self.embedded}" if self.embedded else self.url


@dataclass(frozen=True, slots=True)
class Config:
    """Which service to use, how, and with which credentials."""

    address: Address = field(default_factory=lambda: parse_address(DEFAULT_AUTH))
    service_named: bool = False
    service: str | None = None  # MANA or BETTER_AUTH; None if the address must be asked
    endpoint: str = DEFAULT_ENDPOINT
    base_path: str = DEFAULT_BASE_PATH
    token: Secret | None = None  # an admin's JWT for mana, an admin's session token for Better Auth
    admin_email: str | None = None
    admin_password: Secret | None = None
    seed_secret: Secret | None = None
    production: bool = False
    concurrency: int = DEFAULT_CONCURRENCY
    timeout: float = DEFAULT_TIMEOUT

    @property
    def has_credentials(self) -> bool:
        """Whether the admin endpoints can be used."""
        return bool(self.address.embedded or self.token or (self.admin_email and self.admin_password))


def variable(name: str) -> str | None:
    """Return the value of a variable, named by a key of SYNONYMS or in full; None if unset or empty.

    Raises UsageError if there is white space around the value, or two names have different values.
    """
    found: dict[str, str] = {}
    for full_name in SYNONYMS.get(name, (name,)):
        value = os.environ.get(full_name, "").removeprefix("\ufeff")
        if value != value.strip():
            hint = "Set it again without white space."
            raise UsageError(f"{full_name} has white space before or after its value.", hint=hint)
        # A value that is not UTF-8 contains lone surrogates, which are not printable.
        if not value.isprintable():
            raise UsageError(f"{full_name} contains a control character or is not valid UTF-8.")
        if value:
            found[full_name] = value
    if len(set(found.values())) > 1:
        raise UsageError(f"{' and '.join(found)} have different values.", hint="Unset one of them.")
    return next(iter(found.values()), None)


def resolve_config(
    auth: str | None = None,
    jwt: str | None = None,
    allow_http: bool = False,
    timeout: float | None = None,
    endpoint: str | None = None,
    concurrency: int | None = None,
    service: str | None = None,
    token: str | None = None,
    base_path: str | None = None,
) -> Config:
    """Merge options with the environment; an option wins over its variable.

    Raises:
        UsageError: An option or a variable has an unusable value.
        SafetyError: Credentials would travel over plain http to another machine.
    """
    if timeout is not None and not 0 < timeout <= MAX_TIMEOUT:
        raise UsageError(f"--timeout must be more than 0 and at most {MAX_TIMEOUT} seconds.")
    named = variable("AUTH_URL") if auth is None else auth
    kind, secret = _choose_service(service, jwt, token, endpoint)
    email, password, seed_secret = map(variable, ("ADMIN_EMAIL", "ADMIN_PASSWORD", "SEED_SECRET"))
    if bool(email) != bool(password) and secret is None:
        is_set, is_missing = ("EMAIL", "PASSWORD") if email else ("PASSWORD", "EMAIL")
        raise UsageError(f"MANA_ADMIN_{is_set} is set but MANA_ADMIN_{is_missing} is not.")
    source = "MANA_AUTH_URL" if auth is None else "--auth"
    path = base_path or variable("PERSONAS_BASE_PATH")
    return Config(
        address=parse_address(DEFAULT_AUTH if named is None else named, allow_http=allow_http, source=source),
        service_named=named is not None,
        service=kind,
        endpoint=_parse_path(endpoint, "--endpoint") if endpoint else DEFAULT_ENDPOINT,
        base_path=_parse_path(path, "--base-path") if path else DEFAULT_BASE_PATH,
        token=secret,
        admin_email=email,
        admin_password=Secret(password) if password else None,
        seed_secret=Secret(seed_secret) if seed_secret else None,
        production=is_production(),
        concurrency=concurrency or DEFAULT_CONCURRENCY,
        timeout=timeout or DEFAULT_TIMEOUT,
    )


def is_production() -> bool:
    """Return whether NODE_ENV or PERSONAS_ENV says production."""
    return "production" in {(variable(name) or "").lower() for name in ("NODE_ENV", "PERSONAS_ENV")}


def is_ci() -> bool:
    """Return whether CI is set; then no question is asked."""
    return (variable("CI") or "").lower() not in {"", "0", "false"}


def drop_unusable_widths() -> None:
    """Unset COLUMNS and TERMINAL_WIDTH if they are not a width: typer would crash or print nothing."""
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        value = os.environ.get(name, "0")
        if not (value.isascii() and value.isdigit() and int(value) >= MIN_WIDTH):
            os.environ.pop(name, None)


def choose_seed_secret(config: Config) -> PasswordDeriver:
    """Return the password deriver of a run; on loopback the development secret is the default.

    Raises SafetyError if off loopback or in production the secret is missing, or is the development secret.
    """
    deriver = PasswordDeriver(config.seed_secret or Secret(DEVELOPMENT_SECRET))
    if not deriver.development or (config.address.loopback and not config.production):
        return deriver
    place = "in production" if config.production else "for a service that is not on this machine"
    is_set = config.seed_secret is not None
    problem = "is the public development secret, refused" if is_set else "is not set, but required"
    hint = "Set PERSONA_SEED_SECRET to the secret that the other programs of this environment use."
    raise SafetyError(f"PERSONA_SEED_SECRET {problem} {place}.", hint=hint)


def parse_address(text: str, *, allow_http: bool = False, source: str = "--auth") -> Address:
    """Parse `http(s)://host[:port][/path]` or `embedded[:FILE]`.

    Messages do not repeat a wrong URL, because it may contain a password.

    Raises:
        UsageError: It is neither.
        SafetyError: It is plain http to another machine, without `allow_http`.
    """
    if text == "embedded" or text.startswith("embedded:"):
        file = text.partition(":")[2] or EMBEDDED_FILE
        if "://" in file:
            hint = "For a database by URL, run: personas serve --database URL"
            raise UsageError(f"{source} embedded:… takes a file, not a URL.", hint=hint)
        return Address(url="", loopback=True, embedded=Path(file))
    try:
        split = urlsplit(text)
        usable = split.port != 0 and split.scheme in {"http", "https"} and split.hostname
    except ValueError:
        usable = False
    problem = ""
    if not text.isascii() or not text.isprintable() or " " in text:
        problem = "contains white space or a character that is not ASCII"
    elif not usable:
        problem = "is not an http(s) URL with a host and, if any, a valid port"
    elif "@" in split.netloc:
        problem = "must not contain a user name or password"
    elif split.query or split.fragment:
        problem = "must not contain '?' or '#'"
    if problem:
        raise UsageError(
            f"{source} {problem}.", hint="Use a URL such as https://auth.example.com, or embedded."
        )
    url = f"{split.scheme}://{split.netloc}{split.path}".rstrip("/")
    loopback = _is_loopback(split.hostname or "")
    if split.scheme == "http" and not loopback and not allow_http:
        message = f"{source} {url} uses plain http to another machine, which exposes tokens and passwords."
        raise SafetyError(message, hint="Use https, or pass --allow-http if you trust the network.")
    return Address(url=url, loopback=loopback)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _choose_service(
    option: str | None, jwt: str | None, token: str | None, endpoint: str | None
) -> tuple[str | None, Secret | None]:
    """Return the service, None if nothing says which one, and the admin's token for it."""
    named = option or variable("PERSONAS_SERVICE")
    if named not in {None, MANA, BETTER_AUTH}:
        raise UsageError(f"--service is neither {MANA} nor {BETTER_AUTH}.")
    if named == BETTER_AUTH and jwt is not None:
        raise UsageError(JWT_REFUSED, hint=JWT_HINT)
    if token is not None and (named == MANA or jwt is not None):
        raise UsageError("--token is a session token of Better Auth. For mana, pass --jwt.")
    for kind, text, source in (
        (MANA, jwt, "--jwt"),
        (BETTER_AUTH, token, "--token"),
        (BETTER_AUTH, variable("PERSONAS_ADMIN_TOKEN"), "PERSONAS_ADMIN_TOKEN"),
        (MANA, variable("ADMIN_JWT"), "MANA_ADMIN_JWT"),
    ):
        if text is not None and named in {None, kind}:
            return kind, read_token(text, source)
    return named or (MANA if endpoint else None), None


def _parse_path(text: str, option: str) -> str:
    if not text.startswith("/") or not text.isascii() or any(c in text for c in "?#\\% ") or ".." in text:
        raise UsageError(f"{option} is not a path.", hint=f"Use a path such as {DEFAULT_BASE_PATH}.")
    return f"/{text.strip('/')}".rstrip("/")


def read_token(text: str, source: str) -> Secret:
    """Return a token given as TOKEN, `-` (stdin) or `@FILE`, without a BOM and a `Bearer` prefix.

    Raises UsageError if it is missing, or is not one word of ASCII.
    """
    try:
        if text == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise UsageError(f"{source} - reads the token from stdin, but stdin is a terminal.")
            source, text = "stdin", sys.stdin.buffer.read().decode("utf-8-sig")
        elif text.startswith("@"):
            source = text[1:]
            text = Path(source).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"The token in {source} is not valid UTF-8.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Cannot read the token from {source}: {reason}.") from None
    token = text.removeprefix("\ufeff").strip()
    if token.lower().startswith("bearer "):
        token = token[7:].strip()
    if not token:
        hint = "Check the variable or file that it comes from."
        raise UsageError(f"The token in {source} is empty.", hint=hint)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"The token in {source} contains white space or characters that are not ASCII.")
    return Secret(token)
