"""A space with two people in it, and a third outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from personas.embedded import schema

from .client import ANNA, BO, Client

CLEO = "persona.cleo@mana.test"
PREFIX = "/api/auth/organization"


@dataclass
class Flat:
    """A space of Anna's with Bo as a member; Cleo is none."""

    client: Client
    id: str
    cookies: dict[str, str]
    members: dict[str, str]

    def call(self, who: str, action: str, **body: Any) -> httpx.Response:
        """A call about this space, unless the body names another."""
        return self.send(who, action, {"organizationId": self.id, **body})

    def send(self, who: str, action: str, body: Any) -> httpx.Response:
        """A call with exactly this body."""
        return self.client.as_user(self.cookies[who], "POST", f"{PREFIX}/{action}", json=body)

    def at_once(self, action: str, *calls: tuple[str, Any]) -> list[int]:
        """Calls of several people at the same moment; their statuses, lowest first."""
        origin = self.client.embedded.base_url
        given = [
            {"json": body, "headers": {"cookie": self.cookies[who], "origin": origin}} for who, body in calls
        ]
        answers = self.client.at_once("POST", f"{PREFIX}/{action}", *given)
        return sorted(answer.status_code for answer in answers)

    def ask(self, who: str, action: str, **query: str) -> httpx.Response:
        return self.client.as_user(self.cookies[who], "GET", f"{PREFIX}/{action}?{urlencode(query)}")

    def role(self, who: str) -> str | None:
        rows = {row["id"]: row["role"] for row in self.client.rows(schema.members)}
        return rows.get(self.members[who])

    def invite(self, who: str, role: str = "member") -> str:
        """An invitation of Anna's; its id."""
        invited: str = self.call(ANNA, "invite-member", email=who, role=role).json()["id"]
        return invited

    def take_in(self, who: str, role: str = "member") -> None:
        accepted = self.call(who, "accept-invitation", invitationId=self.invite(who, role))
        self.members[who] = accepted.json()["member"]["id"]


def move_in(client: Client) -> Flat:
    for email in (ANNA, BO, CLEO):
        client.seed(email)
    made = Flat(client, "", {email: client.cookie(email) for email in (ANNA, BO, CLEO)}, {})
    space = made.call(ANNA, "create", name="Flat", slug="flat", metadata={"type": "family"}).json()
    made.id = space["id"]
    made.members[ANNA] = space["members"][0]["id"]
    made.take_in(BO)
    return made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
