"""A Better Auth with its admin plugin, as far as the recorded exchanges show it, over a port.

Every refusal is a recorded answer, and a test replays the recordings: it forgives nothing that they do not.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from .recorded import recorded

ADMIN = "admin@example.test"
ADMIN_PASSWORD = "the-password-of-the-admin"
BUILT_IN = ("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "role", "banned")
DESCRIPTORS = ("archetype", "systemPrompt", "moduleMix", "tickCadence")
RIGHTS = {"create", "list", "get", "update", "set-password", "delete", "set-email", "set-role", "revoke"}
OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "contains", "starts_with", "ends_with")
REFUSALS = {
    "admin/create-user": ("create", "create-as-human"),
    "admin/list-users": ("list", "list-as-human"),
    "admin/update-user": ("update", "weak-update"),
    "admin/set-user-password": ("set-password", "weak-set-password"),
    "admin/remove-user": ("delete", "weak-remove"),
    "admin/set-role": ("set-role", "weak-set-role"),
}

User = dict[str, Any]


class Reply(NamedTuple):
    """A status, a JSON body ("" for an empty one) and headers."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


class Call(NamedTuple):
    """A request, and who sent it."""

    query: dict[str, list[str]]
    body: dict[str, Any]
    user: User | None
    headers: dict[str, str]


class Refused(Exception):
    """Answered as in the exchange with this name."""


