"""The report of one command: a document that every view reads."""

from __future__ import annotations

import json
from typing import Any, Literal

from personas import __version__
from personas.catalog.problems import Problem
from personas.reconcile.changes import LiveState, Outcome, Plan
from personas.report.sanitize import json_text
from personas.services.models import ServiceModel


class ErrorInfo(ServiceModel):
    """Why a run ended early."""

    message: str
    hint: str = ""


class CatalogSize(ServiceModel):
    """A valid catalog and how much it contains."""

    file: str
    personas: int
    spaces: int = 0


class Report(ServiceModel):
    """What one command found and did. This is JSON document version 1.

    Attributes:
        catalogs: The catalog files, as they were named.
        valid: The sizes of the valid ones, for `validate` and a `dry-run` without a service.
        service: The service's address; empty if none was asked.
        compared: Whether catalog and service were compared.
        applied: Whether the plan was carried out, at least in part.
        outcomes: One per action of the plan, in its order.
        live: What `list` and `show` read.
        problems: Errors and warnings of catalogs, in file order.
        notes: Facts about the run, such as a check that could not be made.
    """

    version: Literal[1] = 1
    tool: str = __version__
    command: str
    catalogs: tuple[str, ...] = ()
    valid: tuple[CatalogSize, ...] = ()
    service: str = ""
    compared: bool = False
    plan: Plan | None = None
    applied: bool = False
    outcomes: tuple[Outcome, ...] = ()
    live: LiveState | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    error: ErrorInfo | None = None
    interrupted: bool = False
    exit_code: int = 0
    requests: int = 0
    seconds: float = 0.0

    @property
    def in_sync(self) -> bool:
        """Whether there was something to compare, and nothing differs: one line says everything."""
        return self.compared and self.plan is not None and bool(self.plan.changes) and not self.plan.drift


def to_json(report: Report) -> str:
    """Return the document as JSON: indented, safe to print, never with NaN or lone surrogates."""
    document = json.dumps(report.model_dump(mode="json", by_alias=True))
    # A service may send NaN or Infinity, which JSON does not have.
    value = json.loads(document, parse_constant=lambda _: None)
    return json_text(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }
