"""One call to the service: sent, retried where that is right, answered or explained; knows no endpoint."""

from __future__ import annotations

import http.cookiejar
import os
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx

from personas.errors import (
    BadAnswer,
    RateLimited,
    ServiceError,
    TooLate,
    Unanswered,
    Unavailable,
    Unreachable,
)
from personas.secret import Secret
from personas.service.calls import Answer, Call, Retry, asked_wait, read_date, reason_of
from personas.service.pacing import Gate

MAX_ANSWER_BYTES = 16 * 1024 * 1024
# What an answer becomes in memory depends on how many values are in it more than on its length.
MAX_ANSWER_VALUES = 1_000_000
LONGEST_PAUSE = 300.0
CLOCKS_AGREE = timedelta(seconds=5)

Observer = Callable[[str, str, int | ServiceError, float], None]
"""Told of each attempt: method, path, status or error, seconds. No header and no body, so no secret."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried.

    Attributes:
        attempts: How often at the most once the service has answered anything.
        first_attempts: How often when nothing was ever answered: a wrong address should be told soon.
        wait_initial: Seconds before the second attempt; doubled for each further one.
        wait_max: The longest wait in seconds that the service did not ask for.
    """

    attempts: int = 8
    first_attempts: int = 3
    wait_initial: float = 0.1
    wait_max: float = 5.0

    def wait(self, made: int) -> float:
        """Seconds to wait after so many attempts; workers that failed together come back apart."""
        longest: float = min(self.wait_max, self.wait_initial * 2 ** (made - 1))
        return longest * random.uniform(0.5, 1.5)  # noqa: S311 - spreads calls, hides nothing


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An attempt that got no usable answer.

    Attributes:
        error: What to raise when it is not tried again.
        sent: Whether the service may have acted on it.
        most: How many attempts are enough to know, where patience alone does not say.
        wait: Seconds that the service asked for; the gate waits for them, for all workers together.
    """

    error: ServiceError
    sent: bool
    most: int = 1000
    wait: float | None = None


class Line:
    """The line to one service: connections, retries, one shared gate, and the counts of what was sent.

    Args:
        url: The base URL.
        loopback: Whether the service is on this machine; then no proxy is asked.
        timeout: Seconds for one attempt, from its start to the last byte.
        concurrency: How many calls at once, at the most.
        app: An ASGI application to call in process instead of a URL.
        patience: How long a call is tried.
        observe: Told of each attempt.
    """

    def __init__(
        self,
        url: str,
        *,
        loopback: bool,
        timeout: float,
        concurrency: int,
        app: Any = None,
        patience: Patience | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.url = url
        self.shown = url if app is None else "the embedded service"
        self.gate = Gate(concurrency)
        self.requests = 0
        self.safety_requests = 0
        self._patience = patience or Patience()
        self._timeout = timeout
        self._observe = observe
        self._answered = False
        self._last_date: tuple[str, datetime] | None = None
        # Loading CA certificates takes longer than a small seed; plain http has no use for them.
        verify = True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            self._client = httpx.AsyncClient(
                base_url=url,
                transport=httpx.ASGITransport(app, raise_app_exceptions=False) if app is not None else None,
                # The whole attempt has the same limit: one that never got a connection is told as such.
                timeout=httpx.Timeout(timeout, connect=0.9 * timeout),
                limits=httpx.Limits(
                    max_connections=concurrency + 2, max_keepalive_connections=concurrency + 2
                ),
                follow_redirects=False,
                trust_env=not loopback,
                verify=verify,
                cookies=_no_cookies(),
                headers={
                    "accept": "application/json",
                    # Packed, a few kilobytes can become gigabytes before anybody has counted them.
                    "accept-encoding": "identity",
                    "user-agent": "personas",
                },
            )
        except (httpx.InvalidURL, ValueError, ImportError, OSError) as error:
            raise Unreachable(f"{self.shown} cannot be used: {error}") from None

    async def __aenter__(self) -> Line:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await self._client.__aexit__()

    @property
    def clock_difference(self) -> timedelta:
        """How far the service's clock is ahead of this one, by its last answer; nothing when none told."""
        told, ours = self._last_date or ("", datetime.now(UTC))
        theirs = read_date(told)
        difference = theirs - ours if theirs is not None else timedelta()
        # It is told in whole seconds, and some servers write it only now and then.
        return difference if abs(difference) > CLOCKS_AGREE else timedelta()

    async def call(self, call: Call) -> Answer:
        """Send a call, again where that is right, until it is answered.

        Returns:
            The answer, whatever its status but 429 and 502 to 504, which were retried.

        Raises:
            Unreachable: No answer, also after retries.
            BadAnswer: An answer too large or broken, or a service that stays busy.
        """
        made, lost = 1, False
        before: ServiceError | None = None
        while isinstance(result := await self._attempt(call), _Trouble):
            if isinstance(result.error, TooLate):
                result.error.held_back_by = before
            if not self._may_repeat(result, call, made):
                result.error.lost = lost
                raise result.error
            before = result.error
            lost = lost or isinstance(result.error, Unanswered)
            if result.wait is None:
                await anyio.sleep(self._patience.wait(made))
            made += 1
        return replace(result, lost=True) if lost else result

    def _may_repeat(self, trouble: _Trouble, call: Call, made: int) -> bool:
        if trouble.sent and call.retry is not Retry.ALWAYS:
            return False
        patience = self._patience
        return made < min(trouble.most, patience.attempts if self._answered else patience.first_attempts)

    async def _attempt(self, call: Call) -> Answer | _Trouble:
        async with self.gate:
            if call.not_after is not None and time.monotonic() > call.not_after:
                return _Trouble(
                    TooLate(f"{call.what}: held back for too long, and not sent"), sent=False, most=1
                )
            self.requests += 1
            self.safety_requests += call.safety
            started = time.monotonic()
            result = await self._exchange(call)
            if self._observe is not None:
                path = f"{call.path}?{urlencode(call.params)}" if call.params else call.path
                told = result.error if isinstance(result, _Trouble) else result.status
                self._observe(call.method, path, told, time.monotonic() - started)
        if isinstance(result, _Trouble):
            return result
        self._answered = True
        if result.status in {429, 502, 503, 504}:
            return self._busy(call, result)
        self.gate.went_well()
        return result

    async def _exchange(self, call: Call) -> Answer | _Trouble:
        headers = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in call.headers.items()
        }
        if call.body is not None:
            headers["content-type"] = "application/json"
        trouble: _Trouble
        try:
            with anyio.fail_after(self._timeout):
                async with self._client.stream(
                    call.method,
                    call.path,
                    params=call.params,
                    headers=headers,
                    content=call.body.reveal().encode() if call.body is not None else None,
                ) as response:
                    return await self._read(call, response)
        except Exception as error:  # noqa: BLE001 - whatever a server can provoke in the library
            trouble = self._explain(call, error)
        # Raised nowhere inside the except clause: the library's frames hold what was sent.
        return trouble

    async def _read(self, call: Call, response: httpx.Response) -> Answer | _Trouble:
        self._last_date = (response.headers.get("date", ""), datetime.now(UTC))
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", ""}:
            return _unusable(call, "the answer is compressed, and that was not asked for")
        parts: list[bytes] = []
        size = values = 0
        async for part in response.aiter_raw():
            size += len(part)
            values += part.count(b",") + part.count(b"[") + part.count(b"{")
            if size > MAX_ANSWER_BYTES:
                return _unusable(call, f"the answer is longer than {MAX_ANSWER_BYTES // 1024 // 1024} MiB")
            if values > MAX_ANSWER_VALUES:
                return _unusable(call, f"the answer has more than {MAX_ANSWER_VALUES:,} values in it")
            parts.append(part)
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            cookies=tuple(response.headers.get_list("set-cookie")),
            content=b"".join(parts),
            secrets=call.secrets,
        )

    def _explain(self, call: Call, error: Exception) -> _Trouble:
        """Foreign exceptions become ours, in words; the one place that knows them."""
        match error:
            case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
                return self._unreached(tuple(_causes(error)))
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                told = f"no connection to {self.shown} within {self._timeout:g} s"
                return _Trouble(Unreachable(told, hint=_IS_IT_RUNNING), sent=False, most=2)
            case httpx.TimeoutException() | TimeoutError():
                told = f"{call.what}: no whole answer from {self.shown} within {self._timeout:g} s"
                return _Trouble(Unanswered(told, hint=_MORE_TIME), sent=True, most=2)
            case httpx.HTTPError() | httpx.StreamError() | OSError():
                told = f"{call.what}: the connection to {self.shown} broke before a whole answer came"
                return _Trouble(Unanswered(told), sent=True)
        return _unusable(call, f"the answer cannot be read ({type(error).__name__})")

    def _unreached(self, causes: tuple[BaseException, ...]) -> _Trouble:
        reason, hint = "", _IS_IT_RUNNING
        for cause in causes:
            match cause:
                case ssl.SSLError():
                    why = getattr(cause, "verify_message", "") or getattr(cause, "reason", "")
                    why = (why or "handshake failed").replace("_", " ").lower()
                    told = f"no secure connection to {self.shown}: {why}"
                    return _Trouble(Unreachable(told, hint=_IS_IT_HTTPS), sent=False, most=1)
                case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.ProxyError():
                    told = f"{self.shown} cannot be reached: {cause}"
                    return _Trouble(Unreachable(told, hint=_IS_IT_RIGHT), sent=False, most=1)
                case socket.gaierror():
                    reason, hint = "the host name is not known", _IS_THERE_DNS
                    break
                case OSError(errno=int() as number) if number and not reason:
                    reason = os.strerror(number).lower()
        told = f"nothing answers at {self.shown}: {reason or 'no connection'}"
        return _Trouble(Unreachable(told, hint=hint), sent=False)

    def _busy(self, call: Call, answer: Answer) -> _Trouble:
        limited = answer.status == 429
        wait = asked_wait(answer)
        if wait is None and limited:
            wait = 1.0
        status = f"(HTTP {answer.status}){reason_of(answer, call.secrets)}"
        hint = "Run the same command again later: what is done already is found done."
        error: ServiceError
        if limited:
            error = RateLimited(f"{call.what}: the service asks for fewer calls {status}", hint=hint)
        elif answer.status == 503:
            error = Unavailable(f"{call.what}: the service is not available {status}", hint=hint)
        else:
            # What a gateway says tells nothing of what the service behind it has done.
            error = Unanswered(f"{call.what}: the gateway got no answer from the service {status}", hint=hint)
        if wait is not None and wait > LONGEST_PAUSE:
            error.message = f"{call.what}: the service asks to wait {wait:.0f} s {status}"
            return _Trouble(error, sent=not limited, most=1)
        self.gate.pause(self._patience.wait_initial if wait is None else wait)
        return _Trouble(error, sent=not limited, wait=wait)


_IS_IT_RUNNING = "Start it there; to try without a service: personas seed --auth embedded"
_IS_IT_RIGHT = "Check --auth and the proxy's variables."
_IS_IT_HTTPS = "Is it https there, and is its certificate known here (SSL_CERT_FILE)?"
_IS_THERE_DNS = "Check --auth (MANA_AUTH_URL), and that this machine's name server answers."
_MORE_TIME = "Give it more time with --timeout, or ask for less at once with --concurrency."
_NOT_AN_AUTH_SERVICE = "Is there really an auth service at --auth (MANA_AUTH_URL)?"


def _unusable(call: Call, why: str) -> _Trouble:
    return _Trouble(BadAnswer(f"{call.what}: {why}", hint=_NOT_AN_AUTH_SERVICE), sent=True, most=1)


def _causes(error: BaseException) -> Iterable[BaseException]:
    """An exception and everything that led to it, groups opened."""
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


def _no_cookies() -> http.cookiejar.CookieJar:
    """A jar that keeps nothing: one persona's session must not travel with another's call."""
    return http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
