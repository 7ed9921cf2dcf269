"""HTTP for all services: one `request` with retries, one pause for all workers, and errors in words."""

from __future__ import annotations

import base64
import contextlib
import http.cookiejar
import json
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypedDict, Unpack
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from personas.config import DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT
from personas.errors import NoResponseError, RateLimitedError, ResponseError, ServiceError, UnreachableError
from personas.redact import Secret, redact
from personas.services.base import RequestObserver, WaitObserver
from personas.services.models import Answer, Body, Params

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_DETAIL_LENGTH = 300
MAX_CONNECT_SECONDS = 10.0
# Servers close idle connections after 5 s or later; a request on a connection that just closed is lost.
KEEP_ALIVE_SECONDS = 3.0
WRONG_SERVICE = "Check --auth (MANA_AUTH_URL), and --endpoint or --base-path."


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call is repeated; times in seconds."""

    attempts: int = 8
    first_wait: float = 0.1  # doubled for each further attempt
    max_wait: float = 5.0  # of the waits that the service did not ask for
    connect: float = 3.0  # how long to try to connect
    total: float = 60.0  # how long to try in all, waits included

    def wait(self, attempt: int) -> float:
        """Return the wait after this attempt (from 1); random, so that workers do not return together."""
        longest: float = min(self.max_wait, self.first_wait * 2 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads requests, protects nothing


class HttpOptions(TypedDict, total=False):
    """How to call a service; every service takes these as keyword arguments."""

    timeout: float  # seconds for one attempt, from its start to the last byte
    concurrency: int  # how many requests to send at once
    app: Any  # an ASGI application to call in this process instead of the URL
    observe: RequestObserver | None
    on_wait: WaitObserver | None
    retry: RetryPolicy


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt without a usable answer, and whether to repeat it."""

    error: ServiceError
    seconds: float = 0.0  # how long to repeat the call
    received: bool = True  # whether the service may have received the request
    status: int = 0
    wait: float | None = None  # the wait that the service asked for


