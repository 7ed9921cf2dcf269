"""Calls on a service in process: as the admin, as the runner, and as users with a session."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
from anyio.from_thread import start_blocking_portal

from personas.embedded.app import make_app
from personas.embedded.service import Service

BASE_URL = "http://localhost:3001"
KEY = "runner-key"
PASSWORD = "correct-horse-battery"
ANNA, BO, CLEO = "anna@mana.test", "bo@mana.test", "cleo@mana.test"


def persona(email: str, **fields: Any) -> dict[str, Any]:
    """The body that creates a persona."""
    return {
        "email": email,
        "password": PASSWORD,
        "archetype": "illustrator",
        "systemPrompt": "You draw for children's books.",
        "moduleMix": {"photos": 0.6, "notes": 0.2},
        **fields,
    }


class Calls:
    """A service with the personas Anna, Bo and Cleo, and a clock that stands still on a Monday."""

    def __init__(self, place: str | Path) -> None:
        self.now = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
        self.service = Service(place, base_url=BASE_URL, service_key=KEY, scrypt_n=2, clock=lambda: self.now)
        transport = httpx.ASGITransport(make_app(self.service), raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE_URL)
        self._open = ExitStack()
        self.ids: dict[str, str] = {}
        self._cookies: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._open.callback(self.service.close)
        self._portal = self._open.enter_context(start_blocking_portal())
        for email in (ANNA, BO, CLEO):
            self.create(email)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request without cookies of earlier answers."""
        self._client.cookies.clear()
        return self._portal.call(partial(self._client.request, method, path, **options))

    def create(self, email: str, **fields: Any) -> None:
        """Create a persona."""
        body = persona(email, **{"name": email.partition("@")[0].title(), **fields})
        created = self.request("POST", "/api/v1/admin/personas", json=body, headers=self._admin())
        self.ids[email] = created.json()["userId"]
        self._cookies.pop(email, None)

    def delete(self, email: str) -> None:
        """Delete a persona."""
        path = f"/api/v1/admin/personas/{self.ids[email]}"
        assert self.request("DELETE", path, headers=self._admin()).status_code == 200

    def runner(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Make a call of the runner."""
        url = f"/api/v1/internal/personas/{path}"
        return self.request(method, url, json=body, headers={"x-service-key": KEY})

    def get(self, user: str, action: str, /, **query: str) -> httpx.Response:
        """Read something about spaces as a user."""
        headers = {"cookie": self._cookie(user)} if user else {}
        return self.request("GET", f"/api/auth/organization/{action}", params=query, headers=headers)

    def post(self, user: str, action: str, /, **body: Any) -> httpx.Response:
        """Change something about spaces as a user; without a session if the email is empty."""
        headers = {"cookie": self._cookie(user), "origin": BASE_URL} if user else {}
        return self.request("POST", f"/api/auth/organization/{action}", json=body, headers=headers)

    def make_space(self, owner: str, *members: str) -> str:
        """Make the space `flat`; return its id."""
        space = {"name": "Flat", "slug": "flat", "metadata": {"type": "family"}}
        space_id: str = self.post(owner, "create", **space).json()["id"]
        for email in members:
            self.post(owner, "invite-member", email=email, role="member", organizationId=space_id)
            invitation = self.get(email, "list-user-invitations").json()[-1]
            self.post(email, "accept-invitation", invitationId=invitation["id"])
        return space_id

    def member_id(self, email: str, slug: str = "flat") -> str:
        """The id of a membership, as Anna sees it."""
        members = self.get(ANNA, "get-full-organization", organizationSlug=slug).json()["members"]
        ids = {each["user"]["email"]: str(each["id"]) for each in members}
        return ids[email]

    def _cookie(self, user: str) -> str:
        if user not in self._cookies:
            credentials = {"email": user, "password": PASSWORD}
            signed_in = self.request("POST", "/api/auth/sign-in/email", json=credentials)
            self._cookies[user] = signed_in.headers["set-cookie"].partition(";")[0]
        return self._cookies[user]

    def _admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.service.admin_token()}"}


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code, or else the message, of an answer."""
    body = answer.json() if answer.content else {}
    return answer.status_code, str(body.get("code") or body.get("message") or "")
