"""Replays recorded exchanges: the same requests in the same order, the answers compared by form."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from personas.embedded import schema

if TYPE_CHECKING:
    import httpx

    from personas.embedded import Embedded

FILE = Path(__file__).parent.parent / "data" / "exchanges.json"
EXCHANGES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
RECORDED = {exchange["name"]: exchange for exchange in EXCHANGES}

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOKEN = re.compile(r"[A-Za-z0-9]{32}")
JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
ID_KEYS = {"id", "userId", "personaId", "organizationId", "inviterId", "deleted", "kid", "x", "sub", "sid"}
SERVICE_KEY = "the runner's key"


class Replay:
    """One run of all exchanges against one service; `answers` has every answer by the exchange's name."""

    def __init__(self, embedded: Embedded, client: httpx.AsyncClient) -> None:
        self.answers: dict[str, httpx.Response] = {}
        self._embedded = embedded
        self._client = client
        self._ids: dict[str, str] = {}
        self._cookies: dict[str, str] = {}

    async def run(self) -> None:
        """Make every call, and between them what the recording did beside them."""
        self._ids[RECORDED["delete-human-refused"]["request"]["path"].rpartition("/")[2]] = self._admin_id()
        for exchange in EXCHANGES:
            if "request" not in exchange:
                continue
            name = exchange["name"]
            if name == "list-with-actions":
                self._add_activity()
            if name == "login-unverified":
                await self._sign_up_human()
            if name == "org-list-own":
                await self._sign_in_both()
            answer = await self._call(name, exchange["request"])
            self.answers[name] = answer
            self._learn(exchange["response"]["body"], _body(answer))

    async def _call(self, name: str, request: dict[str, Any]) -> httpx.Response:
        headers = {"origin": self._embedded.base_url}
        who = request["authorization"]
        if who == "admin JWT":
            headers["authorization"] = f"Bearer {self._embedded.admin_token()}"
        elif name == "non-admin":
            headers["authorization"] = f"Bearer {self.answers['login-persona'].json()['accessToken']}"
        elif who == "other":
            headers["authorization"] = "Bearer not.a.token"
        cookie = self._cookie(name)
        if cookie:
            headers["cookie"] = cookie
        options: dict[str, Any] = {
            key: request[key] for key in ("params", "json", "content") if key in request
        }
        translated = self._translate(options)
        path = self._translate(request["path"])
        return await self._client.request(request["method"], str(path), headers=headers, **translated)

    def _cookie(self, name: str) -> str | None:
        if name == "token-from-session":
            return str(self.answers["signin-cookie"].headers["set-cookie"]).partition(";")[0]
        if name in ("org-user-invitations", "org-accept"):
            return self._cookies["persona.bo@mana.test"]
        if name.startswith("org-") and name != "org-no-session":
            return self._cookies["persona.ada@mana.test"]
        return None

    async def _sign_in_both(self) -> None:
        for name in ("upsert-creates", "upsert-creates-2"):
            sent = RECORDED[name]["request"]["json"]
            body = {"email": sent["email"], "password": sent["password"]}
            self._client.cookies.clear()
            answer = await self._client.post("/api/auth/sign-in/email", json=body)
            self._cookies[sent["email"]] = answer.headers["set-cookie"].partition(";")[0]
        self._client.cookies.clear()

    async def _sign_up_human(self) -> None:
        body = {"email": "human@mana.test", "password": "humanpass123", "name": "Real Human"}
        answer = await self._client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 200

    def _admin_id(self) -> str:
        query = sa.select(schema.users.c.id).where(schema.users.c.role == "admin")
        found = self._embedded._service.database.read(lambda connection: connection.scalar(query))
        assert isinstance(found, str)
        return found

    def _add_activity(self) -> None:
        """The recording put its actions and ratings into the database directly."""
        recorded = RECORDED["detail-with-activity"]["response"]["body"]["recentActions"]
        now = dt.datetime.now(dt.UTC)
        persona = self._ids[recorded[0]["personaId"]]
        actions = [
            {
                "id": action["id"],
                "persona_id": persona,
                "tick_id": action["tickId"],
                "tool_name": action["toolName"],
                "input_hash": action["inputHash"],
                "result": action["result"],
                "error_message": action["errorMessage"],
                "latency_ms": action["latencyMs"],
                "created_at": now - dt.timedelta(days=5 * days),
            }
            for days, action in enumerate(recorded)
        ]
        ratings = [
            {
                "id": f"t1-{module}-{rating}",
                "persona_id": persona,
                "tick_id": "t1",
                "module": module,
                "rating": rating,
                "created_at": now,
            }
            for module, rating in (("todo", 4), ("todo", 2), ("notes", 5))
        ]

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(schema.persona_actions), actions)
            connection.execute(sa.insert(schema.persona_feedback), ratings)

        self._embedded._service.database.write(work)

    def _learn(self, recorded: object, actual: object, key: str = "") -> None:
        """Remember which of our ids stands for which recorded one."""
        if isinstance(recorded, dict) and isinstance(actual, dict):
            for name, value in recorded.items():
                self._learn(value, actual.get(name), name)
        elif isinstance(recorded, list) and isinstance(actual, list):
            for ours, theirs in zip(actual, recorded, strict=False):
                self._learn(theirs, ours)
        elif key in ID_KEYS and isinstance(recorded, str) and isinstance(actual, str):
            self._ids.setdefault(recorded, actual)

    def _translate(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._translate(each) for key, each in value.items()}
        if isinstance(value, str):
            for recorded, ours in self._ids.items():
                value = value.replace(recorded, ours)
        return value

    def differences(self, name: str, recorded: dict[str, Any]) -> list[str]:
        """How the answer to an exchange differs in form from this recorded one."""
        answer = self.answers[name]
        found = []
        if answer.status_code != recorded["status"]:
            found.append(f"status {answer.status_code} instead of {recorded['status']}")
        for header, value in recorded["headers"].items():
            pattern = re.escape(value).replace("<signed\\-session\\-token>", r"[A-Za-z0-9]{32}\.[\w%]+")
            if not re.fullmatch(pattern, answer.headers.get(header, "")):
                found.append(f"{header}: {answer.headers.get(header)} instead of {value}")
        return found + self._compare(recorded["body"], _body(answer), "$", name)

    def _compare(self, recorded: Any, actual: Any, place: str, name: str) -> list[str]:
        key = place.rpartition(".")[2]
        if isinstance(recorded, dict) and isinstance(actual, dict):
            found = [f"{place}.{extra} is there" for extra in actual.keys() - recorded.keys()]
            for part, value in recorded.items():
                if part in actual:
                    found += self._compare(value, actual[part], f"{place}.{part}", name)
                else:
                    found.append(f"{place}.{part} is missing")
            return found
        if isinstance(recorded, list) and isinstance(actual, list) and len(recorded) == len(actual):
            return [
                found
                for index, (theirs, ours) in enumerate(zip(recorded, actual, strict=True))
                for found in self._compare(theirs, ours, f"{place}[{index}]", name)
            ]
        if self._is_alike(recorded, actual, key, name):
            return []
        return [f"{place} is {actual!r} instead of {recorded!r}"]

    def _is_alike(self, recorded: Any, actual: Any, key: str, name: str) -> bool:
        if isinstance(recorded, str) and isinstance(actual, str):
            if recorded == "<jwt>" or (name == "token-from-session" and key == "token"):
                return JWT.fullmatch(actual) is not None
            if recorded == "<session-token>":
                return TOKEN.fullmatch(actual) is not None
            if MOMENT.fullmatch(recorded):
                return MOMENT.fullmatch(actual) is not None
            if key in ID_KEYS:
                return self._ids.get(recorded, recorded) == actual and len(recorded) == len(actual)
        return type(recorded) is type(actual) and bool(recorded == actual)


def _body(answer: httpx.Response) -> Any:
    is_json = answer.headers.get("content-type") == "application/json"
    return answer.json() if is_json else answer.text


def decode_jwt(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not verified."""
    header, payload, _ = token.split(".")
    parts = [
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, payload)
    ]
    return parts[0], parts[1]
