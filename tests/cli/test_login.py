from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.faults.proxy import open_proxy

from .conftest import ADA, BO, CY, Service, entry, personas, write_catalog

STATE = ("-o", "storage-state")
KEEP = (*STATE, "--out", "ada.json", "--reuse")


def owner(service: Service, cookie: str) -> str:
    """The email of the account that a Cookie header signs in."""
    answer = httpx.get(f"{service.url}/api/auth/get-session", headers={"cookie": cookie}, verify=False)
    return str(answer.json()["user"]["email"])


def state_owner(service: Service, file: str) -> str:
    (cookie,) = json.loads(Path(file).read_text("utf-8"))["cookies"]
    return owner(service, f"{cookie['name']}={cookie['value']}")


def test_login_prints_a_token_or_a_cookie_header_and_nothing_else(seeded: Service) -> None:
    for who in ("ada", ADA):
        result = personas("login", who, "--auth", seeded.url)
        assert (result.code, result.err, result.out.count("."), len(result.out.split())) == (0, "", 2, 1)
    header = personas("login", "bo", "-o", "cookie", "--auth", seeded.url).out.strip()
    assert header.startswith("Cookie: ")
    assert owner(seeded, header.removeprefix("Cookie: ")) == BO


def test_login_prints_variables_that_a_shell_reads_as_text(service: Service) -> None:
    name = "Ada $(touch PWNED) 'x' ##[warning]y"
    write_catalog(entry("ada", name=name))
    assert personas("seed", *service.at).code == 0
    script = personas("login", "ada", "-o", "env", "--auth", service.url).out
    assert "##[" not in script
    shown = subprocess.run(
        ["sh", "-ec", f'{script}printf "%s|%s|%s" "$PERSONA_NAME" "$PERSONA_AUTH_URL" "$PERSONA_COOKIE"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split("|")
    assert (shown[0].replace("\\", ""), shown[1]) == (name, service.url)
    assert owner(service, shown[2]) == ADA
    assert not Path("PWNED").exists()


def test_a_storage_state_is_a_private_file_with_the_cookie_as_it_was_set(seeded: Service) -> None:
    Path("ada.json").write_text("old", "utf-8")
    result = personas("login", "ada", *STATE, "--out", "ada.json", "--auth", seeded.url)
    assert (result.code, result.out) == (0, "")
    assert stat.S_IMODE(Path("ada.json").stat().st_mode) == 0o600
    state = json.loads(Path("ada.json").read_text("utf-8"))
    (cookie,) = state["cookies"]
    assert (cookie["domain"], cookie["httpOnly"], cookie["sameSite"]) == ("localhost", True, "Lax")
    assert cookie["expires"] > 1_700_000_000
    assert state["service"] == seeded.url
    assert state_owner(seeded, "ada.json") == ADA
    base = personas("login", "ada", *STATE, "--base-url", "https://app.test", "--auth", seeded.url)
    assert base.json["cookies"][0]["domain"] == "app.test"
    assert personas("login", "ada", "--out", "/dev/null", "--auth", seeded.url).code == 0
    assert Path("/dev/null").is_char_device()


def test_a_file_is_reused_while_its_session_works(seeded: Service) -> None:
    login = ("login", "ada", *KEEP, "--auth", seeded.url)
    assert personas(*login).code == 0
    first = Path("ada.json").read_text("utf-8")
    assert personas(*login).code == 0
    assert Path("ada.json").read_text("utf-8") == first
    state = json.loads(first)
    (cookie,) = state["cookies"]
    for unusable in (
        json.dumps(state | {"cookies": [cookie | {"expires": 1}]}),
        json.dumps(state | {"cookies": [cookie | {"value": "ü"}]}),
        "[" * 100_000,
    ):
        Path("ada.json").write_text(unusable, "utf-8")
        assert "Wrote ada.json." in personas(*login).err
    other = (*login, "--base-url", "http://app.test")
    assert "Wrote ada.json." in personas(*other).err
    Path("ada.json").chmod(0o644)
    assert "Kept ada.json." in personas(*other).err
    assert stat.S_IMODE(Path("ada.json").stat().st_mode) == 0o600
    Path("ada.json").write_text(first, "utf-8")
    headers = {"cookie": f"{cookie['name']}={cookie['value']}", "origin": seeded.url}
    httpx.post(f"{seeded.url}/api/auth/sign-out", headers=headers, verify=False)
    of_bo = personas("login", "bo", *STATE, "--auth", seeded.url).out
    for kept in (first, of_bo, json.dumps({"service": seeded.url}), "\xff{"):
        Path("ada.json").write_text(kept, "latin-1")
        for address in ((), ("--base-url", "http://app.test")):
            assert personas(*login, *address).code == 0
            assert state_owner(seeded, "ada.json") == ADA


def test_a_session_is_sent_to_no_other_service(seeded: Service) -> None:
    assert personas("login", "ada", *KEEP, "--auth", seeded.url).code == 0
    with open_proxy(seeded.url) as other:
        result = personas("login", "ada", *KEEP, "--auth", other.url)
    assert result.code == 0
    assert f"ada.json is not reused: its session belongs to {seeded.url}" in result.err
    assert "cookie" not in other.requests[0].headers
    assert json.loads(Path("ada.json").read_text("utf-8"))["service"] == other.url


def test_all_writes_a_file_for_each_persona(seeded: Service) -> None:
    result = personas("login", "--all", *STATE, "--dir", "auth", "--auth", seeded.url)
    assert (result.code, result.err) == (0, "3 files in auth.\n")
    names = sorted(path.name for path in Path("auth").iterdir())
    assert names == ["persona.ada.json", "persona.bo.json", "persona.cy.json"]
    assert stat.S_IMODE(Path("auth").stat().st_mode) == 0o700
    again = personas("login", "--all", *STATE, "--dir", "auth", "--reuse", "--auth", seeded.url)
    assert "3 of them kept" in again.err
    some = personas("login", "ada", "bo", "--dir", "two", "--auth", seeded.url)
    assert (some.code, len(list(Path("two").iterdir()))) == (0, 2)


def test_equal_local_parts_get_files_of_their_own(service: Service) -> None:
    write_catalog(
        entry("a", email="a@one.test"), entry("b", email="a@two.test"), scope=["*@one.test", "*@two.test"]
    )
    assert personas("seed", *service.at).code == 0
    assert personas("login", "--all", "--dir", "d", "--auth", service.url).code == 0
    assert sorted(path.name for path in Path("d").iterdir()) == ["a@one.test.jwt", "a@two.test.jwt"]


def test_one_failure_stops_no_other(seeded: Service) -> None:
    write_catalog(entry("ada"), entry("bo"), entry("missing"))
    result = personas("login", "--all", "--dir", "auth", "--auth", seeded.url)
    assert result.code == 6
    assert "Failed: persona.missing@mana.test cannot sign in" in result.err
    assert "1 of 3 sign-ins failed." in result.err
    assert len(list(Path("auth").iterdir())) == 2


def test_a_wrong_password_names_the_secret_that_was_used(seeded: Service) -> None:
    wrong = personas("login", "ada", "--auth", seeded.url, PERSONA_SEED_SECRET="another-secret-0123")
    assert (wrong.code, "not seeded with PERSONA_SEED_SECRET" in wrong.err) == (4, True)
    unset = personas("login", "ada", "--auth", seeded.url, PERSONA_SEED_SECRET="")
    assert (unset.code, "not seeded with the development secret" in unset.err) == (4, True)


def test_login_works_on_the_embedded_service_in_process() -> None:
    assert personas("seed", "--auth", "embedded").code == 0
    state = personas("login", "cy", *STATE, "--auth", "embedded")
    assert (state.code, "personas serve" in state.err) == (2, True)
    assert personas("login", "cy", *STATE, "--auth", "embedded", "--base-url", "http://localhost:1").code == 0
    assert personas("login", CY, "--auth", "embedded:missing.db").code == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Name the personas"),
        (("ada", "--all", "--dir", "d"), "Name the personas"),
        (("--all",), "need --dir"),
        (("ada", "bo"), "need --dir"),
        (("ada", "--out", "x", "--dir", "d"), "cannot be used together"),
        (("ada", "--reuse", "--out", "x"), "--reuse needs -o storage-state"),
        (("ada", *STATE, "--reuse"), "--reuse needs --out or --dir"),
        (("ada", "--base-url", "http://a.test"), "--base-url needs"),
        (("ada", *STATE, "--base-url", "a.test"), "--base-url is not"),
        (("ada", *STATE, "--base-url", "embedded://a"), "--base-url is not"),
        (("ada", "--out", ""), "empty"),
        (("--all", "--dir", ""), "empty"),
        (("ada", "--out", "."), "directory"),
        (("ada", "--out", "missing/ada.jwt"), "does not exist"),
        (("--all", "--dir", "catalog.json"), "catalog.json"),
        (("zoe",), "No persona in catalog.json matches 'zoe'"),
        (("zoe@mana.test",), "No persona in catalog.json matches"),
    ],
)
def test_wrong_arguments_end_before_any_sign_in(arguments: tuple[str, ...], text: str) -> None:
    result = personas("login", *arguments, "--auth", "http://127.0.0.1:1")
    assert (result.code, result.out, text in result.err) == (2, "", True)
