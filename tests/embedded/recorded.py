"""Sequences of recorded calls, made again: every answer beside the one that the original service gave.

A sequence is one run against an empty service; `Replay` makes its calls against an embedded one and compares
status, content type, body and the recorded headers. Chance (ids, times, tokens) is compared by form.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import jwt
import sqlalchemy as sa
from conftest import as_new
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from personas.embedded import schema

from .client import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.cookies import Morsel

    from personas.embedded import Embedded

FOLDER = Path(__file__).parent.parent / "data" / "recorded"
SEQUENCES = tuple(sorted(file.stem for file in FOLDER.glob("*.json")))
BASE_URL = "http://localhost:3001"  # where the original was recorded
SERVICE_KEY = "dev-service-key"
USER_AGENT = "differential/1"

FORMS = {
    "<id>": re.compile(r"[\w-]{8,}"),
    "<token of 32>": re.compile(r"[A-Za-z0-9]{32}"),
    "<jwt>": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
    "<some>": re.compile(r".+"),
    "<random>": re.compile(r"[a-z0-9]+"),
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LATER = re.compile(r"<now(?:\+([\d.]+)h)?>")
CORS = (
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
)


class Answer(BaseModel):
    """A recorded answer; headers other than the content type stand beside it under their own names."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: int
    content_type: str = Field(alias="content-type")
    body: Any