@dataclass
class Simulated:
    """The state and the configuration of a deployment."""

    fields: tuple[str, ...] = ()
    roles: tuple[str, ...] | None = None
    base_path: str = "/api/auth"
    bearer: bool = True
    jwt: bool = True
    organization: bool = True
    passwords: bool = True
    max_password_length: int = 128
    limits: dict[str, int] = field(default_factory=dict)
    window: float = 0.3
    hook: Callable[[User], object] | None = None
    rights: set[str] = field(default_factory=lambda: set(RIGHTS))
    two_factor: set[str] = field(default_factory=set)
    faults: dict[str, list[str]] = field(default_factory=dict)  # "lost" or "500", after the call was done

    users: dict[str, User] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    organizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    invitations: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)
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

    def find(self, email: str) -> User | None:
        return next((user for user in self.users.values() if user["email"] == email), None)

    def count(self) -> Counter[str]:
        """How often each path was called."""
        return Counter(path.removeprefix(f"{self.base_path}/") for _, path, _ in self.calls)

    @contextmanager
    def serve(self) -> Iterator[Simulated]:
        """Serve it on a free port."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    # Calls

    def answer(self, method: str, target: str, headers: dict[str, str], content: bytes) -> Reply | None:
        """Answer a call; None closes the connection instead."""
        split = urlsplit(target)
        with self._lock:
            self.calls.append((method, split.path, headers))
            path = split.path.removeprefix(f"{self.base_path}/")
            name = f"_{method.lower()}_{re.sub(r'[/-]', '_', path)}"
            handler = getattr(self, name, None) if path != split.path and self._has(path) else None
            if handler is None:
                return Reply(404, "")
            try:
                self._limit(path)
                user = self._authenticate(method, path, headers)
                body = json.loads(content) if content else {}
                reply: Reply = handler(
                    Call(parse_qs(split.query, keep_blank_values=True), body, user, headers)
                )
            except Refused as error:
                name = str(error)
                return Reply(recorded(name).status, recorded(name).body, tuple(recorded(name).headers))
            except _Limited:
                limited = recorded("production-list-limited")
                return Reply(limited.status, limited.body, (("x-retry-after", f"{self.window:g}"),))
            if faults := self.faults.get(path):
                return None if faults.pop(0) == "lost" else Reply(500, "")
            return reply

    def _has(self, path: str) -> bool:
        missing = {"token": not self.jwt, "organization": not self.organization}
        return not missing.get(path.partition("/")[0], False)

    def _limit(self, path: str) -> None:
        """Count calls; the counter is reset some time after the last allowed call."""
        limit = self.limits.get(path.partition("/")[0], self.limits.get("*"))
        if limit is None:
            return
        count, last = self._allowed.get(path, (0, 0.0))
        now = time.monotonic()
        count = 0 if now - last > self.window else count
        if count >= limit:
            raise _Limited
        self._allowed[path] = count + 1, now

    def _authenticate(self, method: str, path: str, headers: dict[str, str]) -> User | None:
        if method == "POST" and "application/json" not in headers.get("content-type", ""):
            raise Refused("create-wrong-type")
        cookie = re.search(r"better-auth\.session_token=([^;]+)", headers.get("cookie", ""))
        origin = headers.get("origin")
        if method == "POST" and (headers.get("cookie") or (path.startswith("sign-in") and origin)):
            if origin is None:
                raise Refused("cookie-post-no-origin")
            if origin != self.url:
                raise Refused("cookie-post-foreign-origin")
        token = cookie[1] if cookie else ""
        given = headers.get("authorization", "").removeprefix("Bearer ")
        # A token with a wrong signature is ignored, such as a JWT.
        if self.bearer and given and ("." not in given or given.partition(".")[0] in self.sessions):
            token = given
        user = self.users.get(self.sessions.get(token.partition(".")[0], ""))
        if path.startswith(("admin/", "organization/")) and user is None:
            raise Refused("no-session")
        right, refusal = REFUSALS.get(path, ("", ""))
        if user is not None and right and right not in self._rights(user):
            raise Refused(refusal)
        return user

    def _rights(self, user: User | None) -> set[str]:
        return self.rights if user is not None and "admin" in user["role"].split(",") else set()

    def _require(self, user_id: object) -> User:
        if user_id not in self.users:
            raise Refused("get-user-unknown")
        return self.users[str(user_id)]

    def _role(self, role: Any) -> str:
        names = role if isinstance(role, list) else [role]
        if self.roles is not None and not set(names) <= set(self.roles):
            raise Refused("strict-role-undeclared")
        return ",".join(names)

    def _declared(self, data: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key in (*BUILT_IN, *self.fields)}

    def _get_ok(self, _: Call) -> Reply:
        return Reply(200, {"ok": True})

    def _post_admin_create_user(self, call: Call) -> Reply:
        body = call.body
        if not isinstance(body.get("name"), str):
            raise Refused("create-no-name")
        email = body["email"].lower()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            raise Refused("create-bad-email")
        if "role" in body and "set-role" not in self._rights(call.user):
            raise Refused("weak-create-with-role")
        role = self._role(body["role"]) if "role" in body else "user"
        if self.find(email):
            raise Refused("create-again")
        if len(body.get("password", "")) > self.max_password_length:
            raise Refused("create-long-password")
        if "\0" in body["name"]:
            raise Refused("create-nul")
        values = {**self._declared(body.get("data", {})), "name": body["name"], "role": role}
        user = self.add(email, body.get("password"), **values)
        if self.hook is not None:
            self.hook(user)
        return Reply(200, {"user": user})

    def _get_admin_list_users(self, call: Call) -> Reply:
        query = call.query
        if any(len(values) > 1 for key, values in query.items() if key != "filterValue"):
            raise Refused("list-filter-two")
        one = {key: values[0] for key, values in query.items()}
        operator = one.get("filterOperator", "eq")
        if operator not in OPERATORS:
            raise Refused("list-filter-operator-unknown")
        if one.get("searchField", "email") not in {"email", "name"}:
            raise Refused("list-search-field-unknown")
        known = (*BUILT_IN, *self.fields)
        unknown = one.get("sortBy", "id") not in known or one.get("filterField", "email") not in known
        if unknown or (operator == "in" and len(query["filterValue"]) < 2):
            raise Refused("list-sort-unknown")
        users = list(self.users.values())
        if values := query.get("filterValue"):
            users = [u for u in users if _matches(operator, u[one.get("filterField", "email")], values)]
        if text := one.get("searchValue"):
            matches = one.get("searchOperator", "contains")
            users = [u for u in users if _matches(matches, u[one.get("searchField", "email")], [text])]
        if "sortBy" in one:
            users.sort(key=lambda u: str(u[one["sortBy"]]))
        limit, offset = int(one.get("limit") or 0), int(one.get("offset") or 0)
        rows = users[offset : offset + (limit or 100)]
        echo = {key: int(one[key]) for key in ("limit", "offset") if int(one.get(key) or 0)}
        return Reply(200, {"users": rows, "total": len(users), **echo})

    def _get_admin_get_user(self, call: Call) -> Reply:
        if "id" not in call.query:
            raise Refused("get-user-no-id")
        return Reply(200, self._require(call.query["id"][0]))

    def _post_admin_update_user(self, call: Call) -> Reply:
        data = call.body["data"]
        if not data:
            raise Refused("update-nothing")
        if "password" in data:
            raise Refused("update-password")
        if "emailVerified" in data and "set-email" not in self._rights(call.user):
            raise Refused("seeder-verify-without-set-email")
        role = {"role": self._role(data["role"])} if "role" in data else {}
        user = self._require(call.body["userId"])
        if data.get("name", "") is None:
            raise Refused("update-name-null")
        user |= {**self._declared(data), **role, "updatedAt": "2026-11-24T16:00:00.000Z"}
        if self.hook is not None:
            self.hook(user)
        return Reply(200, user)

    def _post_admin_set_user_password(self, call: Call) -> Reply:
        password = call.body["newPassword"]
        user = self._require(call.body["userId"])
        if not 8 <= len(password) <= self.max_password_length:
            raise Refused("set-password-short" if len(password) < 8 else "set-password-long")
        self.secret[user["id"]] = password
        return Reply(200, {"status": True})

    def _post_admin_revoke_user_sessions(self, call: Call) -> Reply:
        self._end_sessions(call.body["userId"])
        return Reply(200, {"success": True})

    def _post_admin_remove_user(self, call: Call) -> Reply:
        user = self._require(call.body["userId"])
        if user is call.user:
            raise Refused("remove-self")
        self._end_sessions(user["id"])
        del self.users[user["id"]]
        for space in self.organizations.values():
            space["members"] = [m for m in space["members"] if m["userId"] != user["id"]]
        return Reply(200, {"success": True})

    def _post_admin_set_role(self, call: Call) -> Reply:
        role = self._role(call.body["role"])
        user = self._require(call.body["userId"])
        user["role"] = role
        return Reply(200, {"user": user})

    def _post_admin_has_permission(self, call: Call) -> Reply:
        asked = {right for rights in call.body["permissions"].values() for right in rights}
        return Reply(200, {"error": None, "success": asked <= self._rights(call.user)})

    # Sessions

    def _post_sign_in_email(self, call: Call) -> Reply:
        if not self.passwords:
            raise Refused("no-email-password")
        password, user = call.body["password"], self.find(call.body["email"].lower())
        if len(password) > self.max_password_length:
            raise Refused("sign-in-password-too-long")
        if user is None or self.secret.get(user["id"]) != password:
            raise Refused("sign-in-old-password")
        if user["banned"]:
            raise Refused("sign-in-banned")
        if user["email"] in self.two_factor:
            return Reply(200, {"twoFactorRedirect": True})
        token = secrets.token_hex(8)
        self.sessions[token] = user["id"]
        signed = f"{token}.c2lnbmF0dXJl"
        cookie = f"better-auth.session_token={signed}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
        headers = [("set-cookie", cookie), *([("set-auth-token", signed)] if self.bearer else [])]
        return Reply(200, {"redirect": False, "token": token, "user": user}, tuple(headers))

    def _post_sign_out(self, call: Call) -> Reply:
        if call.user is not None:
            used = call.headers.get("authorization", "") + call.headers.get("cookie", "")
            self.sessions = {token: user for token, user in self.sessions.items() if token not in used}
        return Reply(200, {"success": True})

    def _end_sessions(self, user_id: str) -> None:
        self.sessions = {token: user for token, user in self.sessions.items() if user != user_id}

    def _get_get_session(self, call: Call) -> Reply:
        if call.user is None:
            return Reply(200, None)
        session = {"expiresAt": "2099-12-01T15:50:51.773Z", "userId": call.user["id"]}
        return Reply(200, {"session": session, "user": call.user})

    def _get_token(self, call: Call) -> Reply:
        if call.user is None:
            return Reply(401, "")
        claims = json.dumps({"sub": call.user["id"], "email": call.user["email"], "iss": self.url})
        payload = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
        return Reply(200, {"token": f"eyJhIjoxfQ.{payload}.c2ln"})

    # Organizations

    def _space(self, space_id: str, call: Call) -> dict[str, Any]:
        space = self.organizations[space_id]
        assert call.user is not None
        assert call.user["id"] in {m["userId"] for m in space["members"]}
        return space

    def _post_organization_create(self, call: Call) -> Reply:
        assert call.user is not None
        if call.body["slug"] in {space["slug"] for space in self.organizations.values()}:
            raise Refused("org-create-slug-taken")
        space_id = secrets.token_hex(8)
        owner = {"id": secrets.token_hex(8), "userId": call.user["id"], "role": "owner"}
        space = {"id": space_id, "name": call.body["name"], "slug": call.body["slug"], "members": [owner]}
        self.organizations[space_id] = {**space, "metadata": json.dumps(call.body.get("metadata"))}
        return Reply(200, space)

    def _get_organization_list(self, call: Call) -> Reply:
        assert call.user is not None
        own = [
            s for s in self.organizations.values() if call.user["id"] in {m["userId"] for m in s["members"]}
        ]
        return Reply(200, [{key: s[key] for key in ("id", "name", "slug", "metadata")} for s in own])

    def _get_organization_get_full_organization(self, call: Call) -> Reply:
        space = self._space(call.query["organizationId"][0], call)
        members = [{**m, "user": self.users[m["userId"]]} for m in space["members"]]
        return Reply(200, {**space, "members": members, "invitations": []})

    def _post_organization_check_slug(self, call: Call) -> Reply:
        taken = call.body["slug"] in {space["slug"] for space in self.organizations.values()}
        return (
            Reply(400, {"code": "ORGANIZATION_SLUG_ALREADY_TAKEN"}) if taken else Reply(200, {"status": True})
        )

    def _post_organization_invite_member(self, call: Call) -> Reply:
        space = self._space(call.body["organizationId"], call)
        invitation = {**call.body, "id": secrets.token_hex(8), "status": "pending", "space": space}
        self.invitations[invitation["id"]] = invitation
        return Reply(200, {key: value for key, value in invitation.items() if key != "space"})

    def _post_organization_accept_invitation(self, call: Call) -> Reply:
        assert call.user is not None
        invitation = self.invitations.pop(call.body["invitationId"])
        assert invitation["email"] == call.user["email"]
        member = {"id": secrets.token_hex(8), "userId": call.user["id"], "role": invitation["role"]}
        invitation["space"]["members"].append(member)
        return Reply(200, {"member": member})

    def _post_organization_delete(self, call: Call) -> Reply:
        return Reply(200, self.organizations.pop(self._space(call.body["organizationId"], call)["id"]))


class _Limited(Exception):
    pass


def _matches(operator: str, value: object, wanted: list[str]) -> bool:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    first = wanted[0]
    return {
        "eq": text == first,
        "in": text in wanted,
        "contains": first in text,
        "starts_with": text.startswith(first),
        "ends_with": text.endswith(first),
    }[operator]


def _handler(simulated: Simulated) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet per answer: two would wait for each other

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = simulated.answer(self.command, self.path, headers, content)
            if reply is None:
                self.close_connection = True
                self.connection.close()
                return
            data = b"" if reply.body == "" else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by http.server
            """Print nothing."""

    return Handler
