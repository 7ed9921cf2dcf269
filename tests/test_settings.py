from __future__ import annotations

import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from making import make_jwt

from personas.errors import CredentialsRefused, PersonasError, Refused, UsageError
from personas.secret import Secret
from personas.settings import DEFAULT_ENDPOINT, Settings, is_loopback, parse_auth, parse_duration, resolve

TOKEN = make_jwt()


def test_nothing_said_means_the_defaults() -> None:
    settings = resolve(environ={})
    assert settings == Settings()
    assert settings.catalog == "catalog.json"
    assert settings.auth.url == "http://localhost:3001"
    assert settings.endpoint == "/api/v1/admin/personas"
    assert (settings.concurrency, settings.timeout) == (8, 30.0)


VARIABLES = {
    "MANA_ADMIN_EMAIL": "admin@example.com",
    "MANA_ADMIN_PASSWORD": "admin-password",
    "PERSONA_SEED_SECRET": "seed-secret",
    "NO_COLOR": "1",
    "CI": "true",
    "GITHUB_STEP_SUMMARY": "summary.md",
    "GITHUB_OUTPUT": "outputs",
    "MANA_SERVICE_KEY": "service-key",
}


def test_every_variable_that_has_no_option_is_read() -> None:
    settings = resolve(environ=VARIABLES)
    assert settings.admin_email == "admin@example.com"
    assert settings.admin_password == Secret("admin-password")
    assert settings.seed_secret == Secret("seed-secret")
    assert (settings.no_color, settings.ci, settings.production) == (True, True, False)
    assert (settings.step_summary, settings.step_outputs) == (Path("summary.md"), Path("outputs"))
    assert settings.service_key == Secret("service-key")


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert resolve(environ=dict.fromkeys(VARIABLES, "")) == Settings()


def test_no_repr_shows_a_secret() -> None:
    settings = resolve(environ=VARIABLES)
    for secret in ("MANA_SERVICE_KEY", "MANA_ADMIN_PASSWORD", "PERSONA_SEED_SECRET"):
        assert VARIABLES[secret] not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("environ", "name", "value"),
    [
        ({"NODE_ENV": "production"}, "production", True),
        ({"PERSONAS_ENV": "production"}, "production", True),
        ({"NODE_ENV": " Production "}, "production", True),
        ({"NODE_ENV": "development"}, "production", False),
        ({"PERSONAS_ENV": "prod"}, "production", False),
        ({"CI": "true"}, "ci", True),
        ({"CI": "1"}, "ci", True),
        ({"CI": "false"}, "ci", False),
        ({"CI": "0"}, "ci", False),
        ({"NO_COLOR": "yes"}, "no_color", True),
        ({"TERM": "dumb"}, "no_color", True),
    ],
)
def test_production_ci_and_colour_are_said_by_their_variables(
    environ: dict[str, str], name: str, value: bool
) -> None:
    assert getattr(resolve(environ=environ), name) is value


@pytest.mark.parametrize(
    ("text", "url", "loopback"),
    [
        ("http://localhost:3001", "http://localhost:3001", True),
        ("http://localhost:3001///", "http://localhost:3001", True),
        ("HTTP://LOCALHOST", "http://LOCALHOST", True),
        ("http://127.0.0.1:80/auth/", "http://127.0.0.1:80/auth", True),
        ("http://127.8.9.1", "http://127.8.9.1", True),
        ("http://[::1]:3001", "http://[::1]:3001", True),
        ("https://auth.example.com", "https://auth.example.com", False),
        ("https://localhost.example.com", "https://localhost.example.com", False),
        ("https://127.0.0.1.example.com", "https://127.0.0.1.example.com", False),
    ],
)
def test_an_address_is_understood_and_loopback_known_by_its_name_alone(
    text: str, url: str, loopback: bool
) -> None:
    address = parse_auth(text)
    assert (address.url, address.loopback, address.embedded) == (url, loopback, None)


@pytest.mark.parametrize(
    ("text", "file"),
    [("embedded", ".personas/auth.db"), ("embedded:", ".personas/auth.db"), ("embedded:a/b", "a/b")],
)
def test_the_embedded_service_is_named_with_or_without_its_file(text: str, file: str) -> None:
    address = parse_auth(text)
    assert (address.embedded, address.loopback, address.url) == (Path(file), True, "")
    assert str(address) == f"embedded:{file}"


def test_embedded_takes_no_url_and_does_not_show_the_one_it_got() -> None:
    with pytest.raises(UsageError) as caught:
        parse_auth("embedded:postgresql://user:geheim@localhost/app")
    assert str(caught.value).startswith("--auth embedded:… takes a file, not a URL")
    assert "geheim" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "text",
    [
        "localhost:3001",
        "ftp://localhost",
        "//localhost",
        "http://",
        "http://:3001",
        "http://localhost:0",
        "http://localhost:99999",
        "http://localhost:x",
        "http://[::1",
        "http://local host",
        "http://localhost\n",
        "http://localhost\x00",
        "http://localhost?x=1",
        "http://localhost#x",
        "https://bücher.example",
        "https://token-hush@auth.example.com",
        "https://user:hush-hush@auth.example.com",
        "https://user:hush/hush@auth.example.com",
        "https://user:hush?hush@auth.example.com",
        "https://user:hush#hush@auth.example.com",
        "https://user:hush:hush@auth.example.com:99999",
        "https://user:hush@auth.example.com:port",
        "https://[user:hush@auth.example.com",
        "user:hush@auth.example.com",
        "https://hush@",
        "embeded",
    ],
)
def test_what_is_no_address_is_wrong_usage_that_names_the_source_and_no_password(text: str) -> None:
    with pytest.raises(UsageError, match="MANA_AUTH_URL") as caught:
        parse_auth(text, source="MANA_AUTH_URL")
    assert caught.value.hint
    assert "hush" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("host", ["auth.example.com", "10.0.0.1", "0.0.0.0", "localhost.example.com"])
