from __future__ import annotations

from typing import Any

import pytest

from personas.catalog.loader import parse_catalog
from personas.catalog.models import Scope
from personas.errors import CatalogError

from .making import make_text, only_problem_of


def test_the_default_scope_is_mana_test() -> None:
    scope = parse_catalog(make_text()).scope
    assert scope == Scope.default()
    assert (scope.patterns, scope.domains, str(scope)) == (("*@mana.test",), ("@mana.test",), "*@mana.test")


@pytest.mark.parametrize(
    ("pattern", "email", "contained"),
    [
        ("*@mana.test", "anna@mana.test", True),
        ("*@mana.test", "Anna@Mana.TEST", True),
        ("*@mana.test", "anna@x.mana.test", False),
        ("*@mana.test", "anna@mana.test.org", False),
        ("*@mana.test", "anna@manaxtest", False),
        ("books.*@acme.test", "books.omar@acme.test", True),
        ("books.*@acme.test", "booksxomar@acme.test", False),
        ("books.*@acme.test", "shop.books.omar@acme.test", False),
        ("user-?@acme.test", "user-1@acme.test", True),
        ("user-?@acme.test", "user-12@acme.test", False),
        ("one@acme.test", "one@acme.test", True),
    ],
)
def test_a_scope_contains_what_its_patterns_match(pattern: str, email: str, contained: bool) -> None:
    assert Scope(patterns=(pattern,)).contains(email) is contained


def test_a_catalog_names_one_pattern_or_several() -> None:
    books = parse_catalog(make_text({"email": "books.omar@acme.test"}, scope="books.*@acme.test"))
    assert books.scope.patterns == ("books.*@acme.test",)
    both = ["a.*@acme.test", "b.*@acme.test", "*@shop.example"]
    catalog = parse_catalog(make_text({"email": "b.x@acme.test"}, {"email": "x@shop.example"}, scope=both))
    assert catalog.scope.domains == ("@acme.test", "@shop.example")
    assert str(catalog.scope) == "a.*@acme.test, b.*@acme.test, *@shop.example"
    assert catalog.warnings == ()


WORDS = 'must be emails in lower case, with * and ? before the @ only, as in "*@mana.test", not'


@pytest.mark.parametrize(
    ("scope", "path", "message"),
    [
        ("*", "$.scope", f'"scope" {WORDS} "*"'),
        ("anna@*.test", "$.scope", f'"scope" {WORDS} "anna@*.test"'),
        ("*@Mana.test", "$.scope", f'"scope" {WORDS} "*@Mana.test"'),
        ("@mana.test", "$.scope", f'"scope" {WORDS} "@mana.test"'),
        (["*@mana.test", "*"], "$.scope[1]", f'scope[1] {WORDS} "*"'),
        (["*"], "$.scope[0]", f'scope[0] {WORDS} "*"'),
        ([5], "$.scope[0]", "scope[0] must be a string, not 5"),
        ([], "$.scope", '"scope" must not be empty'),
        (None, "$.scope", '"scope" must be a pattern or a list of patterns'),
        ({"patterns": ["*@mana.test"]}, "$.scope", '"scope" must be a pattern or a list of patterns'),
    ],
)
def test_a_wrong_scope_is_one_error_at_its_place(scope: Any, path: str, message: str) -> None:
    problem = only_problem_of(make_text(scope=scope))
    assert (problem.path, problem.message) == (path, message)


def test_an_email_outside_the_scope_is_an_error_that_names_it() -> None:
    problem = only_problem_of(make_text({"email": "shop.a@acme.test"}, scope="books.*@acme.test"))
    assert problem.path == "$.personas[0].email"
    assert problem.message == '"shop.a@acme.test" is outside the scope books.*@acme.test'
    message = only_problem_of(make_text({"email": "a@acme.test"})).message
    assert message == (
        '"a@acme.test" is outside the scope *@mana.test (add a "scope" to the catalog for other emails)'
    )


@pytest.mark.parametrize(
    ("domain", "reserved"),
    [
        ("mana.test", True),
        ("a.b.test", True),
        ("acme.example", True),
        ("acme.invalid", True),
        ("app.localhost", True),
        ("example.com", True),
        ("mail.example.org", True),
        ("example.net", True),
        ("acme.com", False),
        ("myexample.com", False),
        ("example.de", False),
        ("test.com", False),
        ("latest.io", False),
    ],
)
def test_real_domains_need_permission(domain: str, reserved: bool) -> None:
    pattern = f"*@{domain}"
    assert Scope(patterns=(pattern,)).real_domains == (() if reserved else (f"@{domain}",))
    persona = {"email": f"a@{domain}"}
    text = make_text(persona, scope=pattern, allowRealDomain=False)
    warnings = [warning.message for warning in parse_catalog(text).warnings]
    message = f'{domain} is not reserved for tests; writing to it needs "allowRealDomain": true'
    assert warnings == ([] if reserved else [message])
    allowed = parse_catalog(make_text(persona, scope=pattern, allowRealDomain=True))
    assert (allowed.warnings, allowed.allow_real_domain) == ((), True)


def test_a_real_domain_is_a_warning_beside_errors() -> None:
    text = make_text({"email": "a@acme.com", "name": ""}, scope="*@acme.com")
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    assert [(problem.path, problem.severity) for problem in caught.value.problems] == [
        ("$.personas[0].name", "error"),
        ("$.scope", "warning"),
    ]
    assert str(caught.value) == "catalog.json is invalid: 1 error"
