from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from conftest import both_forms
from pytest_httpserver import HTTPServer

from personas.catalog.reading import Catalog
from personas.passwords import derive_password

from .conftest import SECRET, Personas, Service
from .limited import serving_few

ADA = "persona.ada@mana.test"
ALL = ("login", "--all", "--only", "persona.[abc]*")  # everybody but Dana
REUSE = ("login", "ada", "--as", "storage-state", "--out", "ada.json", "--reuse")


def who_has(service: Service, cookie: dict[str, str] | str) -> str:
    """Whose session a cookie is, as the service knows it."""
    header = cookie if isinstance(cookie, str) else f"{cookie['name']}={cookie['value']}"
    body = httpx.get(f"{service.url}/api/auth/get-session", headers={"cookie": header}).json()
    return str(body["user"]["email"])


def count_sessions(service: Service) -> int:
    count: int = service.embedded._service.database.read(
        lambda connection: connection.scalar(sa.text("select count(*) from sessions")) or 0
    )
    return count


def files_in(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def file_of(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("who", ["ada", "persona.ada", "ADA O'Neil", ADA, " Persona.Ada@mana.test "])
def test_login_prints_a_jwt_of_the_persona_and_nothing_else(personas: Personas, who: str) -> None:
    told = personas("login", who)
    assert (told.code, told.err, told.out.count(".")) == (0, "", 2)
    assert len(told.out.split()) == 1


@both_forms("service", scope="session")
def test_login_as_cookie_is_a_header_that_the_service_takes(personas: Personas, service: Service) -> None:
    told = personas("login", "ada", "--as", "cookie")
    name, _, value = told.out.strip().partition(": ")
    assert (name, who_has(service, value)) == ("Cookie", ADA)


def test_login_as_env_gives_a_shell_what_curl_needs(personas: Personas) -> None:
    script = personas("login", "ben", "--as", "env").out + (
        'printf "%s " "$PERSONA_NAME";'
        'curl -sf -H "Cookie: $PERSONA_COOKIE" "$PERSONA_SERVICE/api/auth/get-session"'
    )
    told = subprocess.run(["bash", "-euc", script], capture_output=True, check=True, text=True)
    assert told.stdout.startswith("Ben $HOME {")
    assert "persona.ben@mana.test" in told.stdout


def test_login_as_storage_state_sets_a_cookie_that_signs_in(personas: Personas, service: Service) -> None:
    state = json.loads(personas("login", "ada", "--as", "storage-state").out)
    cookie = state["cookies"][0]
    assert cookie["domain"] == "127.0.0.1"
    assert who_has(service, cookie) == ADA


def test_login_needs_no_catalog_for_a_whole_email(personas: Personas) -> None:
    assert personas("login", ADA, "--catalog", "missing.json").code == 0
    told = personas("login", "ada", "--catalog", "missing.json")
    assert told.code == 3
    assert "missing.json" in told.err


def test_login_works_with_the_embedded_service_in_process(personas: Personas) -> None:
    personas("seed", "--auth", "embedded", "--only", ADA, "--quiet")
    assert personas("login", "ada", "--auth", "embedded").out.count(".") == 2


def test_login_for_a_browser_asks_where_the_embedded_service_will_be(personas: Personas) -> None:
    told = personas("login", "ada", "--auth", "embedded", "--as", "storage-state")
    assert (told.code, told.out) == (2, "")
    assert "--base-url" in told.err


def test_login_ignores_admin_credentials_that_are_half_there(personas: Personas) -> None:
    assert personas("login", "ada", MANA_ADMIN_EMAIL="someone@example.com").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either WHO or --all"),
        (["ada", "--all", "--out", "auth"], "either WHO or --all"),
        (["--all"], "--out"),
        (["ada", "--only", "x"], "--only goes with --all"),
        (["ada", "--reuse"], "--out"),
        (["ada", "--reuse", "--out", "x"], "does not say whose session"),
        (["ada", "--as", "storage-state", "--base-url", "localhost:3001"], "--base-url"),
        (["ada", "--as", "storage-state", "--base-url", "embedded"], "--base-url"),
        (["ada", "--out", "."], "is a folder"),
        (["ada", "--out", "missing/ada.jwt"], "no such file"),
        (["ada", "--out", "/dev/null"], "no ordinary file"),
        (["--all", "--out", "auth", "--only", "zoe"], "nobody"),
        (["zoe"], "nobody in"),
        (["somebody@example.com"], "@mana.test"),
        (["Ada <ada@mana.test>"], "WHO is no persona"),
    ],
)
def test_login_says_what_was_not_meant_so_before_anybody_signs_in(
    personas: Personas, arguments: list[str], said: str
) -> None:
    told = personas("login", *arguments, MANA_AUTH_URL="http://127.0.0.1:1")
    assert (told.code, told.out) == (2, "")
    assert said in told.err