class Step(BaseModel):
    """One recorded call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: str
    note: str = ""
    sent: dict[str, str] = {}
    body: Any = Field(default=None, alias="json")
    raw: str | None = None
    save: dict[str, str] = {}
    unordered: tuple[str, ...] = ()
    only: str = ""
    answer: Answer

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.call.partition(" ")[2]


class Difference(NamedTuple):
    """A step that was answered in another way than recorded."""

    number: int
    step: Step
    status: int
    body: Any
    how: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.number} {self.step.call[:100]} ({self.step.note[:60]}): {'; '.join(self.how)[:600]}"


def load(sequence: str) -> list[Step]:
    """The steps of a sequence."""
    return TypeAdapter(list[Step]).validate_json((FOLDER / f"{sequence}.json").read_text(encoding="utf-8"))


class TickingClock(Clock):
    """A clock that goes on by a millisecond whenever it is asked, so that newest-first has one answer."""

    def __call__(self) -> dt.datetime:
        self.advance(milliseconds=1)
        return super().__call__()


class Replay:
    """One run of a sequence against one embedded service that nobody has used.

    Attributes:
        differences: The steps whose answers differ.
    """

    def __init__(self, sequence: str, embedded: Embedded) -> None:
        self._steps = load(sequence)
        self._embedded = embedded
        self.differences: list[Difference] = []
        self._saved = self._begin()

    def _begin(self) -> dict[str, str]:
        """What the recording knew before its first call: an admin's token, and tokens that are none."""
        service = self._embedded._service
        query = sa.select(schema.users).where(schema.users.c.role == "admin")
        admin = service.database.read(lambda connection: connection.execute(query).one())
        right = self._embedded.admin_token()
        head, payload, signature = right.split(".")
        claims = jwt.decode(right, options={"verify_signature": False})
        header = jwt.get_unverified_header(right)
        long_ago = service.now() - dt.timedelta(hours=1)
        past = service.signer.sign(
            {key: claims[key] for key in ("sub", "email", "role", "sid", "tier")},
            issuer=service.base_url,
            now=long_ago,
        )
        return {
            "admin": right,
            "admin_id": admin.id,
            "admin_mail": admin.email,
            "cut": right[:-10],
            "tampered": f"{head}.{payload[:-2]}{'AA' if payload[-2:] != 'AA' else 'BB'}.{signature}",
            "expired": past,
            "none": jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"]}),
            "hs": jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": header["kid"]}),
            "kidless": f"{_encode({'alg': 'EdDSA'})}.{payload}.{signature}",
            "otherkid": f"{_encode({'alg': 'EdDSA', 'kid': 'another'})}.{payload}.{signature}",
        }

    async def run(self, client: httpx.AsyncClient) -> None:
        """Make every call, one after the other."""
        for number, step in enumerate(self._steps):
            answer = await client.send(self._request(client, step))
            client.cookies.clear()
            self._save(step, answer)
            body = _body(answer)
            how = tuple(self._compare(step, answer, body))
            if how:
                self.differences.append(Difference(number, step, answer.status_code, body, how))

    # --- the request ----------------------------------------------------------------------------------------

    def _request(self, client: httpx.AsyncClient, step: Step) -> httpx.Request:
        own = self._embedded.base_url
        content = None
        headers = {"user-agent": USER_AGENT}
        if step.raw is not None:
            content = self._fill(step.raw)
        elif "body" in step.model_fields_set:
            content = self._fill(json.dumps(step.body))
        if content is not None:
            headers["content-type"] = "application/json"
        if step.path.startswith("/api/auth"):
            headers["origin"] = own
        for name, value in step.sent.items():
            if name == "by":
                headers["authorization"] = f"Bearer {self._saved.get(value, value)}"
            elif name == "session":
                headers["cookie"] = self._saved.get(f"cookie_{value}", value)
            elif value == "None":
                headers.pop(name, None)
            else:
                headers[name] = self._fill(value).replace(BASE_URL, own)
        if "cookie" in step.sent or "session" in step.sent:
            headers.setdefault("origin", own)
            if step.sent.get("origin") == "None":
                del headers["origin"]
        return client.build_request(
            step.method, own + self._fill(step.path), content=content, headers=headers
        )

    def _fill(self, text: str) -> str:
        return re.sub(r"\$(\w+)\$", lambda found: self._saved.get(found[1], found[0]), text)

    # --- the answer -----------------------------------------------------------------------------------------

    def _save(self, step: Step, answer: httpx.Response) -> None:
        for name, path in step.save.items():
            if path == "cookie":
                found = next(_cookies(answer, "mana.session_token"), None)
                if found is not None:
                    self._saved[name] = f"{found.key}={found.coded_value}"
                continue
            value = _body(answer)
            with suppress(LookupError, TypeError):
                for part in path.split("."):
                    value = value[int(part) if part.isdecimal() else part]
                self._saved[name] = value

    def _compare(self, step: Step, answer: httpx.Response, body: Any) -> Iterator[str]:
        recorded = step.answer
        if answer.status_code != recorded.status:
            yield f"status {answer.status_code} instead of {recorded.status}"
        content_type = answer.headers.get("content-type", "").lower().replace("; ", ";")
        if content_type != recorded.content_type:
            yield f"content type {content_type!r} instead of {recorded.content_type!r}"
        shown = self._shown(recorded.body, body) if step.only else body
        yield from self._differences(recorded.body, shown, "$", step.unordered)
        headers = recorded.model_extra or {}
        yield from _compare_cookies(headers.get("set-cookie", []), answer)
        names = {*headers, *(CORS if any(name in headers for name in CORS) else ())} - {"set-cookie"}
        for name in sorted(names):
            if answer.headers.get(name) != headers.get(name):
                yield f"{name}: {answer.headers.get(name)} instead of {headers.get(name)}"

    def _shown(self, recorded: Any, body: Any) -> Any:
        """The part of a body that the recording shows: not the admins, or emails alone, or some keys."""
        if not isinstance(body, dict) or "users" not in body:
            return body
        users = body["users"]
        if isinstance(recorded, list):
            return sorted(user["email"] for user in users if user["role"] != "admin")
        if "<admin>" not in recorded.get("users", ()):
            users = [user for user in users if user["role"] != "admin"]
        return {key: value for key, value in {**body, "users": users}.items() if key in recorded}

    def _differences(
        self, recorded: Any, actual: Any, place: str, unordered: tuple[str, ...]
    ) -> Iterator[str]:
        if isinstance(recorded, dict) and isinstance(actual, dict):
            for extra in sorted(actual.keys() - recorded.keys()):
                yield f"{place}.{extra} is there: {actual[extra]!r}"
            for key, value in recorded.items():
                if key in actual:
                    yield from self._differences(value, actual[key], f"{place}.{key}", unordered)
                else:
                    yield f"{place}.{key} is missing"
        elif isinstance(recorded, list) and isinstance(actual, list):
            yield from self._compare_lists(recorded, actual, place, unordered)
        elif not self._matches(recorded, actual):
            yield f"{place}: {actual!r} instead of {recorded!r}"

    def _compare_lists(
        self, recorded: list[Any], actual: list[Any], place: str, unordered: tuple[str, ...]
    ) -> Iterator[str]:
        if len(recorded) != len(actual):
            yield f"{place} has {len(actual)} items instead of {len(recorded)}: {actual!r}"
            return
        left = list(actual)
        for index, value in enumerate(recorded):
            choices = left if place[2:] in unordered else left[:1]
            found = [[*self._differences(value, one, f"{place}.{index}", ())] for one in choices]
            best = min(range(len(found)), key=lambda choice: len(found[choice]))
            yield from found[best]
            del left[best]

    def _matches(self, recorded: Any, actual: Any) -> bool:
        if recorded == "<any>":
            return True
        if recorded == "<half an hour>":
            return isinstance(actual, int) and 0 < actual <= 1800
        if recorded == "<admin>":
            return isinstance(actual, dict) and actual.get("role") == "admin"
        if isinstance(recorded, str) and isinstance(actual, str):
            later = LATER.fullmatch(recorded)
            if later is not None:
                return self._is_near(actual, float(later[1] or 0))
            is_pattern = "<" in recorded
            return self._pattern(recorded).fullmatch(actual) is not None if is_pattern else recorded == actual
        return type(recorded) is type(actual) and bool(recorded == actual)

    def _is_near(self, text: str, hours: float) -> bool:
        if MOMENT.fullmatch(text) is None:
            return False
        expected = self._embedded._service.now() + dt.timedelta(hours=hours)
        return abs(dt.datetime.fromisoformat(text) - expected) < dt.timedelta(minutes=5)

    def _pattern(self, recorded: str) -> re.Pattern[str]:
        """A recorded text with what chance made in it, as a pattern of what may stand there."""
        parts = []
        for part in re.split(r"(<[^<>]+>)", recorded):
            form = FORMS.get(part)
            if form is not None:
                parts.append(form.pattern)
            elif part[1:-1] in self._saved:
                parts.append(re.escape(str(self._saved[part[1:-1]])))
            else:
                parts.append(re.escape(part))
        return re.compile("".join(parts), re.DOTALL)


