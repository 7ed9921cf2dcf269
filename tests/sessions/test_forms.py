from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from personas.errors import UsageError
from personas.secret import Secret
from personas.service.signing import Session
from personas.sessions.documents import Kept, read_kept
from personas.sessions.forms import REUSABLE, Form, render, with_ends_of
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


def read(text: str, form: Form, **changes: str | None) -> Kept:
    where: dict[str, Any] = {"email": EMAIL, "service": SERVICE, **changes}
    return read_kept(text, form, **where)


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


NAMES = [
    "O'Neil",
    "$(touch pwned)",
    "`id`",
    'a "b" \\',
    "two\nlines",
    "ümlaut 😀",
    "",
    "'\n\\n $(id) `id` \"",
    "\n::error::boo\r\n::stop-commands::x\x1b[31m\x9b31m",
    "##[error]x ### ##[",
    "a\u2028b\u202ec\x85d",
]


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("name", NAMES)
def test_as_env_reaches_the_shell_as_it_is_whatever_is_in_a_name(name: str, shell: str) -> None:
    script = render(signed_in(name=name), Form.ENV) + 'printf "%s|%s" "$PERSONA_NAME" "$PERSONA_COOKIE"'
    told = subprocess.run([shell, "-euc", script], capture_output=True, check=True)
    assert told.stdout.decode() == f"{name}|mana.session_token=abc.def%3D"


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", NAMES)
def test_no_form_acts_on_a_terminal_or_a_ci_runner(name: str, form: Form) -> None:
    text = render(signed_in(name=name), form)
    assert "##[" not in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.strip().startswith("::") for line in text.split("\n"))
    if form is Form.JSON:
        assert json.loads(text)["name"] == name
    if form is Form.ENV:
        assert [line.partition("=")[0] for line in text.splitlines()] == [
            f"export PERSONA_{what}"
            for what in ("EMAIL", "NAME", "USER_ID", "SERVICE", "JWT", "COOKIE", "EXPIRES_AT")
        ]


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
        "service": SERVICE,
    }


def test_as_storage_state_a_session_without_an_end_lasts_as_long_as_the_browser() -> None:
    assert signed_in(ends=None).storage_state()["cookies"][0]["expires"] == -1


def test_as_storage_state_a_cookie_for_https_alone_stays_one() -> None:
    assert signed_in(secure=True).storage_state("http://localhost")["cookies"][0]["secure"] is True


def test_as_storage_state_needs_a_host() -> None:
    with pytest.raises(UsageError, match="no address") as refused:
        signed_in(service="").storage_state()
    assert "--base-url" in refused.value.hint


@example(value="x.y", name='"\x1f', ends=None, form=Form.ENV)
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
    kept = read(text, form).session
    assert kept is not None
    assert kept.header == before.session.header
    assert kept.expires_at == (ends.replace(microsecond=0) if ends else None)
    assert render(with_ends_of(before, kept), form) == text


@pytest.mark.parametrize("form", [Form.ENV, Form.JSON])
def test_a_session_of_another_persona_is_not_read(form: Form) -> None:
    text = render(signed_in(), form)
    assert read(text, form, email="persona.ben@mana.test") == Kept()


@pytest.mark.parametrize("form", REUSABLE)
@pytest.mark.parametrize(
    "other", ["https://localhost:3001", "http://localhost:3002", "http://127.0.0.1:3001", ""]
)
def test_a_session_is_for_scheme_host_and_port_of_the_service_that_issued_it(form: Form, other: str) -> None:
    base_url = "http://localhost:5173" if form is Form.STORAGE_STATE else None
    text = render(signed_in(), form, base_url=base_url)
    kept = read(text, form, service=other, base_url=base_url)
    assert kept == Kept(why_not=f"its session was issued by {SERVICE}")
    assert read(text, form, base_url=base_url).session is not None


@pytest.mark.parametrize("form", REUSABLE)
def test_a_file_that_does_not_say_who_issued_its_session_is_not_read_and_says_so(form: Form) -> None:
    text = render(signed_in(), form)
    old = text.replace("export PERSONA_SERVICE=", "export OTHER=").replace('"service"', '"other"')
    assert old != text
    kept = read(old, form)
    assert kept == Kept(why_not="it does not say which service issued its session")


@pytest.mark.parametrize("form", [Form.ENV, Form.JSON])
def test_a_session_of_the_embedded_service_in_process_is_for_that_alone(form: Form) -> None:
    text = render(signed_in(service=""), form)
    assert read(text, form, service="").session is not None
    kept = read(text, form)
    assert kept == Kept(why_not="its session was issued by an embedded service")


def test_a_browser_state_for_another_host_is_not_read() -> None:
    text = render(signed_in(), Form.STORAGE_STATE)
    other = "https://app.example.com"
    assert read(text, Form.STORAGE_STATE, base_url=other) == Kept()


def test_a_browser_state_that_the_browser_wrote_itself_is_read() -> None:
    state = json.loads(render(signed_in(), Form.STORAGE_STATE))
    cookie = state["cookies"][0]
    cookie["expires"] += 0.25
    state["cookies"].insert(0, {**cookie, "name": "theme", "partitionKey": "x"})
    state["origins"] = [{"origin": SERVICE, "localStorage": [{"name": "a", "value": "b"}]}]
    kept = read(json.dumps(state), Form.STORAGE_STATE).session
    assert kept is not None
    assert kept.header == signed_in().session.header


@pytest.mark.parametrize("value", ["a\r\nx-admin: 1", "a; b=c", "a b", "ü", "", "a" * 5000, "##[error]a"])
def test_a_cookie_that_could_be_more_than_a_cookie_is_not_read(value: str) -> None:
    for form in REUSABLE:
        text = render(signed_in(value=value), form)
        assert read(text, form) == Kept()


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"])
def test_a_time_that_is_none_is_no_end(end: str) -> None:
    document = json.loads(render(signed_in(), Form.JSON)) | {"expiresAt": end}
    kept = read(json.dumps(document), Form.JSON).session
    assert kept is not None
    assert kept.expires_at is None


NO_SESSIONS = ["[]", "{}", "null", '{"cookies": 1}', '{"cookies": [{}]}', "[" * 50_000, '{"cookies": []}']


@given(text=st.text(max_size=200) | st.sampled_from(NO_SESSIONS))
def test_a_file_that_holds_anything_else_is_no_session(text: str) -> None:
    for form in REUSABLE:
        assert read(text, form) == Kept()


@pytest.mark.parametrize("expires", [1e300, 10**400, -5, float("nan"), "soon", None])
def test_an_end_beyond_all_time_is_no_session_or_no_end(expires: object) -> None:
    state = json.loads(render(signed_in(), Form.STORAGE_STATE))
    state["cookies"][0]["expires"] = expires
    kept = read(json.dumps(state), Form.STORAGE_STATE).session
    assert kept is None or kept.expires_at is None


def test_neither_the_cookie_nor_the_token_is_in_any_repr() -> None:
    shown = repr(signed_in(value="cookie-value"))
    assert "cookie-value" not in shown
    assert "aaa.bbb.ccc" not in shown
