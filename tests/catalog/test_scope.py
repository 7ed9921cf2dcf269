from __future__ import annotations

from typing import Any

import pytest

from personas import Scope, parse_catalog
from tests.making import REMOVED, make_text

from .making import only_problem_of, problems_of


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("*@mana.test", "anna@mana.test Anna@Mana.TEST", "a@x.mana.test a@mana.test.org a@manaxtest"),
        ("books.*@acme.test", "books.omar@acme.test", "booksxomar@acme.test shop.books.omar@acme.test"),
        ("user-?@acme.test", "user-1@acme.test", "user-12@acme.test"),
        ("one@acme.test", "one@acme.test", "two@acme.test"),
    ],
)
def test_a_scope_contains_what_its_patterns_match(pattern: str, inside: str, outside: str) -> None:
    scope = Scope(patterns=(pattern,))
    assert all(scope.contains(email) for email in inside.split())
    assert not any(scope.contains(email) for email in outside.split())


def test_a_catalog_names_no_pattern_one_or_several() -> None:
    default = parse_catalog(make_text()).scope
    assert (default, default.patterns, str(default)) == (Scope(), ("*@mana.test",), "*@mana.test")
    books = parse_catalog(make_text({"email": "books.omar@acme.test"}, scope="books.*@acme.test"))
    assert books.scope.patterns == ("books.*@acme.test",)
    both = ["a.*@acme.test", "b.*@acme.test", "*@shop.example"]
    catalog = parse_catalog(make_text({"email": "b.x@acme.test"}, {"email": "x@shop.example"}, scope=both))
    assert str(catalog.scope) == "a.*@acme.test, b.*@acme.test, *@shop.example"
    assert catalog.warnings == ()


EMAIL, OUTSIDE = "$.personas[0].email", '"a@acme.test" is outside the scope'
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
        ("books.*@acme.test", EMAIL, f"{OUTSIDE} books.*@acme.test"),
        (REMOVED, EMAIL, f'{OUTSIDE} *@mana.test (add a "scope" to the catalog for other emails)'),
    ],
)
def test_a_wrong_scope_is_one_error_at_its_place(scope: Any, path: str, message: str) -> None:
    root = {} if scope == REMOVED else {"scope": scope}
    problem = only_problem_of(make_text({"email": "a@acme.test"} if path == EMAIL else {}, **root))
    assert (problem.path, problem.message) == (path, message)


def test_reserved_domains_need_no_permission() -> None:
    top = "mana.test a.b.test a.example a.invalid app.localhost"
    for domain in f"{top} example.com mail.example.org example.net".split():
        assert Scope(patterns=(f"*@{domain}",)).real_domains == ()
        assert parse_catalog(make_text({"email": f"a@{domain}"}, scope=f"*@{domain}")).warnings == ()


@pytest.mark.parametrize("domain", ["acme.com", "myexample.com", "example.de", "test.com", "latest.io"])
def test_real_domains_need_permission(domain: str) -> None:
    patterns = [f"a.*@{domain}", f"*@{domain}"]
    message = f'{domain} is not reserved for tests; writing to it needs "allowRealDomain": true'
    persona = {"email": f"a@{domain}"}
    (warning,) = parse_catalog(make_text(persona, scope=patterns, allowRealDomain=False)).warnings
    assert (warning.path, warning.message) == ("$.scope", message)
    allowed = parse_catalog(make_text(persona, scope=patterns, allowRealDomain=True))
    assert (allowed.warnings, allowed.allow_real_domain) == ((), True)
    assert allowed.scope.real_domains == (domain,)
    problems = problems_of(make_text(persona | {"name": ""}, scope=patterns))
    assert [problem.severity for problem in problems] == ["error", "warning"]
