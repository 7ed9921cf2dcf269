"""The errors of this package, and the exit code that each of them means.

PersonasError            1   a bug in the tool, when nothing below fits
├── UsageError           2   a flag, a variable or a file that was named wrongly
│   └── NotInstalled         an extra is needed, and not installed
├── CatalogError         3   the catalog is not valid; carries every problem at once
├── ServiceError         4   the service is unreachable, or it refused the credentials
│   ├── Unreachable          nothing answers at the address
│   │   └── Unanswered       a call was sent, and no whole answer came
│   ├── TooLate              a call was held back until it must not be sent any more
│   ├── CredentialsRefused   the token is missing, expired, or not an admin's
│   └── BadAnswer            an answer that cannot be understood, or a refusal of one call
│       ├── RateLimited      the service goes on asking for fewer calls
│       └── Unavailable      the service goes on saying that it is not available
├── Refused              5   a safety rule refused; nothing was changed
├── PartlyFailed         6   some personas failed, the rest is done
├── DriftFound          10   drift, where --fail-on-drift asked for it to be a failure
└── Interrupted        130   the run was interrupted
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


class PersonasError(Exception):
    """The root of the tree: what happened, and what to do next.

    Args:
        message: What happened, and to which persona or place.
        hint: What to do next; empty when there is nothing useful to say.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(PersonasError):
    """A flag, an environment variable or a file was named wrongly."""

    exit_code = 2


class NotInstalled(UsageError):
    """A part of this package that is an extra is needed, and not installed."""

    def __init__(self, missing: ImportError) -> None:
        super().__init__(
            f"the embedded service is not installed: {missing.name} is missing",
            hint="Install it with: pip install '.[embedded]' in a clone, pip install 'personas[embedded]' "
            "from an index, or pip install 'personas[embedded] @ git+URL' from its repository.",
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or doubtful, in a catalog.

    Attributes:
        path: The JSON path, such as `$.personas[3].email`.
        line: The line in the file, from 1.
        column: The column in code points, from 1.
        message: What is wrong and what would be right.
        file: The catalog file as it was named.
        excerpt: The source around the place, one line; empty when it is not kept.
        caret: Where in the excerpt the place is, in code points, from 0.
    """

    path: str
    line: int
    column: int
    message: str
    file: str = ""
    excerpt: str = field(default="", compare=False)
    caret: int = field(default=0, compare=False)


class CatalogError(PersonasError):
    """The catalog is not valid; `problems` has every reason, in the order of the file."""

    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"{first.file}:{first.line}:{first.column}: {first.message}{more}",
            hint="See every problem with: personas validate",
        )


class ServiceError(PersonasError):
    """The service is unreachable, or it refused.

    Attributes:
        lost: Whether an earlier try of the same call got no answer: the service may have acted on it.
    """

    exit_code = 4
    lost = False


class Unreachable(ServiceError):
    """Nothing answers at the address, also after retries; the call was not received."""


class Unanswered(Unreachable):
    """A call was sent, and no whole answer came: whether the service acted on it is not known."""


class TooLate(ServiceError):
    """A call that must not be sent after some moment was held back until then.

    Attributes:
        held_back_by: What the service had answered before; None when it was only waiting for its turn.
    """

    held_back_by: ServiceError | None = None


class CredentialsRefused(ServiceError):
    """The token or the email and password are missing, expired, wrong, or not an admin's."""


class BadAnswer(ServiceError):
    """The service refused one call, or answered something that cannot be understood."""


class RateLimited(BadAnswer):
    """The service goes on asking for fewer calls; it did not act on this one."""


class Unavailable(BadAnswer):
    """The service goes on saying that it is not available."""


class Refused(PersonasError):
    """A safety rule refused; nothing was changed."""

    exit_code = 5


class PartlyFailed(PersonasError):
    """Some personas failed; the rest is done."""

    exit_code = 6


class DriftFound(PersonasError):
    """Catalog and service differ, and --fail-on-drift asked for that to be a failure."""

    exit_code = 10


class Interrupted(PersonasError):
    """The run was interrupted; what was in flight has been finished or told as unknown."""

    exit_code = 130


def why_unusable(error: OSError | ValueError) -> str:
    """Why a file or a stream cannot be used, in lower case; a ValueError is about its name."""
    if isinstance(error, OSError):
        return (error.strerror or "unknown reason").lower()
    return "it cannot be a file name"
