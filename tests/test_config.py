from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from personas import SafetyError, UsageError
from personas.config import (
    choose_seed_secret,
    is_production,
    parse_address,
    read_token,
    resolve_config,
    variable,
)
from personas.passwords import DEVELOPMENT_SECRET

AWAY = "https://auth.example.com"
JWT = "eyJhbGciOi.eyJzdWIi.c2ln"
Set = Callable[..., None]


@pytest.fixture(name="env")
def _env(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set these variables, and unset those that an earlier call has set."""

    def set_all(**variables: str) -> None:
        monkeypatch.undo()
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_defaults_without_options_and_variables() -> None:
    config = resolve_config()
    assert str(config.address) == "http://localhost:3001"
    assert not config.service_named
    assert not config.has_credentials
    assert config.concurrency == 8


@pytest.mark.parametrize(
    "first",
    ["MANA_AUTH_URL", "MANA_ADMIN_JWT", "MANA_ADMIN_EMAIL", "MANA_ADMIN_PASSWORD", "PERSONA_SEED_SECRET"],
)
def test_both_names_of_a_variable_work(env: Set, first: str) -> None:
    name = first.partition("_")[2]
    second = f"PERSONAS_{name}"
    for values in (
        {first: "one"},
        {second: "one"},
        {first: "", second: "one"},
        {first: "one", second: "one"},
    ):
        env(**values)
        assert variable(name) == "one"
    env(**{first: "", second: ""})
    assert variable(name) is None
    env(**{first: "one", second: "two"})
    with pytest.raises(UsageError, match=f"{first} and {second} have different values"):
        variable(name)


@pytest.mark.parametrize("value", ["text\r", "text\n", " text", "\ttext", "text\u00a0"])
@pytest.mark.parametrize("name", ["MANA_ADMIN_PASSWORD", "PERSONAS_SEED_SECRET", "MANA_AUTH_URL"])
def test_white_space_around_a_value_names_the_variable(env: Set, name: str, value: str) -> None:
    env(**{name: value})
    with pytest.raises(UsageError, match=f"{name} has white space") as caught:
        resolve_config()
    assert "text" not in caught.value.message


def test_byte_order_mark_before_a_value_is_dropped(env: Set) -> None:
    env(PERSONA_SEED_SECRET="\ufefftext")
    assert variable("SEED_SECRET") == "text"
    assert read_token(f"\ufeff{JWT}", "--jwt").reveal() == JWT


@pytest.mark.parametrize("value", ["a\x07b", "a\nb", "a\udcffb"])
def test_unusable_characters_are_refused(env: Set, value: str) -> None:
    env(PERSONA_SEED_SECRET=value)
    with pytest.raises(UsageError, match="PERSONA_SEED_SECRET"):
        variable("SEED_SECRET")


def test_option_wins_over_variable(env: Set) -> None:
    env(MANA_AUTH_URL="https://other.example.com", MANA_ADMIN_JWT="other")
    config = resolve_config(auth="https://auth.example.com/", jwt=JWT)
    assert str(config.address) == "https://auth.example.com"
    assert config.token is not None
    assert config.token.reveal() == JWT
    assert config.service_named


def test_half_of_the_credentials_is_an_error(env: Set) -> None:
    env(MANA_ADMIN_EMAIL="a@b.test")
    with pytest.raises(UsageError, match="MANA_ADMIN_EMAIL is set but MANA_ADMIN_PASSWORD is not"):
        resolve_config()
    env(PERSONAS_ADMIN_PASSWORD="password")
    with pytest.raises(UsageError, match="MANA_ADMIN_PASSWORD is set but MANA_ADMIN_EMAIL is not"):
        resolve_config()


@pytest.mark.parametrize(
    ("text", "url", "loopback"),
    [
        ("http://localhost:3001/", "http://localhost:3001", True),
        ("http://127.0.0.2:80", "http://127.0.0.2:80", True),
        ("http://[::1]:3001", "http://[::1]:3001", True),
        ("https://auth.example.com/base/", "https://auth.example.com/base", False),
        ("https://localhost.example.com", "https://localhost.example.com", False),
    ],
)
def test_addresses(text: str, url: str, loopback: bool) -> None:
    address = parse_address(text)
    assert (address.url, address.loopback, str(address)) == (url, loopback, url)


def test_embedded_address_has_a_file() -> None:
    assert parse_address("embedded").embedded == Path(".personas/auth.db")
    assert str(parse_address("embedded:my.db")) == "embedded:my.db"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("localhost:3001", "not an http"),
        ("ftp://auth.example.com", "not an http"),
        ("http://", "not an http"),
        ("https://auth.example.com:0", "not an http"),
        ("https://auth.example.com:none", "a valid port"),
        ("https://user:hunter2@auth.example.com", "must not contain a user name"),
        ("https://auth.example.com?a=hunter2", "must not contain '\\?'"),
        ("https://auth.exämple.com", "not ASCII"),
        ("https://auth.example.com /hunter2", "white space"),
        ("embedded:postgresql://u:hunter2@host/db", "takes a file"),
    ],
)
def test_wrong_addresses_are_refused_without_repeating_them(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        parse_address(text)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_plain_http_to_another_machine_needs_an_option() -> None:
    with pytest.raises(SafetyError, match="plain http"):
        parse_address("http://auth.example.com")
    assert not parse_address("http://auth.example.com", allow_http=True).loopback


@pytest.mark.parametrize("endpoint", ["personas", "/a b", "/a?b", "/a/../b", "/a%2f", "//ä"])
def test_endpoint_must_be_a_path(endpoint: str) -> None:
    with pytest.raises(UsageError, match="--endpoint"):
        resolve_config(endpoint=endpoint)


@pytest.mark.parametrize("content", [JWT, f" {JWT}\n", f"Bearer {JWT}\r\n", f"\ufeff{JWT}"])
def test_token_is_read_from_a_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    assert read_token(f"@{file}", "--jwt").reveal() == JWT


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"one two", "white space"),
        (b"\xff\xfe\x00", "not valid UTF-8"),
    ],
)
def test_unusable_token_files_are_named(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        read_token(f"@{file}", "--jwt")
    with pytest.raises(UsageError, match="Cannot read the token from missing: No such file"):
        read_token("@missing", "--jwt")


@pytest.mark.parametrize(
    ("auth", "environ", "problem"),
    [
        (AWAY, {}, "is not set, but required for a service"),
        ("http://localhost:3001", {"PERSONAS_ENV": "production"}, "required in production"),
        (AWAY, {"PERSONA_SEED_SECRET": DEVELOPMENT_SECRET}, "is the public development secret, refused"),
    ],
)
def test_development_secret_is_refused_off_loopback(
    env: Set, auth: str, environ: dict[str, str], problem: str
) -> None:
    env(**environ)
    with pytest.raises(SafetyError, match=problem):
        choose_seed_secret(resolve_config(auth))


def test_seed_secret_on_loopback_defaults_to_the_development_secret(env: Set) -> None:
    assert choose_seed_secret(resolve_config()).development
    env(PERSONA_SEED_SECRET="our own secret")
    assert not choose_seed_secret(resolve_config()).development


@pytest.mark.parametrize("name", ["NODE_ENV", "PERSONAS_ENV"])
def test_two_variables_mean_production(env: Set, name: str) -> None:
    env(**{name: "Production"})
    assert is_production()
    env(**{name: "test"})
    assert not is_production()
