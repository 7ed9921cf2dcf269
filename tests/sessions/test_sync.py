from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from conftest import both_forms

import personas
from personas import sync
from personas.catalog.reading import Catalog
from personas.errors import CredentialsRefused, Unreachable
from personas.reconcile.plan import Intent, plan
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.signing import WrongPassword

from .conftest import SECRET, Service

ADA = "persona.ada@mana.test"


@pytest.fixture
def auth(service: Service) -> sync.AuthService:
    return sync.AuthService(service.url, Credentials(mint=service.embedded.admin_token))


def parameters(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    nothing = inspect.Parameter.empty
    return {
        name: parameter.replace(
            annotation=nothing, default=nothing if callable(parameter.default) else parameter.default
        )
        for name, parameter in inspect.signature(function).parameters.items()
    }


def public(owner: type) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def test_the_blocking_service_offers_every_call_of_the_other_one_and_takes_the_same() -> None:
    ours, theirs = sync.AuthService, personas.AuthService
    counts = {"requests", "safety_requests"}
    assert public(theirs) - counts == public(ours) - {"wait_for", "address"}
    assert parameters(ours) == parameters(theirs)
    for name in public(ours) - {"wait_for", "address"}:
        wanted = parameters(getattr(theirs, name))
        for inner in ("safety", "not_after"):
            wanted.pop(inner, None)
        assert parameters(getattr(ours, name)) == wanted, name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (sync.survey, personas.survey),
        (sync.apply, personas.apply),
        (sync.sign_in, personas.sign_in),
        (sync.resume, personas.resume),
    ],
)
def test_a_blocking_function_takes_what_its_namesake_takes(
    ours: Callable[..., object], theirs: Callable[..., object]
) -> None:
    assert parameters(ours).items() <= parameters(theirs).items()


@both_forms("service", scope="session")
def test_a_catalog_is_seeded_compared_and_cleaned_up_without_await(
    auth: sync.AuthService, catalog: Catalog
) -> None:
    secret = Secret(SECRET)
    with auth:
        everybody = plan(catalog, sync.survey(auth, catalog, secret=secret), only="persona.cem")
        assert everybody.in_sync
        (cem,) = [p for p in auth.list_personas() if p.email == "persona.cem@mana.test"]
        assert auth.get_persona(cem.user_id).persona.system_prompt == catalog.personas[2].system_prompt
        gone = sync.apply(
            plan(catalog, sync.survey(auth, catalog), Intent(purpose="cleanup"), only="persona.cem"),
            auth,
            secret,
        )
        assert [str(outcome.result) for outcome in gone.outcomes] == ["done"]
        back = plan(catalog, sync.survey(auth, catalog, secret=secret), only="persona.cem")
        assert [str(change.state) for change in back] == ["create"]
        sync.apply(back, auth, secret)
        assert sync.sign_in(auth, catalog.personas[2], secret).email == "persona.cem@mana.test"


def test_a_session_is_resumed_until_it_is_signed_out(auth: sync.AuthService) -> None:
    with auth:
        first = sync.sign_in(auth, ADA, SECRET)
        again = sync.resume(auth, first.session)
        assert again is not None
        assert again.headers["cookie"] == first.headers["cookie"]
        assert auth.find_session(first.session) is not None
        auth.sign_out(first.session)
        assert sync.resume(auth, first.session) is None
        with pytest.raises(CredentialsRefused):
            auth.token_of(first.session)


def test_an_error_arrives_as_itself(auth: sync.AuthService) -> None:
    with auth, pytest.raises(WrongPassword, match=ADA) as refused:
        sync.sign_in(auth, ADA, "another")
    assert "personas seed" in refused.value.hint
    with sync.AuthService("http://127.0.0.1:1") as nobody, pytest.raises(Unreachable):
        sync.sign_in(nobody, ADA, SECRET)


def test_a_service_that_is_not_open_says_so(auth: sync.AuthService) -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        auth.list_personas()
    with auth:
        pass
    with pytest.raises(RuntimeError, match="with statement"):
        auth.list_personas()