def test_plain_http_to_another_machine_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(Refused, match="plain http") as caught:
        parse_auth(f"http://{host}:3001")
    assert "--allow-http" in caught.value.hint
    assert parse_auth(f"http://{host}:3001", allow_http=True).loopback is False


def test_this_machine_is_known_and_others_are_never_taken_for_it() -> None:
    assert all(map(is_loopback, ["localhost", "LocalHost", "127.0.0.1", "::1", "127.1.2.3"]))
    others = ["", "0.0.0.0", "192.168.0.1", "::", "example.com", "127.0.0.1.nip.io"]
    assert [host for host in others if is_loopback(host)] == []


@pytest.mark.parametrize(
    ("text", "path"),
    [("/api/v1/personas/admin", "/api/v1/personas/admin"), ("/api/v1/admin/personas/", DEFAULT_ENDPOINT)],
)
def test_an_endpoint_is_a_path_without_a_trailing_slash(text: str, path: str) -> None:
    assert resolve(endpoint=text, environ={}).endpoint == path


@pytest.mark.parametrize(
    "text",
    [
        "api",
        "//evil.example",
        "http://evil.example/",
        "/a?b",
        "/a#b",
        "/a b",
        "/a/../b",
        "/ä",
        "/a\n",
        "/%2e",
    ],
)
def test_an_endpoint_that_could_lead_elsewhere_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="--endpoint"):
        resolve(endpoint=text, environ={})


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        (" 12H ", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_a_number_with_its_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "1h30m", "1y", "9999999d", "١h"])
def test_what_is_no_duration_is_told_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 90m, 12h or 7d"):
        parse_duration(text)


# Whence a setting came


def test_a_wrong_address_or_token_is_told_by_the_variable_that_it_came_from() -> None:
    with pytest.raises(UsageError, match="MANA_AUTH_URL 'nonsense'"):
        resolve(auth="nonsense", environ={"MANA_AUTH_URL": "nonsense"})
    with pytest.raises(UsageError, match="--auth 'nonsense'"):
        resolve(auth="nonsense", environ={"MANA_AUTH_URL": "http://localhost:3001"})
    with pytest.raises(CredentialsRefused, match="what --jwt holds"):
        resolve(jwt=Secret("not one"), environ={})


# Tokens


@pytest.mark.parametrize("text", [TOKEN, f"  {TOKEN}\n", f"Bearer {TOKEN}", f"bearer  {TOKEN}\r\n"])
def test_a_token_is_freed_of_what_people_paste_around_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    assert resolve(jwt=Secret(text), environ={}).jwt == Secret(TOKEN)
    assert resolve(jwt=Secret(f"@{file}"), environ={}).jwt == Secret(TOKEN)


def test_a_token_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN + "\n"))
    assert resolve(jwt=Secret("-"), environ={}).jwt == Secret(TOKEN)
    with pytest.raises(UsageError, match="no token in standard input"):
        resolve(jwt=Secret("-"), environ={})


def test_standard_input_that_is_no_text_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8"))
    with pytest.raises(CredentialsRefused, match="standard input"):
        resolve(jwt=Secret("-"), environ={})


def test_no_token_is_waited_for_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with open(theirs) as terminal, open(ours, "wb"):  # noqa: PTH123 - these are descriptors
        monkeypatch.setattr("sys.stdin", terminal)
        with pytest.raises(UsageError, match="that is a terminal"):
            resolve(jwt=Secret("-"), environ={})


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_token_is_told_with_its_likely_reason(text: str) -> None:
    with pytest.raises(UsageError, match="--jwt: it is empty") as caught:
        resolve(jwt=Secret(text), environ={})
    assert "variable" in caught.value.hint


@pytest.mark.parametrize("text", ["secret two", "secret\ntwo", "sécret", "secret" * 20_000])
def test_what_can_be_no_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        resolve(jwt=Secret(text), environ={"MANA_ADMIN_JWT": text})
    assert "MANA_ADMIN_JWT" in caught.value.message
    assert "cret" not in caught.value.message


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    empty = tmp_path / "empty"
    empty.touch()
    for name, reason in [
        (tmp_path / "nowhere", "no such file"),
        (tmp_path, "is a directory"),
        (empty, "it is empty"),
        (binary, "no text"),
        ("a\0b", "cannot be a file name"),
    ]:
        with pytest.raises(PersonasError, match=reason):
            resolve(jwt=Secret(f"@{name}"), environ={})


def test_a_token_in_the_place_of_an_address_or_a_path_is_in_no_message() -> None:
    places: list[dict[str, Any]] = [
        {"auth": TOKEN},
        {"auth": f"ftp://{TOKEN}"},
        {"endpoint": TOKEN},
        {"endpoint": f"/{TOKEN}?"},
    ]
    for given in places:
        with pytest.raises(UsageError) as refused:
            resolve(**given, environ={})
        assert "eyJ" not in refused.value.message + refused.value.hint
