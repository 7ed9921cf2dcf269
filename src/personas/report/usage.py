"""What a set of personas means for the product: the share of expected use that each module gets."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from personas.reconcile.plan import Step
from personas.report.document import Shares, Usage
from personas.report.visible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from personas.catalog.reading import Catalog, Persona
    from personas.reconcile.plan import Change, Plan
    from personas.report.document import Report
    from personas.service.models import LivePersona

TICKS_A_WEEK: Mapping[str, int] = {"hourly": 168, "daily": 7, "weekdays": 5}


def shares(personas: Iterable[Persona | LivePersona]) -> Shares:
    """The expected use by these personas; modules are sorted by use, cadences by ticks."""
    number = not_told = ticks = 0
    modules: dict[str, float] = {}
    archetypes: Counter[str] = Counter()
    cadences: Counter[str] = Counter()
    for persona in personas:
        number += 1
        archetypes[persona.archetype or "not told"] += 1
        cadences[str(persona.tick_cadence or "not told")] += 1
        weekly = TICKS_A_WEEK.get(persona.tick_cadence or "")
        if persona.module_mix is None or weekly is None:
            not_told += 1
            continue
        normalised = _normalised(persona.module_mix)
        ticks += weekly if normalised else 0
        for module, share in normalised:
            modules[module] = modules.get(module, 0.0) + share * weekly
    total = sum(modules.values())
    ranked = sorted(modules.items(), key=lambda item: (-round(item[1], 9), item[0]))
    return Shares(
        personas=number,
        not_told=not_told,
        ticks_per_week=ticks,
        modules={module: round(use / total, 6) for module, use in ranked},
        archetypes=dict(sorted(archetypes.items())),
        cadences=dict(sorted(cadences.items(), key=lambda item: (-TICKS_A_WEEK.get(item[0], 0), item[0]))),
    )


def _normalised(mix: Mapping[str, float]) -> list[tuple[str, float]]:
    """The weights over their sum; none when all are zero. Scaled first: huge weights would overflow."""
    used = [(module, weight) for module, weight in mix.items() if 0 < weight <= sys.float_info.max]
    if not used:
        return []
    largest = max(weight for _, weight in used)
    total = sum(weight / largest for _, weight in used)
    return [(module, weight / largest / total) for module, weight in used]


def usage_of(command: str, plan: Plan | None, loaded: Catalog | None, *, offline: bool) -> Usage | None:
    """The use before and after a plan, or of a catalog alone; None where neither is told."""
    if plan is not None and plan.catalog_known and command != "show":
        before = None if offline else shares(c.existing for c in plan if c.existing is not None)
        return Usage(before=before, after=shares(left for change in plan if (left := _left(change))))
    if loaded is not None and plan is None:
        return Usage(before=None, after=shares(loaded.personas))
    return None


def _left(change: Change) -> Persona | LivePersona | None:
    """What is live once a change's step is carried out."""
    if change.step is Step.DELETE:
        return None
    return change.wanted if change.step is not None else change.existing


def meaning(report: Report) -> Usage | None:
    """The use before and after, for a preview; before is None where there is nothing to compare with.

    None when there is nothing to tell: no plan, a plan of another kind, or one that changes nothing of this.
    """
    plan, usage = report.plan, report.usage
    if plan is None or usage is None or not (report.dry_run and plan.changes) or plan.is_cleanup:
        return None
    before, after = usage.before, usage.after
    if before is None or not before.personas:
        return Usage(before=None, after=after)
    same = (before.modules, before.archetypes, before.cadences) == (
        after.modules,
        after.archetypes,
        after.cadences,
    )
    return None if same else usage


def ranked(usage: Usage) -> list[tuple[str, float, float]]:
    """Each module whose share is or becomes another, with both shares, the most used first.

    Without a before, each module.
    """
    earlier = usage.before.modules if usage.before else {}
    now = usage.after.modules
    rows = [(module, earlier.get(module, 0.0), now.get(module, 0.0)) for module in {**now, **earlier}]
    told = [row for row in rows if usage.before is None or points(row[1], row[2])]
    return sorted(told, key=lambda row: (-row[2], -row[1], row[0]))


def counted(usage: Usage, what: str, *, most: int = 12) -> list[str]:
    """Archetypes or cadences as texts, `daily 4` or `daily 4 → 5`, also those that nobody has any more."""
    old: Mapping[str, int] = getattr(usage.before, what) if usage.before else {}
    new: Mapping[str, int] = getattr(usage.after, what)
    texts = []
    for name in {**new, **old}:
        now, then = new.get(name, 0), old.get(name, 0)
        change = f"{then:,} → {now:,}" if old and then != now else f"{now:,}"
        texts.append(f"{shown(name, 60)} {change}")
    return texts if len(texts) <= most else [*texts[:most], f"and {len(texts) - most:,} more"]


def remarks(usage: Usage) -> list[str]:
    """What a reader of the shares must know."""
    said = ["Use is weights × ticks a week: hourly 168, daily 7, weekdays 5."]
    before, after = usage.before, usage.after
    told = len(ranked(usage))
    if before is not None and told and (kept := len({**after.modules, **before.modules}) - told):
        modules = "1 other module keeps its" if kept == 1 else f"{kept:,} other modules keep their"
        said.insert(0, f"{modules} share.")
    if left_out := max(before.not_told if before else 0, after.not_told):
        verb = "is" if left_out == 1 else "are"
        said.append(f"{left_out:,} whose weights or cadence the service does not tell {verb} left out.")
    return said


def points(old: float, new: float) -> str:
    """The difference of two shares in percentage points, `+1.2`; empty when it rounds to nothing."""
    difference = (new - old) * 100
    if abs(difference) < 0.05:
        return ""
    return f"{'+' if difference > 0 else '−'}{abs(difference):.1f}"
