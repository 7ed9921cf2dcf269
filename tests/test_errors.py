from __future__ import annotations

from io import UnsupportedOperation

import pytest

from personas import errors
from personas.errors import why_unusable

EXIT_CODES = {
    "PersonasError": 1,
    "NotInstalled": 2,
    "UsageError": 2,
    "CatalogError": 3,
    "ServiceError": 4,
    "Unreachable": 4,
    "Unanswered": 4,
    "TooLate": 4,
    "CredentialsRefused": 4,
    "BadAnswer": 4,
    "RateLimited": 4,
    "Unavailable": 4,
    "Refused": 5,
    "PartlyFailed": 6,
    "DriftFound": 10,
    "Interrupted": 130,
}


def tree() -> dict[str, type[errors.PersonasError]]:
    found = vars(errors).values()
    return {e.__name__: e for e in found if isinstance(e, type) and issubclass(e, errors.PersonasError)}


def test_every_error_has_the_exit_code_of_the_table() -> None:
    assert {name: error.exit_code for name, error in tree().items()} == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_the_tree_in_the_docstring_names_every_error(name: str) -> None:
    assert name in (errors.__doc__ or "")


def test_a_catalog_error_leads_with_its_first_problem_and_counts_the_rest() -> None:
    first = errors.Problem("$", 3, 7, "it is wrong", "c.json")
    assert errors.CatalogError((first,)).message == "c.json:3:7: it is wrong"
    assert errors.CatalogError((first, first, first)).message == "c.json:3:7: it is wrong (and 2 more)"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (UnsupportedOperation("not writable"), "unknown reason"),
        (ValueError("embedded null byte"), "it cannot be a file name"),
    ],
)
def test_why_a_file_or_a_stream_cannot_be_used_is_told_in_words(
    error: OSError | ValueError, why: str
) -> None:
    assert why_unusable(error) == why
