"""HTTP for all services: one `request` with retries, one pause for all workers, and errors in words."""

from __future__ import annotations

import http.cookiejar
import itertools
import random
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from personas.errors import (
    NoResponseError,
    RateLimitedError,
    ResponseError,
    ServiceError,
    UnreachableError,
)
from personas.redact import Secret, redact
from personas.services.answers import read_answer, retry_after
from personas.services.base import RequestObserver, WaitObserver
from personas.services.models import Answer

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_CONNECT_SECONDS = 10.0
# Servers close idle connections after 5 s and more; a request on a connection that just closed is lost.
KEEP_ALIVE_SECONDS = 3.0

WRONG_SERVICE = "Check --auth (MANA_AUTH_URL) and --endpoint."
_WRONG_ADDRESS = "Check --auth (MANA_AUTH_URL), and that the service is running."
_RATE_LIMITED = "Run again later; finished work is skipped."


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call is repeated; times in seconds.

    Attributes:
        attempts: How often a call is sent at most.
        first_wait: The wait before the second attempt; doubled for each further one.
        max_wait: The longest wait that the service did not ask for.
        connect: How long to try while there is no connection.
        total: How long to try in all, waits included.
    """

    attempts: int = 8
    first_wait: float = 0.1
    max_wait: float = 5.0
    connect: float = 3.0
    total: float = 60.0

    def wait(self, attempt: int) -> float:
        """Return the wait after this attempt (from 1); random, so that workers do not return together."""
        longest: float = min(self.max_wait, self.first_wait * 2 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads requests, protects nothing


DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt without a usable answer.

    Attributes:
        error: What to raise if the call is not repeated.
        received: Whether the service may have received the request.
        seconds: How long to repeat the call; 0 for not at all.
        shared: Whether all workers must wait.
        wait: The wait that the service asked for.
    """

    error: ServiceError
    received: bool
    seconds: float
    shared: bool = False
    wait: float | None = None
    answered: bool = False


