"""Signing up and in; locks, limits, cookies and tokens, beyond what the recordings show."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jwt
import pytest
from conftest import as_new

from personas.embedded import schema
from personas.embedded.service import load_signer
from personas.embedded.users import EMAIL

from .client import ANNA, HUMAN, PERSONAS, REGISTER, SIGN_UP, Client, Clock

if TYPE_CHECKING:
    from personas.embedded import Embedded

ADDRESS = {"x-forwarded-for": "203.0.113.7, 10.0.0.1"}


def _fail(client: Client, times: int, email: str = ANNA) -> list[int]:
    return [client.login(email, "wrong").status_code for _ in range(times)]


def test_five_wrong_passwords_lock_an_account_for_a_quarter_of_an_hour(client: Client, clock: Clock) -> None:
    client.seed()
    assert _fail(client, 5) == [401] * 5
    locked = client.login()
    assert (locked.status_code, locked.json()["remainingSeconds"]) == (429, 30 * 60)
    clock.advance(minutes=14, seconds=59)
    assert client.login().json()["remainingSeconds"] == 15 * 60 + 1
    clock.advance(seconds=1)
    assert client.login().status_code == 200


def test_failures_of_a_quarter_of_an_hour_ago_are_forgotten(small: Client, clock: Clock) -> None:
    small.seed()
    assert _fail(small, 4) == [401] * 4
    clock.advance(minutes=15)
    assert _fail(small, 1) == [401]
    assert len(small.rows(schema.login_attempts)) == 1
    assert small.login().status_code == 200


@pytest.fixture
def proxied(standing_sqlite: Embedded, clock: Clock) -> Client:
    return Client(as_new(standing_sqlite, now=clock, behind_proxy=True))


def test_behind_a_proxy_an_address_has_three_sign_ins_in_ten_seconds(proxied: Client, clock: Clock) -> None:
    proxied.seed()
    assert [proxied.sign_in(headers=ADDRESS).status_code for _ in range(3)] == [200] * 3
    clock.advance(seconds=4)
    refused = proxied.sign_in(headers=ADDRESS)
    assert (refused.status_code, refused.headers["x-retry-after"]) == (429, "6")
    assert "retry-after" not in refused.headers
    assert refused.json() == {"message": "Too many requests. Please try again later."}
    assert proxied.sign_in(headers={"x-forwarded-for": "203.0.113.8"}).status_code == 200
    assert proxied.sign_in().status_code == 200
    clock.advance(seconds=7)
    assert proxied.sign_in(headers=ADDRESS).status_code == 200


def test_without_a_proxy_the_header_limits_nothing(small: Client) -> None:
    small.seed()
    assert {small.sign_in(headers=ADDRESS).status_code for _ in range(5)} == {200}


def test_an_unknown_email_costs_as_much_time(small: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[int] = []
    scrypt = hashlib.scrypt

    def counting(password: bytes, **parameters: Any) -> bytes:
        costs.append(parameters["n"] * parameters["r"] * parameters["p"])
        return scrypt(password, **parameters)

    small.seed()
    monkeypatch.setattr(hashlib, "scrypt", counting)
    assert small.sign_in(ANNA, "wrong").status_code == 401
    assert small.sign_in("nobody@mana.test", "wrong").status_code == 401
    assert costs == [2 * 16, 2 * 16]


def test_a_cookie_is_signed_as_better_auth_signs_it_and_no_other_signs_anybody_in(small: Client) -> None:
    small.seed()
    token, _, signature = unquote(small.cookie().partition("=")[2]).rpartition(".")
    secret = next(row["value"] for row in small.rows(schema.secrets) if row["name"] == "cookie")
    expected = base64.b64encode(hmac.digest(secret.encode(), token.encode(), hashlib.sha256)).decode()
    assert signature == expected
    for forged in (token, f"{token}.", f"{token}.AAAA", f".{token}", "%ff%00", "é"):
        cookie = f"a=b; mana.session_token={forged}".encode()
        assert small.call("GET", "/api/auth/token", headers={"cookie": cookie}).status_code == 401


def test_a_sign_up_with_a_taken_email_changes_nothing_and_tells_of_nobody(
    small: Client,
) -> None:
    small.register(HUMAN)
    before = small.rows(schema.users)
    body = {"email": "Human@mana.test", "password": "another password", "name": "Again"}
    for path in (SIGN_UP, REGISTER):
        told = small.call("POST", path, json=body).json()["user"]
        assert told["id"] not in {row["id"] for row in before}
    assert small.rows(schema.users) == before
    assert small.login(HUMAN, "another password").status_code == 401


def test_no_email_makes_the_pattern_run_for_ever() -> None:
    for email in ("a." * 160, "a" * 320, "." * 320, "a@" + "a-" * 150, "a@" + "a." * 150):
        assert EMAIL.fullmatch(email) is None


# --- access tokens ---------------------------------------------------------------------------------------


def test_a_jose_library_verifies_a_token_by_the_jwks_and_reads_its_claims(
    small: Client, clock: Clock
) -> None:
    user_id = small.seed()
    token = small.login().json()["accessToken"]
    header = jwt.get_unverified_header(token)
    keys = jwt.PyJWKSet.from_dict(small.call("GET", "/api/auth/jwks").json())
    claims = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["EdDSA"],
        audience="mana",
        issuer=small.embedded.base_url,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (list(header), header["alg"]) == (["alg", "kid"], "EdDSA")
    now = int(clock().timestamp())
    session = claims.pop("sid")
    assert session == small.rows(schema.sessions)[0]["id"]
    assert claims == {
        "iat": now,
        "sub": user_id,
        "email": ANNA,
        "role": "user",
        "tier": "founder",
        "exp": now + 15 * 60,
        "iss": small.embedded.base_url,
        "aud": "mana",
    }


def _status(client: Client, token: str) -> int:
    return client.call("GET", PERSONAS, headers={"authorization": f"Bearer {token}"}).status_code


def test_a_token_ends_after_fifteen_minutes(small: Client, clock: Clock) -> None:
    token = small.embedded.admin_token()
    clock.advance(minutes=14, seconds=59)
    assert _status(small, token) == 200
    clock.advance(seconds=1)
    assert _status(small, token) == 401


@pytest.mark.parametrize("changes", [{"aud": "another"}, {"exp": "soon"}])
def test_no_token_for_others_or_without_an_end_is_accepted(small: Client, changes: dict[str, str]) -> None:
    signer = small.embedded._service.signer
    claims = jwt.decode(small.embedded.admin_token(), options={"verify_signature": False})
    key, header = signer._private[signer._kid], {"kid": signer._kid}
    assert _status(small, jwt.encode({**claims, **changes}, key, algorithm="EdDSA", headers=header)) == 401


def test_the_newest_key_signs_and_older_ones_still_verify(small: Client, clock: Clock) -> None:
    service = small.embedded._service
    old = small.embedded.admin_token()
    clock.advance(seconds=1)
    service.signer = service.database.write(lambda connection: load_signer(connection, clock()))
    new = small.embedded.admin_token()
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    assert (_status(small, old), _status(small, new)) == (200, 200)
