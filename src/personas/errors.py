"""The errors of this package and their exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from personas.catalog.problems import Problem


class PersonasError(Exception):
    """What happened (`message`), and what to do next (`hint`, can be empty); itself only for bugs."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PersonasError):
    """A wrong option, environment variable or file."""

    exit_code = 2


class CatalogError(PersonasError):
    """The catalog is invalid or missing; `problems` has errors and warnings in file order."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class ServiceError(PersonasError):
    """The service is unreachable or refused the credentials or a call.

    With `maybe_applied`, the service may have carried out the call nevertheless.
    """

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", maybe_applied: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.maybe_applied = maybe_applied


class UnreachableError(ServiceError):
    """No connection to the address, also after retries; the request was not received."""


class NoResponseError(UnreachableError):
    """The request was sent, and no complete answer arrived; `maybe_applied` is true for writes."""


class CredentialsError(ServiceError):
    """The admin's credentials are missing, expired, wrong, or not an admin's."""


class WrongPasswordError(CredentialsError):
    """The service says that email or password is wrong."""


class ResponseError(ServiceError):
    """The service refused one call, or its answer cannot be understood."""


class NotFoundError(ResponseError):
    """The service has no such persona, user or space."""


class NotOfferedError(ResponseError):
    """The service does not have this call."""


class RateLimitedError(ResponseError):
    """The service still asks for fewer calls after all retries; it did not carry out this one."""


class SafetyError(PersonasError):
    """A safety rule refused the run; nothing was changed."""

    exit_code = 5


class PartialFailure(PersonasError):
    """Some changes failed or are unknown; the others are done."""

    exit_code = 6


class DriftFound(PersonasError):
    """Catalog and service differ, and --fail-on-drift makes that a failure."""

    exit_code = 10


class Interrupted(PersonasError):
    """The run was interrupted; requests in flight were finished or are reported as unknown."""

    exit_code = 130
