"""What would hurt the service, done to it: huge passwords and emails, and work that fails half-way."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import event, exc

from personas.embedded import Embedded, schema, serving
from personas.embedded.passwords import MAX_PASSWORD
from personas.embedded.users import MAX_EMAIL

from .client import ANNA, BO, PASSWORD, PERSONAS, Client, body
from .conftest import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable

# 180 KB, whose NFKC takes seconds: it grows with the square of the marks in a row.
MARKS = "a" + "\u0315\u0300" * 45_000
HUMAN = "human@mana.test"
LONG_EMAIL = "a" * 4_000_000 + "@mana.test"


@pytest.fixture(scope="module", params=BOTH)
def place(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> str:
    return make_database(request.param)


def test_no_path_normalizes_a_password_that_nobody_can_have(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def measuring(form: Any, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text[: 2 * MAX_PASSWORD])

    with Embedded.open(place, scrypt_cost=2) as embedded, serving(embedded) as url:
        client = Client(embedded)
        client.seed()
        client.register(HUMAN, PASSWORD)
        monkeypatch.setattr(unicodedata, "normalize", measuring)
        bearer = {"authorization": f"Bearer {embedded.admin_token()}"}
        with httpx.Client(base_url=url, headers={"origin": url}) as http:

            def post(path: str, **options: Any) -> int:
                return http.post(path, **options).status_code

            for email in (ANNA, "nobody@mana.test"):
                credentials = {"email": email, "password": MARKS}
                assert post("/api/v1/auth/login", json=credentials) == 401
                assert post("/api/auth/sign-in/email", json=credentials) == 401
                assert post("/api/auth/sign-in/email", data=credentials) == 401
                assert post("/sign-in", data=credentials) == 401
            for path in ("/api/v1/auth/register", "/api/auth/sign-up/email"):
                fresh = {"email": "fresh@mana.test", "password": MARKS, "name": "Fresh"}
                assert post(path, json=fresh) == 400
            assert post(PERSONAS, json=body(BO, password=MARKS), headers=bearer) == 400
            assert post(PERSONAS, json=body(HUMAN, password=MARKS), headers=bearer) == 409
            assert post(PERSONAS, json=body(ANNA, password=MARKS), headers=bearer) == 200
            assert post("/api/v1/auth/login", json={"email": ANNA, "password": PASSWORD}) == 200
    assert max(lengths) <= MAX_PASSWORD


def test_emails_of_megabytes_are_neither_looked_up_nor_counted(place: str) -> None:
    with Embedded.open(place, scrypt_cost=2) as embedded, serving(embedded) as url:
        client = Client(embedded)
        before = len(client.rows(schema.login_attempts))
        credentials = {"email": LONG_EMAIL, "password": PASSWORD, "name": "Long"}
        with httpx.Client(base_url=url, headers={"origin": url}) as http:
            for path, status in (
                ("/api/v1/auth/login", 401),
                ("/api/v1/auth/register", 400),
                ("/api/auth/sign-in/email", 400),
                ("/api/auth/sign-up/email", 400),
            ):
                answer = http.post(path, json={**credentials, "email": LONG_EMAIL[10_000:]})
                assert answer.status_code == status, (path, answer.text[:300])
            bearer = {"authorization": f"Bearer {embedded.admin_token()}"}
            made = http.post(PERSONAS, json=body(LONG_EMAIL[10_000:]), headers=bearer)
            assert made.status_code == 400, made.text[:300]
        for email in ("x" * MAX_EMAIL, "x" * (MAX_EMAIL + 1), "é" * MAX_EMAIL):
            assert client.login(email, "wrong").status_code == 401
        counted = [row["email"] for row in client.rows(schema.login_attempts)][before:]
        assert sorted(counted) == ["x" * MAX_EMAIL, "é" * MAX_EMAIL]


# --- work that fails half-way -------------------------------------------------------------------------------


class Fault:
    """Lets the n-th change to the database fail, as a full disk or a lost connection would."""

    def __init__(self, embedded: Embedded, number: int) -> None:
        self._engine = embedded._service.database._engine
        self._left = number

    def __enter__(self) -> Fault:
        event.listen(self._engine, "before_cursor_execute", self._count)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._count)

    @property
    def happened(self) -> bool:
        return self._left <= 0

    def _count(self, _1: Any, _2: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._left -= 1
            if self._left == 0:
                raise exc.OperationalError("a change", {}, RuntimeError("the disk is full"))


def _everything(client: Client) -> dict[str, list[Any]]:
    return {table.name: client.rows(table) for table in schema.metadata.sorted_tables}


CREDENTIALS = {"email": ANNA, "password": PASSWORD}
WORKS: dict[str, Callable[[Client], httpx.Response]] = {
    "register": lambda client: client.call(
        "POST", "/api/v1/auth/register", json={**CREDENTIALS, "email": "fresh@mana.test", "name": "F"}
    ),
    "log in": lambda client: client.login(),
    "log in with a wrong password": lambda client: client.login(password="wrong"),
    "sign in": lambda client: client.sign_in(),
    "create a persona": lambda client: client.admin("POST", PERSONAS, json=body("new@mana.test")),
    "change a persona": lambda client: client.admin("POST", PERSONAS, json=body(archetype="solo-dev")),
    "heal a half-created one": lambda client: client.admin("POST", PERSONAS, json=body(HUMAN)),
    "delete a persona": lambda client: client.admin("DELETE", f"{PERSONAS}/{client.user(ANNA)['id']}"),
}


@pytest.mark.parametrize("work", WORKS)
def test_what_fails_in_the_middle_leaves_nothing_half_done(client: Client, work: str) -> None:
    client.seed()
    client.register(HUMAN, PASSWORD)
    client.login(password="wrong")
    client.cookie()
    for number in range(1, 20):
        before = _everything(client)
        with Fault(client.embedded, number) as fault:
            answer = WORKS[work](client)
        if not fault.happened:
            break
        assert answer.status_code == 503
        assert _everything(client) == before
    assert number > 1
    assert answer.status_code in (200, 401)
    assert _everything(client) != before