class HttpClient:
    """Calls one service, on loopback without a proxy; an async context manager that can be entered again."""

    def __init__(self, base_url: str, *, loopback: bool, **options: Unpack[HttpOptions]) -> None:
        self.base_url = base_url
        self.concurrency = options.get("concurrency", DEFAULT_CONCURRENCY)
        self._loopback = loopback
        self._timeout = options.get("timeout", DEFAULT_TIMEOUT)
        self._app = options.get("app")
        self._observe = options.get("observe")
        self._on_wait = options.get("on_wait")
        self._retry = options.get("retry", RetryPolicy())
        self._shown = base_url if self._app is None else "the embedded service"
        self._resume_at = 0.0
        self._proxy: httpx.Proxy | None = None
        self._proxy_variable = ""
        self._client: httpx.AsyncClient
        self._slots: anyio.CapacityLimiter

    async def __aenter__(self) -> Self:
        self._slots = anyio.CapacityLimiter(self.concurrency)
        connect = min(0.9 * self._timeout, MAX_CONNECT_SECONDS)
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            transport=httpx.ASGITransport(self._app, raise_app_exceptions=False)
            if self._app is not None
            else self._open_transport(),
            timeout=httpx.Timeout(self._timeout, connect=connect, pool=None),
            # One account's session must not travel with another account's call.
            cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "personas"},
        )
        return self

    async def __aexit__(self, *args: object) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await self._client.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        params: Params = None,
        body: Body = None,
        bearer: Secret | None = None,
        cookie: Secret | None = None,
        origin: str = "",
        repeat: bool = True,
    ) -> Answer:
        """Send a request, again after a failure, and return the answer.

        Redirects, 429 and 502 to 504 are errors; any other status is returned. `what` says what the call
        does, for errors; `repeat` is whether to send it again when the service may have received it.
        Raises UnreachableError, NoResponseError, RateLimitedError or ResponseError.
        """
        headers = {"origin": origin} if origin else {}
        if bearer:
            headers["authorization"] = f"Bearer {bearer.reveal()}"
        if cookie:
            headers["cookie"] = cookie.reveal()
        request = self._client.build_request(method, path, params=params, json=body, headers=headers)
        secrets = [secret for secret in (bearer, cookie) if secret]
        started, attempt = 0.0, 0
        lost = server_error = False
        while True:
            attempt += 1
            async with self._slots:
                # A loop, because other workers can extend the pause meanwhile.
                while (pause := self._resume_at - time.monotonic()) > 0:  # noqa: ASYNC110 - the time is known
                    await anyio.sleep(pause)
                started = started or time.monotonic()
                left = self._retry.total - (time.monotonic() - started)
                result = await self._attempt(request, what, secrets, min(self._timeout, max(left, 1.0)))
            if isinstance(result, Answer):
                return replace(result, retried=lost, server_error=server_error)
            if result.received:
                lost, server_error = lost or not result.status, server_error or bool(result.status)
            wait = self._retry.wait(attempt) if result.wait is None else result.wait
            late = time.monotonic() - started + wait > result.seconds
            if late or attempt >= self._retry.attempts or (result.received and not repeat):
                result.error.maybe_applied = method != "GET" and (lost or server_error)
                raise result.error
            if result.status in {429, 503}:  # it refuses the other workers as well
                self._pause(wait, result.error.message)
            else:
                await anyio.sleep(wait)

    def _pause(self, seconds: float, reason: str) -> None:
        """Let all requests wait; those that are refused at the same time announce a long wait once."""
        now = time.monotonic()
        if self._on_wait is not None and seconds >= 1 and self._resume_at <= now:
            self._on_wait(seconds, reason)
        self._resume_at = max(self._resume_at, now + seconds)

    async def _attempt(
        self, request: httpx.Request, what: str, secrets: Sequence[Secret], seconds: float
    ) -> Answer | _Failure:
        started = time.monotonic()
        try:
            with anyio.fail_after(seconds):
                async with contextlib.aclosing(await self._client.send(request, stream=True)) as response:
                    answer = _decode(response, await _read(response, what), secrets)
            result = self._examine(response, answer, what)
        except Exception as error:  # noqa: BLE001 - servers provoke many kinds in the library
            result = self._explain(error, what, seconds)
        # The caller raises, outside the except clause: the library's frames hold what was sent.
        if self._observe is not None:
            path = request.url.raw_path.decode("ascii")
            shown = result.status or result.error if isinstance(result, _Failure) else result.status
            self._observe(request.method, path, shown, time.monotonic() - started)
        return result

    def _examine(self, response: httpx.Response, answer: Answer, what: str) -> Answer | _Failure:
        """Return the answer, or the failure that its status means."""
        status, total = response.status_code, self._retry.total
        if 300 <= status < 400:
            message = f"{what}: the service redirects (HTTP {status}), and redirects are not followed."
            hint = "Give the final address with --auth (MANA_AUTH_URL)."
            return _Failure(ResponseError(message, hint=hint), received=False)
        if status not in {429, 502, 503, 504}:
            return answer
        wait = retry_after(response.headers)
        reason = f"HTTP {status}: {answer.detail}".removesuffix(": ")
        hint = "Run again later; finished work is skipped."
        if status == 429:
            asked = "" if wait is None else f" for {wait:.0f} s"
            limited = RateLimitedError(f"{what}: rate limited{asked} ({reason}).", hint=hint)
            return _Failure(limited, total, received=False, status=status, wait=wait)
        busy = NoResponseError(f"{what}: the service is not available ({reason}).", hint=hint)
        return _Failure(busy, total, status=status, wait=wait)

    def _explain(self, error: Exception, what: str, seconds: float) -> _Failure:
        """Return what an exception of the library means."""
        hint = ""
        match error:
            case ServiceError():
                return _Failure(error)
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
                return self._not_connected(error)
            case httpx.TimeoutException() | TimeoutError():
                message = f"{what}: no complete answer from {self._shown} within {seconds:.3g} s."
                hint = "Allow more time with --timeout."
            case httpx.NetworkError() | httpx.RemoteProtocolError() | OSError():
                message = f"{what}: the connection to {self._shown} broke before a complete answer arrived."
            case _:
                message = f"{what}: the answer cannot be read ({type(error).__name__})."
                return _Failure(ResponseError(message, hint=WRONG_SERVICE))
        return _Failure(NoResponseError(message, hint=hint), self._retry.total)

    def _not_connected(self, error: Exception) -> _Failure:
        place, hint = self._shown, "Check --auth (MANA_AUTH_URL), and that the service is running."
        if self._proxy is not None:
            place = f"the proxy {self._proxy.url.netloc.decode()}"
            hint = f"Check {self._proxy_variable} and NO_PROXY."
        reason, seconds = redact(str(error)) or "no connection in time", self._retry.connect
        reason = reason.replace("All connection attempts failed", "nothing answers there")
        if "SSL" in reason:
            place, hint = self._shown, "Check that it uses https, and that SSL_CERT_FILE has its authority."
            seconds = 0 if "CERTIFICATE" in reason else seconds
        unreachable = UnreachableError(f"Cannot connect to {place}: {reason}.", hint=hint)
        return _Failure(unreachable, seconds, received=False)

    def _open_transport(self) -> httpx.AsyncBaseTransport:
        """Return what sends requests over the network; raises UnreachableError for a wrong proxy or CA."""
        if not self._loopback:
            self._proxy_variable, self._proxy = _find_proxy(self.base_url)
        if self._proxy and self._proxy.auth:
            # Held, so that they are masked where the proxy echoes them.
            user, password = self._proxy.auth
            encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._proxy_secrets = Secret(password), Secret(encoded)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Loading certificates takes longer than a small seed, and plain http does not need them.
        if self.base_url.startswith("https:") or self._proxy:
            try:
                context = httpx.create_ssl_context()
            except OSError as error:
                reason = "not a file of certificates" if isinstance(error, ssl.SSLError) else error.strerror
                hint = "Set SSL_CERT_FILE to a readable file of certificates in PEM form, or unset it."
                raise UnreachableError(f"SSL_CERT_FILE cannot be used: {reason}.", hint=hint) from None
        limits = httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS)
        return httpx.AsyncHTTPTransport(verify=context, proxy=self._proxy, limits=limits)