# What goes wrong


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"PERSONA_SEED_SECRET": "another"}, 4, [ADA, "personas seed)", "personas seed --recreate"]),
        ({"PERSONA_SEED_SECRET": "", "NODE_ENV": "production"}, 5, ["development secret"]),
        ({"PERSONA_SEED_SECRET": "", "PERSONAS_ENV": "production"}, 5, ["development secret"]),
        (
            {"PERSONA_SEED_SECRET": "", "MANA_AUTH_URL": "https://auth.example.com"},
            5,
            ["development secret"],
        ),
        ({"MANA_AUTH_URL": "http://auth.example.com"}, 5, ["plain http"]),
    ],
)
def test_a_secret_that_is_wrong_or_may_not_be_used_there_is_told(
    personas: Personas, variables: dict[str, str], code: int, said: list[str]
) -> None:
    told = personas("login", "ada", **variables)
    assert (told.code, told.out) == (code, "")
    assert [words for words in said if words not in told.err] == []


def test_an_unverified_email_is_told_as_that(personas: Personas, service: Service) -> None:
    email = "persona.dana@mana.test"
    body = {"email": email, "password": derive_password(email, SECRET), "name": "Dana"}
    httpx.post(f"{service.url}/api/v1/auth/register", json=body)
    told = personas("login", "dana")
    assert told.code == 4
    assert "not verified" in told.err


def test_an_unreachable_service_is_told_with_the_next_step(personas: Personas) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: nobody else answers there either
        told = personas("login", "ada", MANA_AUTH_URL=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert told.code == 4
    assert "nothing answers" in told.err
    assert "--auth embedded" in told.err


@pytest.mark.parametrize("secret", [SECRET, "wrong-one-7"])
def test_no_secret_is_in_what_is_told_besides_what_was_asked_for(personas: Personas, secret: str) -> None:
    password = derive_password(ADA, secret)
    for arguments in (
        ["ada", "--debug"],
        ["ada", "--out", "ada.jwt", "--debug"],
        ["--all", "--out", "auth", "--debug"],
    ):
        told = personas("login", *arguments, PERSONA_SEED_SECRET=secret)
        assert secret not in told.out + told.err
        assert password not in told.out + told.err
        if "--out" in arguments:
            assert told.out == ""
            assert "eyJ" not in told.err


# Files


def test_out_writes_a_file_for_its_owner_alone_also_over_an_open_one(personas: Personas) -> None:
    Path("ada.cookie").write_text("old", encoding="utf-8")
    Path("ada.cookie").chmod(0o644)
    told = personas("login", "ada", "--as", "cookie", "--out", "ada.cookie")
    assert (told.code, told.out) == (0, "")
    assert stat.S_IMODE(Path("ada.cookie").stat().st_mode) == 0o600
    assert file_of("ada.cookie").startswith("Cookie: ")
    assert files_in(".") == ["ada.cookie"]


def test_out_keeps_what_was_there_when_the_sign_in_fails(personas: Personas) -> None:
    Path("ada.jwt").write_text("old", encoding="utf-8")
    assert personas("login", "ada", "--out", "ada.jwt", PERSONA_SEED_SECRET="another").code == 4
    assert file_of("ada.jwt") == "old"


def test_out_warns_when_git_would_track_the_file_and_only_then(personas: Personas) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".gitignore").write_text("/auth/\n", encoding="utf-8")
    told = personas("login", "ada", "--out", "ada.jwt")
    assert told.code == 0
    assert "git would track ada.jwt" in told.err
    Path("auth").mkdir()
    assert personas("login", "ada", "--out", "auth/ada.jwt").err == ""
    subprocess.run(["git", "add", "-f", "auth/ada.jwt"], check=True)
    assert "git would track" in personas("login", "ada", "--out", "auth/ada.jwt").err


# --reuse


@pytest.mark.parametrize("form", ["env", "json", "storage-state"])
def test_reuse_keeps_a_session_that_still_holds(personas: Personas, service: Service, form: str) -> None:
    arguments = ("login", "ada", "--as", form, "--out", "ada", "--reuse")
    before = count_sessions(service)
    assert personas(*arguments).code == 0
    first = file_of("ada")
    assert personas(*arguments).code == 0
    assert count_sessions(service) == before + 1
    if form == "storage-state":
        assert file_of("ada") == first  # the others hold a JWT, which is fresh each time