class HttpClient:
    """A connection to one service; use it as an async context manager, also more than once.

    Args:
        base_url: The service's URL.
        loopback: Whether the service is on this machine; then no proxy is used.
        timeout: Seconds for one attempt, from its start to the last byte.
        concurrency: How many requests to send at once.
        app: An ASGI application to call in this process instead of the URL.
        observe: Called after each attempt.
        on_wait: Called when all requests wait because the service asked for it.
        retry: How long a call is repeated.
    """

    def __init__(
        self,
        base_url: str,
        *,
        loopback: bool,
        timeout: float,
        concurrency: int,
        app: Any = None,
        observe: RequestObserver | None = None,
        on_wait: WaitObserver | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
    ) -> None:
        self.base_url = base_url
        self.requests = 0
        self._shown = base_url if app is None else "the embedded service"
        self._loopback = loopback
        self._timeout = timeout
        self._concurrency = concurrency
        self._app = app
        self._observe = observe
        self._on_wait = on_wait
        self._retry = retry
        self._resume_at = 0.0
        self._proxy = ""
        self._client: httpx.AsyncClient
        self._slots: anyio.CapacityLimiter

    async def __aenter__(self) -> Self:
        self._slots = anyio.CapacityLimiter(self._concurrency)
        connect = min(self._timeout, MAX_CONNECT_SECONDS)
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            transport=self._transport(),
            timeout=httpx.Timeout(self._timeout, connect=connect, pool=None),
            # The transport knows proxy and certificates; nothing else of the environment applies.
            trust_env=False,
            # One account's session must not travel with another account's call.
            cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[])),
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": "personas",
            },
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
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        bearer: Secret | None = None,
        cookie: Secret | None = None,
        origin: str | None = None,
        secrets: Sequence[Secret] = (),
        repeat: bool = True,
    ) -> Answer:
        """Send a request, again after a failure, until it is answered.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            what: What the call does, for errors: `creating persona.ada@mana.test`.
            params: The query.
            body: The JSON body.
            bearer: The token of an Authorization header.
            cookie: The value of a Cookie header.
            origin: The value of an Origin header.
            secrets: What else is sent and must not appear in an answer.
            repeat: Whether to send it again when the service may have received it.

        Returns:
            The answer, whatever its status, except redirects, 429 and 502 to 504.

        Raises:
            UnreachableError: There is no connection.
            NoResponseError: The request was sent, but there is no answer.
            RateLimitedError: The service still answers 429.
            ResponseError: A redirect, or an answer that cannot be read.
        """
        headers = {"origin": origin} if origin else {}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.reveal()}"
        if cookie is not None:
            headers["cookie"] = cookie.reveal()
        request = self._client.build_request(
            method, path.lstrip("/"), params=params, json=body, headers=headers
        )
        sent = tuple(secret for secret in (bearer, cookie, *secrets) if secret is not None)
        started = 0.0
        lost = server_error = False
        for attempt in itertools.count(1):
            async with self._slots:
                await self._wait_for_pause()
                started = started or time.monotonic()
                left = self._retry.total - (time.monotonic() - started)
                result = await self._attempt(request, what, sent, min(self._timeout, max(left, 1.0)))
            if isinstance(result, Answer):
                return replace(result, retried=lost, server_error=server_error)
            lost = lost or (result.received and not result.answered)
            server_error = server_error or (result.received and result.answered)
            wait = self._retry.wait(attempt) if result.wait is None else result.wait
            late = time.monotonic() - started + wait > result.seconds
            if late or attempt >= self._retry.attempts or (result.received and not repeat):
                result.error.maybe_applied = method != "GET" and (lost or server_error)
                raise result.error
            if result.shared:
                self._pause(wait, result.error.message)
            else:
                await anyio.sleep(wait)
        raise AssertionError("the loop ends with an answer or an error")

    async def _wait_for_pause(self) -> None:
        # A loop, because other workers can extend the pause meanwhile.
        while (seconds := self._resume_at - time.monotonic()) > 0:  # noqa: ASYNC110 - the time is known
            await anyio.sleep(seconds)

    def _pause(self, seconds: float, reason: str) -> None:
        """Let all requests wait; those that are refused at the same time announce it once."""
        now = time.monotonic()
        if self._on_wait is not None and self._resume_at <= now:
            self._on_wait(seconds, reason)
        self._resume_at = max(self._resume_at, now + seconds)

    async def _attempt(
        self, request: httpx.Request, what: str, secrets: Sequence[Secret], seconds: float
    ) -> Answer | _Failure:
        self.requests += 1
        started = time.monotonic()
        result: Answer | _Failure
        status = 0
        try:
            with anyio.fail_after(seconds):
                response = await self._client.send(request, stream=True)
                status = response.status_code
                try:
                    content = await _read(response)
                finally:
                    await response.aclose()
            result = self._examine(response, content, what, secrets)
        except Exception as error:  # noqa: BLE001 - servers provoke many kinds in the library
            result = self._explain(error, what, seconds)
        # Raised by the caller, outside the except clause: the library's frames hold what was sent.
        if self._observe is not None:
            shown = status if isinstance(result, Answer) or result.answered else result.error
            path = request.url.raw_path.decode("ascii")
            self._observe(request.method, path, shown, time.monotonic() - started)
        return result

    def _examine(
        self, response: httpx.Response, content: bytes | None, what: str, secrets: Sequence[Secret]
    ) -> Answer | _Failure:
        """Return the answer, or the failure that its status means."""
        status = response.status_code
        if content is None:
            return _unusable(f"{what}: the answer is longer than {MAX_ANSWER_BYTES // 2**20} MiB.")
        if 300 <= status < 400:
            return _unusable(
                f"{what}: the service redirects (HTTP {status}), and redirects are not followed.",
                hint="Give the final address with --auth (MANA_AUTH_URL).",
            )
        answer = read_answer(status, content, secrets, response.headers.get_list("set-cookie"))
        if status not in {429, 502, 503, 504}:
            return answer
        wait = retry_after(response.headers)
        reason = f"HTTP {status}{': ' if answer.detail else ''}{answer.detail}"
        total = self._retry.total
        if status == 429:
            asked = "" if wait is None else f", which asks to wait {wait:.0f} s"
            limited = RateLimitedError(f"{what}: rate limited{asked} ({reason}).", hint=_RATE_LIMITED)
            return _Failure(limited, received=False, seconds=total, shared=True, wait=wait, answered=True)
        busy = NoResponseError(f"{what}: the service is not available ({reason}).", hint=_RATE_LIMITED)
        return _Failure(busy, received=True, seconds=total, shared=status == 503, wait=wait, answered=True)

    def _explain(self, error: Exception, what: str, seconds: float) -> _Failure:
        """Return what an exception of the library means."""
        lost = f"{what}: the connection to {self._shown} broke before a complete answer arrived."
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
                return self._not_connected(error)
            case httpx.TimeoutException() | TimeoutError():
                lost = f"{what}: no complete answer from {self._shown} within {seconds:.3g} s."
                slow = NoResponseError(lost, hint="Allow more time with --timeout.")
                return _Failure(slow, received=True, seconds=self._retry.total)
            case httpx.DecodingError() | httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
                return _unusable(f"{what}: the answer cannot be read ({type(error).__name__}).")
            case httpx.HTTPError() | httpx.StreamError() | OSError():
                return _Failure(NoResponseError(lost), received=True, seconds=self._retry.total)
        return _unusable(f"{what}: the answer cannot be read ({type(error).__name__}).")

    def _not_connected(self, error: Exception) -> _Failure:
        causes = list(_causes(error))
        place = f"the proxy {self._proxy}" if self._proxy else self._shown
        hint = f"Check {self._proxy.partition('(')[2].rstrip(')')}." if self._proxy else _WRONG_ADDRESS
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                detail = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
                reason = f"Cannot connect to {self._shown}: TLS: {detail.replace('_', ' ').lower()}."
                hint = (
                    "Check that the address is https, and that SSL_CERT_FILE has its certificate authority."
                )
                return _Failure(UnreachableError(reason, hint=hint), received=False, seconds=0)
            if isinstance(cause, socket.gaierror):
                reason = "the host name is unknown"
                break
        else:
            reason = next((c.strerror.lower() for c in causes if isinstance(c, OSError) and c.strerror), "")
        if isinstance(error, httpx.ProxyError):
            # The proxy answered, and refused: 407, or a host that it does not allow.
            reason = redact(str(error))
        elif isinstance(error, httpx.ConnectTimeout):
            reason = "no connection in time"
        message = f"Cannot connect to {place}: {reason or 'no connection'}."
        return _Failure(UnreachableError(message, hint=hint), received=False, seconds=self._retry.connect)

    def _transport(self) -> httpx.AsyncBaseTransport:
        if self._app is not None:
            return httpx.ASGITransport(self._app, raise_app_exceptions=False)
        variable, proxy = ("", None) if self._loopback else _find_proxy(self.base_url)
        self._proxy = f"{proxy.url.host}:{proxy.url.port or 80} ({variable})" if proxy else ""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Loading certificates takes longer than a small seed, and plain http does not need them.
        if self.base_url.startswith("https:") or proxy is not None:
            try:
                context = httpx.create_ssl_context()
            except OSError as error:
                raise UnreachableError(
                    f"SSL_CERT_FILE cannot be used: {(error.strerror or 'not a certificate file').lower()}.",
                    hint="Set SSL_CERT_FILE to a readable file of certificates in PEM form, or unset it.",
                ) from None
        limits = httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS)
        try:
            return httpx.AsyncHTTPTransport(verify=context, proxy=proxy, limits=limits)
        except (ImportError, ValueError):
            raise _bad_proxy(variable) from None


