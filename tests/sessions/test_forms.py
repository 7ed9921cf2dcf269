from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personas.errors import UsageError
from personas.secret import Secret
from personas.service.signing import Session
from personas.sessions.forms import REUSABLE, Form, read_session, render, with_ends_of
from personas.sessions.signed_in import SignedIn

EMAIL = "persona.ada@mana.test"
SERVICE = "http://localhost:3001"
ENDS = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN_CHARACTERS = "ABCxyz019%._~+/=-"


def signed_in(
    *,
    name: str | None = "Ada",
    value: str = "abc.def%3D",
    ends: datetime | None = ENDS,
    secure: bool = False,
    service: str = SERVICE,
) -> SignedIn:
    session = Session(EMAIL, "mana.session_token", Secret(value), ends, secure, "user-1", name)
    return SignedIn(session, Secret("aaa.bbb.ccc"), service)


def test_as_jwt_is_the_token_alone() -> None:
    assert render(signed_in(), Form.JWT) == "aaa.bbb.ccc\n"


def test_as_cookie_is_a_header_line() -> None:
    assert render(signed_in(), Form.COOKIE) == "Cookie: mana.session_token=abc.def%3D\n"


def test_as_json_says_who_where_and_until_when() -> None:
    assert json.loads(render(signed_in(), Form.JSON)) == {
        "email": EMAIL,
        "name": "Ada",
        "userId": "user-1",
        "service": SERVICE,
        "jwt": "aaa.bbb.ccc",
        "cookie": {"name": "mana.session_token", "value": "abc.def%3D", "secure": False},
        "expiresAt": "2030-01-02T03:04:05Z",
    }


@pytest.mark.parametrize(
    "name", ["O'Neil", "$(touch pwned)", "`id`", 'a "b" \\', "two\nlines", "ümlaut 😀", ""]
)
def test_as_env_reaches_the_shell_as_it_is_whatever_is_in_a_name(name: str) -> None:
    script = render(signed_in(name=name), Form.ENV) + 'printf "%s|%s" "$PERSONA_NAME" "$PERSONA_COOKIE"'
    told = subprocess.run(["bash", "-euc", script], capture_output=True, check=True, text=True)
    assert told.stdout == f"{name}|mana.session_token=abc.def%3D"


@pytest.mark.parametrize(
    ("base_url", "domain", "secure"),
    [
        (None, "localhost", False),
        ("http://127.0.0.1:5173", "127.0.0.1", False),
        ("https://app.example.com/deep/path", "app.example.com", True),
        ("http://[::1]:5173", "[::1]", False),
    ],
)
def test_as_storage_state_sets_the_cookie_for_the_host_that_the_browser_goes_to(
    base_url: str | None, domain: str, secure: bool
) -> None:
    state = json.loads(render(signed_in(), Form.STORAGE_STATE, base_url=base_url))
    assert state == {
        "cookies": [
            {
                "name": "mana.session_token",
                "value": "abc.def%3D",
                "domain": domain,
                "path": "/",
                "expires": int(ENDS.timestamp()),
                "httpOnly": True,
                "secure": secure,
                "sameSite": "Lax",
            }
        ],
        "origins": [],
    }


def test_as_storage_state_a_session_without_an_end_lasts_as_long_as_the_browser() -> None:
    assert signed_in(ends=None).storage_state()["cookies"][0]["expires"] == -1


def test_as_storage_state_a_cookie_for_https_alone_stays_one() -> None:
    assert signed_in(secure=True).storage_state("http://localhost")["cookies"][0]["secure"] is True


def test_as_storage_state_needs_a_host() -> None:
    with pytest.raises(UsageError, match="no address") as refused:
        signed_in(service="").storage_state()
    assert "--base-url" in refused.value.hint


@given(
    value=st.text(TOKEN_CHARACTERS, min_size=1, max_size=60),
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    ends=st.none()
    | st.integers(1_000_000, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
    form=st.sampled_from(REUSABLE),
)
def test_a_file_that_was_written_is_read_again_to_the_second(
    value: str, name: str, ends: datetime | None, form: Form
) -> None:
    before = signed_in(value=value, name=name, ends=ends)
    text = render(before, form)
    kept = read_session(text, form, email=EMAIL, service=SERVICE)
    assert kept is not None
    assert kept.header == before.session.header
    assert kept.expires_at == (ends.replace(microsecond=0) if ends else None)
    assert render(with_ends_of(before, kept), form) == text


@pytest.mark.parametrize("form", [Form.ENV, Form.JSON])
def test_a_session_of_another_persona_or_another_service_is_not_read(form: Form) -> None:
    text = render(signed_in(), form)
    assert read_session(text, form, email="persona.ben@mana.test", service=SERVICE) is None
    assert read_session(text, form, email=EMAIL, service="https://auth.example.com") is None


def test_a_browser_state_for_another_host_is_not_read() -> None:
    text = render(signed_in(), Form.STORAGE_STATE)
    other = "https://app.example.com"
    assert read_session(text, Form.STORAGE_STATE, email=EMAIL, service=SERVICE, base_url=other) is None


@pytest.mark.parametrize("value", ["a\r\nx-admin: 1", "a; b=c", "a b", "ü", "", "a" * 5000])
def test_a_cookie_that_could_be_more_than_a_cookie_is_not_read(value: str) -> None:
    for form in REUSABLE:
        text = render(signed_in(value=value), form)
        assert read_session(text, form, email=EMAIL, service=SERVICE) is None


@given(
    text=st.text(max_size=200) | st.sampled_from(["[]", "{}", "null", '{"cookies": 1}', '{"cookies": [{}]}'])
)
def test_a_file_that_holds_anything_else_is_no_session(text: str) -> None:
    for form in REUSABLE:
        assert read_session(text, form, email=EMAIL, service=SERVICE) is None


def test_neither_the_cookie_nor_the_token_is_in_any_repr() -> None:
    shown = repr(signed_in(value="cookie-value"))
    assert "cookie-value" not in shown
    assert "aaa.bbb.ccc" not in shown