def test_reuse_signs_in_again_when_the_session_has_ended(personas: Personas, service: Service) -> None:
    personas(*REUSE)
    first = json.loads(file_of("ada.json"))["cookies"][0]
    headers = {"cookie": f"{first['name']}={first['value']}", "origin": service.url}
    httpx.post(f"{service.url}/api/auth/sign-out", headers=headers).raise_for_status()
    assert personas(*REUSE).code == 0
    second = json.loads(file_of("ada.json"))["cookies"][0]
    assert second["value"] != first["value"]
    assert who_has(service, second) == ADA


def test_reuse_signs_in_as_the_one_who_was_asked_for(personas: Personas, service: Service) -> None:
    personas(*REUSE)
    assert personas("login", "ben", *REUSE[2:]).code == 0
    assert who_has(service, json.loads(file_of("ada.json"))["cookies"][0]) == "persona.ben@mana.test"


@pytest.mark.parametrize("form", ["env", "json", "storage-state"])
def test_reuse_sends_no_session_to_another_service_than_the_one_that_issued_it(
    personas: Personas, service: Service, httpserver: HTTPServer, form: str
) -> None:
    base_url = ["--base-url", "http://localhost:5173"] if form == "storage-state" else []
    arguments = ["login", "ada", "--as", form, "--out", "ada", "--reuse", *base_url]
    assert personas(*arguments).code == 0
    httpserver.expect_request(re.compile("")).respond_with_data(status=404)
    told = personas(*arguments, MANA_AUTH_URL=httpserver.url_for(""))
    assert told.code == 4
    assert f"note: ada is not reused: its session was issued by {service.url}" in told.err
    asked = [(request.path, request.headers.get("cookie")) for request, _ in httpserver.log]
    assert asked == [("/api/auth/sign-in/email", None)]


def test_reuse_says_that_a_file_of_an_older_version_does_not_tell_its_service(personas: Personas) -> None:
    personas(*REUSE)
    state = json.loads(file_of("ada.json"))
    del state["service"]
    Path("ada.json").write_text(json.dumps(state), encoding="utf-8")
    told = personas(*REUSE)
    assert told.code == 0
    assert told.err == (
        "note: ada.json is not reused: it does not say which service issued its session; signing in anew\n"
    )
    assert personas(*REUSE).err == ""


def test_reuse_writes_the_file_anew_for_another_base_url(personas: Personas) -> None:
    personas(*REUSE)
    assert personas(*REUSE, "--base-url", "https://app.example.com").code == 0
    cookie = json.loads(file_of("ada.json"))["cookies"][0]
    assert (cookie["domain"], cookie["secure"]) == ("app.example.com", True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"{}", b"x" * 100_000])
def test_reuse_takes_a_file_that_is_no_session_for_none(personas: Personas, content: bytes) -> None:
    Path("ada.json").write_bytes(content)
    assert personas("login", "ada", "--as", "json", "--out", "ada.json", "--reuse").code == 0
    assert json.loads(file_of("ada.json"))["email"] == ADA


# --all


def test_all_writes_a_file_for_each_named_by_local_part(personas: Personas, service: Service) -> None:
    told = personas(*ALL, "--as", "json", "--out", "auth/new")
    assert (told.code, told.out) == (0, "")
    assert "3 of 3 sessions are in auth/new" in told.err
    assert stat.S_IMODE(Path("auth/new").stat().st_mode) == 0o700
    for key in ("ada", "ben", "cem"):
        kept = json.loads(file_of(f"auth/new/persona.{key}.json"))
        assert kept["email"] == who_has(service, kept["cookie"]) == f"persona.{key}@mana.test"


def test_all_takes_only_whom_the_pattern_means(personas: Personas) -> None:
    assert personas("login", "--all", "--only", "researcher", "--out", "auth").code == 0
    assert files_in("auth") == ["persona.ben.jwt"]


@both_forms("service", scope="session")
def test_all_tells_who_failed_and_does_the_others(personas: Personas) -> None:
    told = personas("login", "--all", "--out", "auth", "--as", "env")
    assert told.code == 6
    assert "failed: " in told.err
    assert "persona.dana@mana.test" in told.err
    assert "1 could not be signed in; 3 of 4 sessions are in auth" in told.err
    assert files_in("auth") == ["persona.ada.env", "persona.ben.env", "persona.cem.env"]


@both_forms("service", scope="session")
def test_all_says_that_the_secret_differs_when_everybody_is_refused(personas: Personas) -> None:
    told = personas(*ALL, "--out", "auth", PERSONA_SEED_SECRET="another")
    assert told.code == 6
    assert "PERSONA_SEED_SECRET differs" in told.err
    assert files_in("auth") == []


