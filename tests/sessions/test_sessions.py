from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from personas import AuthService, Refused, resume, sign_in
from personas.catalog.reading import Catalog
from personas.service.signing import Session, WrongPassword
from personas.sessions.signed_in import choose_secret
from personas.settings import Address, parse_auth

from .conftest import SECRET, Service

pytestmark = pytest.mark.anyio
ADA = "persona.ada@mana.test"


async def test_an_entry_of_the_catalog_is_signed_in_with_cookie_and_jwt(
    service: Service, catalog: Catalog
) -> None:
    async with AuthService(service.url) as auth:
        ada = await sign_in(auth, catalog.personas[0], SECRET)
    assert (ada.email, ada.session.name, ada.service) == (ADA, "Ada O'Neil", service.url)
    assert ada.headers["authorization"].startswith("Bearer ey")
    assert ada.headers["cookie"].startswith("mana.session_token=")
    assert ada.session.expires_at is not None
    assert ada.session.expires_at - datetime.now(UTC) > timedelta(days=6)


async def test_without_a_secret_the_variable_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AuthService(service.url) as auth:
        with pytest.raises(WrongPassword):
            await sign_in(auth, ADA)
        monkeypatch.setenv("PERSONA_SEED_SECRET", SECRET)
        assert (await sign_in(auth, ADA)).email == ADA


async def test_one_wrong_secret_is_one_attempt(service: Service) -> None:
    async with AuthService(service.url) as auth:
        with pytest.raises(WrongPassword):
            await sign_in(auth, ADA, "another")
        assert auth.requests == 1


async def test_the_development_secret_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    with pytest.raises(Refused, match="development secret"):
        choose_secret(parse_auth("https://auth.example.com"))
    monkeypatch.setenv("PERSONAS_ENV", "production")
    async with AuthService(service.url) as auth:
        with pytest.raises(Refused, match="development secret"):
            await sign_in(auth, ADA)
        assert auth.requests == 0


def test_a_given_secret_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_SEED_SECRET", "variable")
    address = Address(url="http://localhost:3001", loopback=True)
    assert choose_secret(address, "given").reveal() == "given"
    assert choose_secret(address).reveal() == "variable"


@pytest.mark.parametrize("left", [timedelta(minutes=30), timedelta(days=-1)])
async def test_a_session_that_is_about_to_end_is_not_resumed(service: Service, left: timedelta) -> None:
    async with AuthService(service.url) as auth:
        session = (await sign_in(auth, ADA, SECRET)).session
        assert await resume(auth, session) is not None
        assert await resume(auth, replace(session, expires_at=datetime.now(UTC) + left)) is None


async def test_a_session_of_somebody_else_is_not_resumed(service: Service) -> None:
    async with AuthService(service.url) as auth:
        session: Session = (await sign_in(auth, "persona.ben@mana.test", SECRET)).session
        assert await resume(auth, replace(session, email=ADA)) is None
