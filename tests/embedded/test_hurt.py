"""What would hurt the service, sent to it: huge passwords and emails."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from personas.embedded import schema
from personas.embedded.passwords import MAX_PASSWORD
from personas.embedded.users import MAX_EMAIL

from .client import ANNA, BO, HUMAN, LOGIN, PASSWORD, PERSONAS, REGISTER, SIGN_IN, SIGN_UP, Client, body

# 180 KB, whose NFKC takes seconds: it grows with the square of the marks in a row.
MARKS = "a" + "\u0315\u0300" * 45_000
LONG_EMAIL = "a" * 1_000_000 + "@mana.test"


def test_no_path_normalizes_an_endless_password(small: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def measuring(form: Any, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text[: 2 * MAX_PASSWORD])

    def post(path: str, **options: Any) -> int:
        headers = {"origin": small.embedded.base_url}
        return small.call("POST", path, headers=headers, **options).status_code

    small.seed()
    small.register(HUMAN, PASSWORD)
    monkeypatch.setattr(unicodedata, "normalize", measuring)
    for email in (ANNA, "nobody@mana.test"):
        credentials = {"email": email, "password": MARKS}
        assert [post(path, json=credentials) for path in (LOGIN, SIGN_IN)] == [401, 401]
        assert [post(path, data=credentials) for path in (SIGN_IN, "/sign-in")] == [401, 401]
    fresh = {"email": "fresh@mana.test", "password": MARKS, "name": "Fresh"}
    assert [post(path, json=fresh) for path in (REGISTER, SIGN_UP)] == [400, 400]
    for email, status in ((BO, 400), (HUMAN, 409), (ANNA, 200)):
        answer = small.admin("POST", PERSONAS, json=body(email, password=MARKS))
        assert answer.status_code == status
    assert small.login().status_code == 200
    assert max(lengths) <= MAX_PASSWORD


def test_emails_of_megabytes_are_neither_looked_up_nor_counted(small: Client) -> None:
    credentials = {"email": LONG_EMAIL, "password": PASSWORD, "name": "Long"}
    for path, status in ((LOGIN, 401), (REGISTER, 400), (SIGN_IN, 400), (SIGN_UP, 400)):
        assert small.call("POST", path, json=credentials).status_code == status
    assert small.admin("POST", PERSONAS, json=body(LONG_EMAIL)).status_code == 400
    for email in ("x" * MAX_EMAIL, "x" * (MAX_EMAIL + 1), "é" * MAX_EMAIL):
        assert small.login(email, "wrong").status_code == 401
    counted = [row["email"] for row in small.rows(schema.login_attempts)]
    assert sorted(counted) == ["x" * MAX_EMAIL, "é" * MAX_EMAIL]
