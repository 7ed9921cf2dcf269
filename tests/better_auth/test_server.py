"""The simulated server answers as the recorded one, so that tests with it mean something."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .server import ADMIN, ADMIN_PASSWORD, DESCRIPTORS, URL, Simulated, recorded

IDS = {
    ADMIN: "tZrS2VnX3draqyAMye2fS7MkLtJWGkOJ",
    "human@mana.test": "8kPQR0LQ0DitzCzAZ238Dw6IXls7xgmP",
    "persona.ada@mana.test": "FnUky2cGDGecQTfStjre9ByVOHmOIIyH",
    "persona.bob@mana.test": "i2nhiojIgUzUpUHmTCsUA7ubaeIUpD8A",
}
TOKENS = {
    "bearer session token of an admin": "admin",
    "bearer signed session token": "admin.c2lnbmF0dXJl",
    "bearer session token of a user": "human",
    "bearer of a custom role": "weak",
    "other": "nonsense",
}

STOCK = """
no-session wrong-path wrong-path-post-to-get create-again create-again-upper-case create-data-undeclared
create-role-undeclared create-role-two create-no-password create-short-password create-long-password
list-as-human bearer-signed-token cookie-get-no-origin cookie-post-no-origin
cookie-post-foreign-origin bearer-post-foreign-origin get-session get-session-none ok get-user
get-user-unknown update-name update-verified update-undeclared-only update-undeclared-too update-nothing
update-unknown update-role set-password set-password-long set-password-unknown sign-in-unknown-email
sign-in-password-too-long revoke-sessions revoke-sessions-unknown set-role-list set-role-unknown-user
has-permission remove remove-self list-limit-big list-offset-beyond list-sort-unknown list-search-ends-with
list-search-upper list-filter-role list-filter-role-contains list-filter-and-search
list-filter-undeclared-field list-filter-email-in list-filter-email-in-one list-filter-email-in-comma
list-filter-email-upper sign-out probe-field-not-declared probe-role-no-roles human-can-be-marked
token-by-bearer
"""
EXCHANGES: list[tuple[str, dict[str, Any]]] = [
    (STOCK, {}),
    ("declared-create declared-filter-kind probe-field-declared", {"fields": ("kind", *DESCRIPTORS)}),
    ("strict-role-undeclared strict-role-update", {"roles": ("admin", "user")}),
    ("probe-role-declared probe-role-not-declared", {"roles": ("admin", "user", "persona")}),
    ("strict-password-too-long", {"max_password_length": 31}),
    ("weak-permissions", {"rights": {"create", "list"}}),
    ("no-email-password", {"passwords": False}),
    ("no-bearer-plugin", {"bearer": False}),
    ("no-jwt-plugin", {"jwt": False}),
    ("no-organization-plugin", {"organization": False}),
]


def replay(request: dict[str, Any], body: object, options: dict[str, Any]) -> httpx.Response:
    """Send a recorded request to a server with the accounts and sessions that it needs."""
    simulated = Simulated(**options)
    simulated.users.clear()
    simulated.add(ADMIN, ADMIN_PASSWORD, id=IDS[ADMIN], role="admin")
    simulated.add("human@mana.test", id=IDS["human@mana.test"])
    simulated.add("persona.bob@mana.test", id=IDS["persona.bob@mana.test"], role="persona")
    if "create-user" not in request["path"] or "already exists" in str(body):
        kind = {"kind": "persona"} if simulated.fields else {}
        simulated.add("persona.ada@mana.test", id=IDS["persona.ada@mana.test"], **kind)
    simulated.sessions = {"admin": IDS[ADMIN], "weak": IDS[ADMIN], "human": IDS["human@mana.test"]}
    headers, label = dict(request.get("headers", {})), request["authorization"]
    if label in TOKENS:
        headers["authorization"] = f"Bearer {TOKENS[label]}"
    elif label.startswith("session cookie"):
        headers["cookie"] = "better-auth.session_token=admin.c2lnbmF0dXJl"
    url = f"{URL}{request['path']}"
    return simulated.answer(httpx.Request(request["method"], url, headers=headers, json=request.get("json")))


def facts(body: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return what of a body does not depend on the accounts that exist."""
    values = {**body, **body.get("user", {})}
    values["users"] = bool(values.get("users"))
    return {key: values.get(key) for key in keys}


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for names, options in EXCHANGES for name in names.split()]
)
def test_simulated_server_answers_as_recorded(name: str, options: dict[str, Any]) -> None:
    request, answer = recorded(name)
    reply = replay(request, answer.content and answer.json(), options)
    assert reply.status_code == answer.status_code
    if answer.status_code != 200 or not isinstance(answer.json(), dict):
        assert reply.content == answer.content
        return
    assert set(reply.json()) >= set(answer.json())
    sent = {"role", *request.get("json", {}).get("data", {})} if "create" in name else set()
    keys = {"users", "limit", "offset", "success", "status", *sent}
    assert facts(reply.json(), keys) == facts(answer.json(), keys)
