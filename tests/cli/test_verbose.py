"""`--verbose`: each request on a line of stderr, without a secret."""

from __future__ import annotations

import re

from conftest import Served
from making import SECRET, make_jwt

from personas.passwords import derive_password

from .conftest import Personas

LINE = re.compile(r"(GET|POST|DELETE) (/\S*) \d{3} \d+\.\d{3} s")


def test_each_request_is_told_and_as_many_as_the_report_counts(
    personas: Personas, served: Served, at: tuple[str, ...]
) -> None:
    said = personas("seed", *at, "--verbose", "--report", "r.json")
    lines = [line for line in said.err.splitlines() if LINE.fullmatch(line)]
    assert said.code == 0
    assert len(lines) == len(served.lines)
    assert sum(line.startswith("POST /api/v1/admin/personas 200 ") for line in lines) == 3


def test_no_secret_is_in_it(personas: Personas, served: Served, at: tuple[str, ...]) -> None:
    admin = served.embedded.admin
    assert admin is not None
    env = {"MANA_ADMIN_EMAIL": admin.email, "MANA_ADMIN_PASSWORD": admin.password}
    personas("seed", *at)
    password = derive_password("persona.ada@mana.test", SECRET)
    for said in (
        personas("seed", "--auth", served.url, "--check-login", "-v", env=env),
        personas("login", "ada", "--auth", served.url, "-v"),
    ):
        assert said.code == 0, said
        assert LINE.search(said.err)
        assert not LINE.search(said.out)
        for secret in (admin.password, password, SECRET, at[-1], "eyJ"):
            assert secret not in said.err


def test_a_service_that_is_gone_is_told_with_each_try(personas: Personas, unused_port: int) -> None:
    said = personas("list", "--auth", f"http://127.0.0.1:{unused_port}", "--jwt", make_jwt(), "-v")
    assert (said.code, said.out) == (4, "")
    tries = [line for line in said.err.splitlines() if line.startswith("GET /api/v1/admin/personas ")]
    assert len(tries) > 1
    assert all("nothing answers" in line for line in tries), said.err