def test_all_with_reuse_keeps_what_holds_and_replaces_what_does_not(
    personas: Personas, service: Service
) -> None:
    arguments = (*ALL, "--as", "storage-state", "--out", "auth", "--reuse")
    personas(*arguments)
    kept = file_of("auth/persona.ada.json")
    Path("auth/persona.ben.json").write_text("{}", encoding="utf-8")
    before = count_sessions(service)
    told = personas(*arguments)
    assert told.code == 0
    assert "3 of 3 sessions are in auth, 2 of them kept" in told.err
    assert file_of("auth/persona.ada.json") == kept
    assert count_sessions(service) == before + 1


def test_all_is_paced_to_what_the_service_allows(personas: Personas, service: Service) -> None:
    with serving_few(service, window=0.15) as (url, limited):
        for folder in ("one", "two"):
            told = personas(*ALL, "--out", folder, MANA_AUTH_URL=url)
            assert told.code == 0, told.err
    assert limited.refused
    assert files_in("two") == ["persona.ada.jwt", "persona.ben.jwt", "persona.cem.jwt"]


@pytest.mark.parametrize("reuse", [(), ("--reuse",)], ids=["anew", "reuse"])
def test_all_does_the_rest_where_one_file_is_a_pipe_and_one_a_folder(
    personas: Personas, reuse: tuple[str, ...]
) -> None:
    Path("auth").mkdir()
    os.mkfifo("auth/persona.ada.json")
    Path("auth/persona.ben.json").mkdir()
    told = personas(*ALL, "--as", "storage-state", "--out", "auth", *reuse)
    assert told.code == 6
    assert "failed: --out auth/persona.ada.json is no ordinary file" in told.err
    assert "failed: --out auth/persona.ben.json is a folder" in told.err
    assert "2 could not be signed in or written; 1 of 3 sessions are in auth" in told.err
    assert stat.S_ISFIFO(Path("auth/persona.ada.json").stat().st_mode)
    assert json.loads(file_of("auth/persona.cem.json"))["cookies"]


def test_all_does_the_rest_where_a_file_cannot_be_written_whole(
    personas: Personas, service: Service, catalog: Catalog
) -> None:
    personas(*ALL, "--as", "json", "--out", "auth")
    kept = file_of("auth/persona.ada.json")
    # No file may become longer: what a full disk does, without one.
    login = f"{sys.executable} -m personas login --all --as json --out auth --auth {service.url}"
    script = f"ulimit -f 0; exec {login}"
    variables = {"PATH": os.defpath, "PERSONAS_CATALOG": catalog.file, "PERSONA_SEED_SECRET": SECRET}
    told = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert told.returncode == 6
    for key in ("ada", "ben", "cem"):
        assert f"failed: --out auth/persona.{key}.json could not be written: file too large" in told.stderr
    assert "0 of 4 sessions are in auth" in told.stderr
    assert file_of("auth/persona.ada.json") == kept
    assert files_in("auth") == ["persona.ada.json", "persona.ben.json", "persona.cem.json"]


def test_all_stops_at_once_when_nobody_answers(personas: Personas) -> None:
    told = personas("login", "--all", "--out", "auth", MANA_AUTH_URL="http://127.0.0.1:1")
    assert told.code == 4
    assert "0 of 4 sessions are in auth" in told.err
    assert "failed:" not in told.err


def test_all_stops_at_a_service_that_asks_to_wait_for_longer_than_anybody_would(
    personas: Personas, service: Service
) -> None:
    with serving_few(service, window=1000) as (url, _):
        told = personas("login", "--all", "--out", "auth", MANA_AUTH_URL=url)
    assert told.code == 4
    assert "asks to wait" in told.err
    number = len(files_in("auth"))
    assert number in {2, 3}  # Dana, who is not verified, may have been the third
    assert f"{number} of 4 sessions are in auth" in told.err


def test_all_refuses_a_file_where_the_folder_should_be(personas: Personas) -> None:
    Path("auth").write_text("", encoding="utf-8")
    told = personas("login", "--all", "--out", "auth")
    assert told.code == 2
    assert "is a file" in told.err


def test_an_interrupt_ends_a_sign_in_that_waits_and_says_what_is_done(
    catalog: Catalog, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        program = [sys.executable, "-m", "personas", "login", "--all", "--out", "auth", "--auth", url]
        environment = {"PATH": os.defpath, "PERSONAS_CATALOG": catalog.file}
        with (
            subprocess.Popen(
                program, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
            ) as running,
            silent.accept()[0],  # a sign-in is under way
        ):
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "0 of 4 sessions are in auth" in told
    assert files_in(tmp_path / "auth") == []