def _encode(value: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _body(answer: httpx.Response) -> Any:
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    return answer.json() if is_json and answer.content else answer.text


def _cookies(answer: httpx.Response, name: str | None = None) -> Iterator[Morsel[str]]:
    for header in answer.headers.get_list("set-cookie"):
        for morsel in SimpleCookie(header).values():
            if name in (None, morsel.key):
                yield morsel


def _compare_cookies(recorded: list[dict[str, str]], answer: httpx.Response) -> Iterator[str]:
    """Names and attributes of the cookies that are set, in any order."""
    actual = []
    for morsel in _cookies(answer):
        attributes = {
            key: str(value) if value is not True else "" for key, value in morsel.items() if value != ""
        }
        value = "<some>" if morsel.value else "<empty>"
        actual.append({"name": morsel.key, "value": value, **attributes})
    expected = sorted(recorded, key=lambda cookie: cookie["name"])
    if sorted(actual, key=lambda cookie: cookie["name"]) != expected:
        yield f"set-cookie {actual} instead of {expected}"


async def replay(
    sequence: str, embedded: Embedded, *, app: Any = None, on_a_port: bool = False
) -> list[Difference]:
    """Run a sequence in process, where `app` may stand in for the service's own, or where it is served."""
    in_process = httpx.ASGITransport(app or embedded.app, client=("127.0.0.1", 50000))
    run = Replay(sequence, embedded)
    async with httpx.AsyncClient(transport=None if on_a_port else in_process) as client:
        await run.run(client)
    return run.differences


def as_recorded(standing: Embedded) -> Embedded:
    """An open service as the recordings were made with, on its first day."""
    return as_new(standing, now=TickingClock(), base_url=BASE_URL, service_key=SERVICE_KEY)