def _find_proxy(url: str) -> tuple[str, httpx.Proxy | None]:
    """Return the variable and the proxy for this URL; httpx itself fails with IPv6 in NO_PROXY."""
    target, proxies = httpx.URL(url), getproxies()
    scheme = target.scheme if target.scheme in proxies else "all"
    value = proxies.get(scheme)
    if not value or proxy_bypass(target.host):
        return "", None
    variable = f"{scheme.upper()}_PROXY"
    try:
        # '#' and '?' would end the host in the middle of a password.
        proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
        if not any(char in value for char in "#?\\ ") and proxy.url.scheme in {"http", "https"}:
            return variable, proxy
    except (httpx.InvalidURL, ValueError):
        pass  # reported below, without the value
    hint = "Use http://HOST:PORT. In a user name or password, write special characters as in URLs: # as %23."
    raise UnreachableError(f"{variable} is not the URL of an HTTP proxy.", hint=hint)


async def _read(response: httpx.Response, what: str) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            message = f"{what}: the answer is longer than {MAX_ANSWER_BYTES // 2**20} MiB."
            raise ResponseError(message, hint=WRONG_SERVICE)
    return bytes(content)


def _decode(response: httpx.Response, content: bytes, secrets: Sequence[Secret]) -> Answer:
    """Return the answer; what the service echoes of the call's own secrets is masked."""
    text = content.decode("utf-8", "replace")
    for secret in secrets:
        text = secret.mask(text)
    body, is_json = None, True
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        is_json = False
    return Answer(
        status=response.status_code,
        body=body,
        is_json=is_json,
        detail=error_detail(body) if response.is_error else "",
        code=redact(str(body.get("code", ""))[:100]) if isinstance(body, dict) else "",
        set_cookies=tuple(response.headers.get_list("set-cookie")),
        bearer=Secret(token) if (token := response.headers.get("set-auth-token", "")) else None,
    )


def error_detail(body: object) -> str:
    """Return what a JSON error of any known shape says, in one line without secrets; empty if nothing."""
    if not isinstance(body, dict):
        return ""
    texts: list[object] = []
    for key in ("error", "message", "details", "hint"):
        value = body.get(key)
        texts += value if isinstance(value, list) else [value]
    said = "; ".join(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))
    # Secrets first: they are not recognised after a cut.
    line = " ".join("".join(char if char.isprintable() else " " for char in redact(said)).split())
    return line if len(line) <= MAX_DETAIL_LENGTH else f"{line[:MAX_DETAIL_LENGTH]}…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After (seconds or a date) or X-Retry-After (seconds) asks to wait."""
    for name in ("retry-after", "x-retry-after"):
        with contextlib.suppress(ValueError):
            return max(0.0, float(headers.get(name, "")))
    at = parse_date(headers.get("retry-after", ""))
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at else None


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date; None for any other text."""
    try:
        at = parsedate_to_datetime(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None
