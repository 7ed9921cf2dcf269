"""Signing up, in and out; locks, limits, cookies, sessions and tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jwt
import pytest
import sqlalchemy as sa

from personas.embedded import Embedded, schema, serving
from personas.embedded.users import EMAIL

from .client import ANNA, PASSWORD, PERSONAS, Client, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLEARED = [
    f"mana.{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    for name in ("session_token", "session_data", "dont_remember")
]


def _fail(client: Client, times: int, email: str = ANNA) -> list[int]:
    return [client.login(email, "wrong").status_code for _ in range(times)]


def test_five_wrong_passwords_lock_an_account_for_a_quarter_of_an_hour_whatever_is_said(
    client: Client, clock: Clock
) -> None:
    client.seed()
    assert _fail(client, 5) == [401] * 5
    locked = client.login()
    assert (locked.status_code, locked.json()["remainingSeconds"]) == (429, 30 * 60)
    assert isinstance(locked.json()["error"], str)
    clock.advance(minutes=14, seconds=59)
    assert client.login().json()["remainingSeconds"] == 15 * 60 + 1
    clock.advance(seconds=1)
    assert client.login().status_code == 200


def test_failures_spread_over_more_than_a_quarter_of_an_hour_do_not_lock(
    client: Client, clock: Clock
) -> None:
    client.seed()
    assert _fail(client, 4) == [401] * 4
    clock.advance(minutes=15, seconds=1)
    assert _fail(client, 1) == [401]
    assert client.login().status_code == 200


def test_the_right_password_starts_the_count_anew(client: Client) -> None:
    client.seed()
    _fail(client, 4)
    client.login()
    assert _fail(client, 4) == [401] * 4
    assert client.login().status_code == 200


def test_an_unknown_email_is_locked_like_a_known_one_in_any_case(client: Client) -> None:
    assert _fail(client, 3, "nobody@mana.test") + _fail(client, 2, "NOBODY@mana.test") == [401] * 5
    assert client.login("Nobody@mana.test").status_code == 429


def test_the_cookie_sign_in_does_not_count_and_is_not_locked(client: Client) -> None:
    client.seed()
    assert {client.sign_in(password="wrong").status_code for _ in range(6)} == {401}
    _fail(client, 5)
    assert client.sign_in().status_code == 200


def test_an_unverified_email_does_not_count_towards_the_lock(small: Client) -> None:
    small.register("human@mana.test")
    assert {small.login("human@mana.test").status_code for _ in range(6)} == {403}
    answer = small.sign_in("human@mana.test")
    assert (answer.status_code, answer.json()["code"]) == (403, "EMAIL_NOT_VERIFIED")
    assert small.sign_in("human@mana.test", "wrong").status_code == 401


def test_old_failures_are_forgotten(client: Client, clock: Clock) -> None:
    _fail(client, 3)
    clock.advance(minutes=46)
    _fail(client, 1, "other@mana.test")
    assert [row["email"] for row in client.rows(schema.login_attempts)] == ["other@mana.test"]


@pytest.fixture
def proxied(tmp_path: Path, clock: Clock) -> Iterator[Client]:
    with Embedded.open(tmp_path / "auth.db", clock=clock, scrypt_cost=2, behind_proxy=True) as embedded:
        yield Client(embedded)


def test_behind_a_proxy_an_address_has_three_sign_ins_in_ten_seconds(proxied: Client, clock: Clock) -> None:
    proxied.seed()
    address = {"x-forwarded-for": "203.0.113.7, 10.0.0.1"}
    assert [proxied.sign_in(headers=address).status_code for _ in range(3)] == [200] * 3
    clock.advance(seconds=4)
    refused = proxied.sign_in(headers=address)
    assert (refused.status_code, refused.headers["x-retry-after"]) == (429, "6")
    assert "retry-after" not in refused.headers
    assert refused.json() == {"message": "Too many requests. Please try again later."}
    assert proxied.sign_in(headers={"x-forwarded-for": "203.0.113.8"}).status_code == 200
    assert proxied.sign_in().status_code == 200
    clock.advance(seconds=7)
    assert proxied.sign_in(headers=address).status_code == 200


def test_behind_a_proxy_login_tells_the_right_password_as_wrong_and_counts_it(proxied: Client) -> None:
    proxied.seed()
    address = {"x-forwarded-for": "203.0.113.7"}
    answers = [proxied.login(headers=address) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [401] * 5 + [429]
    assert answers[3].json() == {"error": "Invalid credentials"}


def test_without_a_proxy_the_header_limits_nothing(small: Client) -> None:
    small.seed()
    address = {"x-forwarded-for": "203.0.113.7"}
    assert {small.sign_in(headers=address).status_code for _ in range(5)} == {200}


def test_an_unknown_email_costs_the_time_of_a_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[int] = []
    scrypt = hashlib.scrypt

    def counting(password: bytes, **parameters: Any) -> bytes:
        costs.append(parameters["n"] * parameters["r"] * parameters["p"])
        return scrypt(password, **parameters)

    with Embedded.open(tmp_path / "auth.db") as embedded:
        client = Client(embedded)
        client.seed()
        monkeypatch.setattr(hashlib, "scrypt", counting)
        assert client.sign_in(ANNA, "wrong").status_code == 401
        assert client.sign_in("nobody@mana.test", "wrong").status_code == 401
    assert costs == [16384 * 16, 16384 * 16]


def test_a_cookie_is_signed_as_better_auth_signs_it(client: Client) -> None:
    client.seed()
    answer = client.sign_in()
    value = unquote(client.cookie().partition("=")[2])
    token, _, signature = value.rpartition(".")
    secret = next(row["value"] for row in client.rows(schema.secrets))
    expected = base64.b64encode(hmac.digest(secret.encode(), token.encode(), hashlib.sha256)).decode()
    assert signature == expected
    assert answer.headers["set-cookie"].endswith("; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax")


def test_a_cookie_with_another_signature_signs_nobody_in(client: Client) -> None:
    client.seed()
    token = client.sign_in().json()["token"]
    for forged in (token, f"{token}.", f"{token}.AAAA", f".{token}", "%ff%00", "é", ""):
        cookie = f"a=b; mana.session_token={forged}".encode()
        answer = client.call("GET", "/api/auth/token", headers={"cookie": cookie})
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


def test_a_session_tells_its_user_until_it_is_signed_out(client: Client) -> None:
    user_id = client.seed()
    cookie = client.cookie()
    for path in ("/api/auth/get-session", "/api/v1/auth/session"):
        answer = client.as_user(cookie, "GET", path).json()
        assert answer["user"]["email"] == ANNA
        assert answer["session"]["userId"] == user_id
    out = client.as_user(cookie, "POST", "/api/auth/sign-out")
    assert out.json() == {"success": True}
    assert out.headers.get_list("set-cookie") == CLEARED
    assert client.as_user(cookie, "GET", "/api/auth/get-session").json() is None
    assert client.as_user(cookie, "GET", "/api/auth/token").status_code == 401


def test_a_session_ends_after_seven_days(client: Client, clock: Clock) -> None:
    client.seed()
    cookie = client.cookie()
    clock.advance(days=6, hours=23)
    assert client.as_user(cookie, "GET", "/api/auth/token").status_code == 200
    clock.advance(hours=1)
    assert client.as_user(cookie, "GET", "/api/auth/token").status_code == 401
    client.cookie()
    assert len(client.rows(schema.sessions)) == 1


def test_another_sites_page_cannot_act_with_the_cookie(client: Client) -> None:
    client.seed()
    cookie = client.cookie()
    create = "/api/auth/organization/create"
    space = {"name": "X", "slug": "x", "metadata": {"type": "club"}}
    for origin in ("https://evil.example", "null", "", "http://embedded.localhost.evil.example", "http://["):
        answer = client.as_user(cookie, "POST", create, json=space, headers={"origin": origin})
        assert answer.status_code == 403, origin
    assert client.as_user(cookie, "POST", create, json=space).status_code == 200


def test_whoever_signs_up_with_a_taken_email_is_told_of_a_user_who_is_nowhere(client: Client) -> None:
    first = client.register("human@mana.test")
    before = client.rows(schema.users)
    body = {"email": "Human@mana.test", "password": "another password", "name": "Again"}
    for path in ("/api/auth/sign-up/email", "/api/v1/auth/register"):
        answer = client.call("POST", path, json=body)
        told = answer.json()["user"]
        assert (answer.status_code, told["email"], told["name"]) == (200, "human@mana.test", "Again")
        fresh = client.call("POST", path, json={**body, "email": f"fresh{len(path)}@mana.test"}).json()[
            "user"
        ]
        assert list(told) == list(fresh)  # nothing tells the two apart
        assert told["id"] not in {first, *(row["id"] for row in client.rows(schema.users))}
    assert client.rows(schema.users)[: len(before)] == before
    assert client.login("human@mana.test", "another password").status_code == 401


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "no email"}, "VALIDATION_ERROR"),
        ({"email": f"{'a' * 320}@mana.test"}, "VALIDATION_ERROR"),
        ({"password": "short"}, "PASSWORD_TOO_SHORT"),
        ({"password": "x" * 129}, "PASSWORD_TOO_LONG"),
        ({"name": None}, "VALIDATION_ERROR"),
        ({"password": 1}, "VALIDATION_ERROR"),
        ({"email": []}, "VALIDATION_ERROR"),
    ],
)
def test_a_bad_sign_up_is_refused_with_its_reason(small: Client, change: dict[str, Any], code: str) -> None:
    body = {"email": "human@mana.test", "password": PASSWORD, "name": "Human", **change}
    answer = small.call("POST", "/api/auth/sign-up/email", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_no_email_makes_the_pattern_run_for_ever() -> None:
    for email in ("a." * 160, "a" * 320, "." * 320, "a@" + "a-" * 150, "a@" + "a." * 150):
        assert EMAIL.fullmatch(email) is None


# --- access tokens ---------------------------------------------------------------------------------------


def test_a_jose_library_verifies_a_token_through_the_jwks(tmp_path: Path) -> None:
    with Embedded.open(tmp_path / "auth.db", scrypt_cost=2) as embedded, serving(embedded) as url:
        Client(embedded).seed()
        token = Client(embedded).login().json()["accessToken"]
        key = jwt.PyJWKClient(f"{url}/api/auth/jwks").get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="mana", issuer=url)
    assert (claims["email"], claims["role"], claims["tier"]) == (ANNA, "user", "founder")


def _bearer(client: Client, token: str | bytes) -> tuple[int, Any]:
    header = b"Bearer " + (token if isinstance(token, bytes) else token.encode())
    answer = client.call("GET", PERSONAS, headers={"authorization": header})
    return answer.status_code, answer.json()


def test_a_token_ends_after_fifteen_minutes(client: Client, clock: Clock) -> None:
    token = client.embedded.admin_token()
    clock.advance(minutes=14, seconds=59)
    assert _bearer(client, token)[0] == 200
    clock.advance(seconds=1)
    assert _bearer(client, token) == (401, {"statusCode": 401, "message": "Invalid or expired token"})


def test_no_forged_token_is_accepted(small: Client, tmp_path: Path) -> None:
    token = small.embedded.admin_token()
    header, payload, signature = token.split(".")
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False})
    public: str = small.call("GET", "/api/auth/jwks").json()["keys"][0]["x"]
    with Embedded.open(tmp_path / "other.db", scrypt_cost=2) as other:
        foreign = other.admin_token()
    forged: dict[str, str | bytes] = {
        "another key": foreign,
        "no signature": f"{header}.{payload}.",
        "a changed claim": f"{header}.{payload[:-2]}AA.{signature}",
        "alg none": jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        "the public key as a secret": jwt.encode(claims, public, algorithm="HS256", headers={"kid": kid}),
        "a kid that is no text": jwt.encode(claims, public, algorithm="HS256", headers={"kid": "../x"}),
        "no JWT": "x.y.z",
        "not ASCII": "é".encode("latin-1"),
    }
    for what, bad in forged.items():
        assert _bearer(small, bad)[0] == 401, what


def test_a_token_for_another_audience_is_not_accepted(small: Client, clock: Clock) -> None:
    service = small.embedded._service
    key = service.signer._private[service.signer._kid]
    end = int(clock().timestamp()) + 60
    claims = {"sub": "x", "role": "admin", "exp": end, "aud": "another"}
    bad = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": service.signer._kid})
    assert _bearer(small, bad)[0] == 401


def test_a_token_of_a_user_whose_role_has_gone_is_refused_when_it_is_renewed(client: Client) -> None:
    admin = client.embedded.admin
    assert admin is not None
    client.write(sa.update(schema.users).values(role="user"))
    token = client.login(admin.email, admin.password).json()["accessToken"]
    assert _bearer(client, token)[0] == 403


def test_the_newest_key_signs_and_older_ones_still_verify(client: Client, clock: Clock) -> None:
    from personas.embedded.service import load_signer

    service = client.embedded._service
    old = client.embedded.admin_token()
    clock.advance(seconds=1)
    service.signer = service.database.write(lambda connection: load_signer(connection, clock()))
    new = client.embedded.admin_token()
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    assert (_bearer(client, old)[0], _bearer(client, new)[0]) == (200, 200)
