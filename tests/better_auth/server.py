"""A Better Auth with its admin plugin, as far as the service uses it.

Every refusal is a recorded answer, and a test replays the recordings: it forgives nothing that they do not.
A call that the service never makes is an error in the test.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

FILE = Path(__file__).parents[1] / "data" / "better_auth" / "exchanges.json"
URL = "http://localhost:4400"
ADMIN = "admin@example.test"
ADMIN_PASSWORD = "the-password-of-the-admin"
BUILT_IN = ("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "role", "banned")
DESCRIPTORS = ("archetype", "systemPrompt", "moduleMix", "tickCadence")
RIGHTS = {"create", "list", "get", "update", "set-password", "delete", "set-email", "set-role", "revoke"}

User = dict[str, Any]
Query = dict[str, list[str]]


@cache
def _exchanges() -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(FILE.read_text("utf-8"))}


def recorded(name: str) -> tuple[dict[str, Any], httpx.Response]:
    """Return a recorded request, and the answer of Better Auth."""
    exchange = _exchanges()[name]
    answer = exchange["response"]
    # A header that was sent twice has a list.
    sent = [(name, [value] if isinstance(value, str) else value) for name, value in answer["headers"].items()]
    headers = [(name, text) for name, values in sent for text in values]
    content = "" if answer["body"] == "" else json.dumps(answer["body"])
    return exchange["request"], httpx.Response(answer["status"], headers=headers, content=content)


def respond(name: str) -> httpx.Response:
    """Return the answer of this exchange."""
    return recorded(name)[1]


class Refused(Exception):
    """Answered as in the exchange with this name."""


@dataclass
class Simulated:
    """The configuration of a deployment, and its state."""

    fields: tuple[str, ...] = ()
    roles: tuple[str, ...] | None = None
    base_path: str = "/api/auth"
    bearer: bool = True
    jwt: bool = True
    organization: bool = True
    passwords: bool = True
    max_password_length: int = 128
    limits: dict[str, int] = field(default_factory=dict)  # calls of each path, by the first part of the path
    window: float = 0.3
    hook: Callable[[User], object] | None = None
    rights: set[str] = field(default_factory=lambda: set(RIGHTS))
    two_factor: bool = False
    faults: dict[str, str] = field(default_factory=dict)  # once "lost" or "500", after the call was done
    answers: dict[str, str] = field(default_factory=dict)  # the exchange that answers a path instead

    users: dict[str, User] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[httpx.Request] = field(default_factory=list)
    url: str = URL
    caller: User = field(default_factory=dict)  # of the last call; empty without a session
    _allowed: dict[str, tuple[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add(ADMIN, ADMIN_PASSWORD, name="Admin", role="admin", emailVerified=True)

    # For tests

    def add(self, email: str, password: str | None = None, **values: Any) -> User:
        """Store an account, as another program would."""
        user: User = dict.fromkeys((*BUILT_IN, "banReason", "banExpires", *self.fields))
        now = f"2026-11-24T15:50:{len(self.users) % 60:02}.000Z"
        user |= {"id": secrets.token_hex(8), "name": "Someone", "createdAt": now, "updatedAt": now}
        user |= {"email": email, "emailVerified": False, "role": "user", "banned": False, **values}
        self.users[user["id"]] = user
        if password is not None:
            self.secret[user["id"]] = password
        return user

    def find(self, email: str) -> User:
        """Return the account with this email; empty if there is none."""
        return next((user for user in self.users.values() if user["email"] == email), {})

    def count(self) -> Counter[str]:
        """How often each path was called."""
        return Counter(call.url.path.removeprefix(f"{self.base_path}/") for call in self.calls)

    # Calls

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a call, or raise an error of the client if the answer is lost."""
        self.calls.append(request)
        path = request.url.path.removeprefix(f"{self.base_path}/")
        if path in self.answers:
            return respond(self.answers[path])
        try:
            reply = self._reply(request, path)
        except Refused as error:
            response = respond(str(error))
            if response.status_code == 429:
                response.headers["x-retry-after"] = f"{self.window:g}"
            return response
        match self.faults.pop(path, ""):
            case "lost":
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            case "500":
                return httpx.Response(500)
        return reply if isinstance(reply, httpx.Response) else _answer(reply, {})

    def _reply(self, request: httpx.Request, path: str) -> Any:
        handler = getattr(self, f"_{request.method.lower()}_{re.sub(r'[/-]', '_', path)}", None)
        missing = {"token": not self.jwt, "organization": not self.organization}
        if handler is None or missing.get(path.partition("/")[0]):
            raise Refused("wrong-path")
        self._limit(path)
        is_get = request.method == "GET"
        self.caller = self._authenticate(request, path)
        return handler(
            parse_qs(request.url.query.decode()) if is_get else json.loads(request.content or "{}")
        )

    def _limit(self, path: str) -> None:
        """Count calls; the counter is reset some time after the last allowed call."""
        count, last = self._allowed.get(path, (0, 0.0))
        now = time.monotonic()
        count = 0 if now - last > self.window else count
        if count >= self.limits.get(path.partition("/")[0], 1_000_000):
            raise Refused("production-list-limited")
        self._allowed[path] = count + 1, now

    def _authenticate(self, request: httpx.Request, path: str) -> User:
        """Return the account that sent the call; empty without a session."""
        cookie, origin = request.headers.get("cookie", ""), request.headers.get("origin")
        if request.method == "POST" and (cookie or (path.startswith("sign-in") and origin)):
            if origin is None:
                raise Refused("cookie-post-no-origin")
            if origin != self.url:
                raise Refused("cookie-post-foreign-origin")
        session = re.search(r"better-auth\.session_token=([^;]+)", cookie)
        token = session[1] if session else ""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        # A token with a wrong signature is ignored, such as a JWT.
        if self.bearer and given and ("." not in given or given.partition(".")[0] in self.sessions):
            token = given
        user = self.users.get(self.sessions.get(token.partition(".")[0], ""), {})
        if path.startswith(("admin/", "organization/", "token")) and not user:
            raise Refused("no-session")
        if path.startswith("admin/") and not {"admin", "seeder"} & set(user["role"].split(",")):
            raise Refused("list-as-human")
        return user

    def _require(self, user_id: str) -> User:
        if user_id not in self.users:
            raise Refused("get-user-unknown")
        return self.users[user_id]

    def _role(self, role: str | list[str]) -> str:
        names = role if isinstance(role, list) else [role]
        if self.roles is not None and not set(names) <= set(self.roles):
            raise Refused("strict-role-undeclared")
        return ",".join(names)

    def _declared(self, data: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key in (*BUILT_IN, *self.fields)}

    def _get_ok(self, _: object) -> object:
        return {"ok": True}

    def _post_admin_create_user(self, body: Any) -> object:
        email = body["email"].lower()
        role = self._role(body.get("role", "user"))
        if self.find(email):
            raise Refused("create-again")
        if len(body.get("password", "")) > self.max_password_length:
            raise Refused("create-long-password")
        values = {**self._declared(body.get("data", {})), "name": body["name"], "role": role}
        user = self.add(email, body.get("password"), **values)
        if self.hook is not None:
            self.hook(user)
        return {"user": user}

    def _get_admin_list_users(self, query: Query) -> object:
        one = {key: values[0] for key, values in query.items()}
        operator, values = one.get("filterOperator", "eq"), query.get("filterValue")
        filtered, sort = one.get("filterField", "email"), one.get("sortBy", "id")
        if not {filtered, sort} <= {*BUILT_IN, *self.fields} or (operator == "in" and len(values or ()) < 2):
            raise Refused("list-sort-unknown")  # fails silently
        users = list(self.users.values())
        if values:
            users = [user for user in users if _matches(operator, user[filtered], values)]
        if text := one.get("searchValue"):
            matches, searched = one.get("searchOperator", "contains"), one.get("searchField", "email")
            users = [user for user in users if _matches(matches, user[searched], [text])]
        if "sortBy" in one:
            users.sort(key=lambda user: str(user[sort]))
        limit, offset = int(one.get("limit", 0)), int(one.get("offset", 0))
        echo = {key: int(one[key]) for key in ("limit", "offset") if int(one.get(key, 0))}
        return {"users": users[offset : offset + (limit or 100)], "total": len(users), **echo}

    def _get_admin_get_user(self, query: Query) -> object:
        return self._require(query["id"][0])

    def _post_admin_update_user(self, body: Any) -> object:
        data = body["data"]
        if not data:
            raise Refused("update-nothing")
        role = {"role": self._role(data["role"])} if "role" in data else {}
        user = self._require(body["userId"])
        user |= {**self._declared(data), **role, "updatedAt": "2026-11-24T16:00:00.000Z"}
        if self.hook is not None:
            self.hook(user)
        return user

    def _post_admin_set_user_password(self, body: Any) -> object:
        user = self._require(body["userId"])
        if len(body["newPassword"]) > self.max_password_length:
            raise Refused("set-password-long")
        self.secret[user["id"]] = body["newPassword"]
        return {"status": True}

    def _post_admin_revoke_user_sessions(self, body: Any) -> object:
        ended = body["userId"]
        self.sessions = {token: user for token, user in self.sessions.items() if user != ended}
        return {"success": True}

    def _post_admin_remove_user(self, body: Any) -> object:
        user = self._require(body["userId"])
        if user is self.caller:
            raise Refused("remove-self")
        del self.users[user["id"]]
        return self._post_admin_revoke_user_sessions(body)

    def _post_admin_set_role(self, body: Any) -> object:
        role = self._role(body["role"])
        user = self._require(body["userId"])
        user["role"] = role
        return {"user": user}

    def _post_admin_has_permission(self, body: Any) -> object:
        asked = {right for rights in body["permissions"].values() for right in rights}
        return {"error": None, "success": asked <= self.rights}

    # Sessions

    def _post_sign_in_email(self, body: Any) -> object:
        if not self.passwords:
            raise Refused("no-email-password")
        password, user = body["password"], self.find(body["email"].lower())
        if len(password) > self.max_password_length:
            raise Refused("sign-in-password-too-long")
        if not user or self.secret.get(user["id"]) != password:
            raise Refused("sign-in-old-password")
        if user["banned"]:
            raise Refused("sign-in-banned")
        if self.two_factor:
            return {"twoFactorRedirect": True}
        token = secrets.token_hex(8)
        self.sessions[token] = user["id"]
        signed = f"{token}.c2lnbmF0dXJl"
        cookie = f"better-auth.session_token={signed}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
        headers = {"set-cookie": cookie, **({"set-auth-token": signed} if self.bearer else {})}
        return _answer({"redirect": False, "token": token, "user": user}, headers)

    def _post_sign_out(self, _: object) -> object:
        headers = self.calls[-1].headers
        used = headers.get("authorization", "") + headers.get("cookie", "")
        self.sessions = {token: user for token, user in self.sessions.items() if token not in used}
        return {"success": True}

    def _get_get_session(self, _: object) -> object:
        session = {"expiresAt": "2099-12-01T15:50:51.773Z"}
        return {"session": session, "user": self.caller} if self.caller else None

    def _get_token(self, _: object) -> object:
        claims = json.dumps({"sub": self.caller["id"], "email": self.caller["email"], "iss": self.url})
        payload = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
        return {"token": f"eyJhIjoxfQ.{payload}.c2ln"}

    # Spaces

    def _post_organization_create(self, body: Any) -> object:
        owner = {"id": secrets.token_hex(8), "userId": self.caller["id"], "role": "owner"}
        space = {"id": secrets.token_hex(8), **body, "members": [owner]}
        self.spaces[space["id"]] = space
        return space

    def _get_organization_list(self, _: object) -> object:
        mine = self.caller["id"]
        return [space for space in self.spaces.values() if mine in {m["userId"] for m in space["members"]}]

    def _get_organization_get_full_organization(self, query: Query) -> object:
        space = self.spaces[query["organizationId"][0]]
        members = [{**member, "user": self.users[member["userId"]]} for member in space["members"]]
        return {**space, "metadata": json.dumps(space.get("metadata")), "members": members}

    def _post_organization_check_slug(self, body: Any) -> object:
        assert body["slug"] not in {space["slug"] for space in self.spaces.values()}
        return {"status": True}

    def _post_organization_invite_member(self, body: Any) -> object:
        invited = {**body, "id": secrets.token_hex(8), "userId": self.find(body["email"])["id"]}
        self.spaces[body["organizationId"]]["invited"] = invited
        return invited

    def _post_organization_accept_invitation(self, body: Any) -> object:
        space = next(s for s in self.spaces.values() if s["invited"]["id"] == body["invitationId"])
        assert space["invited"]["userId"] == self.caller["id"]
        space["members"].append(space.pop("invited"))
        return {}

    def _post_organization_delete(self, body: Any) -> object:
        return self.spaces.pop(body["organizationId"])


def _matches(operator: str, value: object, wanted: list[str]) -> bool:
    text = "" if value is None else str(value)
    return {
        "eq": text == wanted[0],
        "in": text in wanted,
        "contains": wanted[0] in text,
        "starts_with": text.startswith(wanted[0]),
        "ends_with": text.endswith(wanted[0]),
    }[operator]


def _answer(body: object, headers: dict[str, str]) -> httpx.Response:
    headers["content-type"] = "application/json"
    return httpx.Response(200, headers=headers, content=json.dumps(body))