async def _read(response: httpx.Response) -> bytes | None:
    """Return the content; None if it is too long."""
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            return None
    return bytes(content)


def _unusable(message: str, *, hint: str = WRONG_SERVICE) -> _Failure:
    return _Failure(ResponseError(message, hint=hint), received=True, seconds=0)


def _find_proxy(url: str) -> tuple[str, httpx.Proxy | None]:
    """Return the variable of the proxy for this URL, and the proxy.

    The standard library decides, because httpx does not accept IPv6 addresses in NO_PROXY.
    """
    target = httpx.URL(url)
    proxies = getproxies()
    scheme = target.scheme if target.scheme in proxies else "all"
    value = proxies.get(scheme)
    if not value or proxy_bypass(target.host):
        return "", None
    variable = f"{scheme.upper()}_PROXY"
    # '#' and '?' end the host: httpx would take a part of the password for the port.
    if any(char in value for char in "#? \\"):
        raise _bad_proxy(variable)
    try:
        return variable, httpx.Proxy(value if "://" in value else f"http://{value}")
    except (httpx.InvalidURL, ValueError):
        raise _bad_proxy(variable) from None


def _bad_proxy(variable: str) -> UnreachableError:
    return UnreachableError(
        f"{variable} is not the URL of a proxy that can be used.",
        hint="Use http://HOST:PORT; write special characters of a password as in URLs, # as %23.",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that led to it, also inside groups."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
