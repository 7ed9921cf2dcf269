"""What a set of personas means for the product: the share of expected use that each module gets."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from personas.reconcile.plan import Plan, Step
from personas.report.visible import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from personas.catalog.reading import Persona
    from personas.report.model import Report
    from personas.service.models import LivePersona

TICKS_A_WEEK: Mapping[str, int] = {"hourly": 168, "daily": 7, "weekdays": 5}


class Described(Protocol):
    """What matters of a persona here, in the catalog or live."""

    @property
    def archetype(self) -> str | None: ...  # noqa: D102 - a protocol, named by its fields
    @property
    def tick_cadence(self) -> str | None: ...  # noqa: D102 - a protocol, named by its fields
    @property
    def module_mix(self) -> Mapping[str, float] | None: ...  # noqa: D102 - a protocol, named by its fields


@dataclass(frozen=True, slots=True)
class Usage:
    """The expected use by one set of personas.

    Attributes:
        personas: How many there are.
        not_told: How many of them are left out of the shares, because their weights or cadence are not known.
        ticks: Ticks a week of those that use any module.
        modules: Each module's share of those ticks, from 0 to 1, largest first.
        archetypes: How many personas each archetype has, by name.
        cadences: How many personas each cadence has, most frequent ticks first.
    """

    personas: int = 0
    not_told: int = 0
    ticks: int = 0
    modules: Mapping[str, float] = field(default_factory=dict)
    archetypes: Mapping[str, int] = field(default_factory=dict)
    cadences: Mapping[str, int] = field(default_factory=dict)


def usage(personas: Iterable[Described]) -> Usage:
    """The expected use: a persona's weights, normalised, times its ticks a week."""
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
        shares = _shares(persona.module_mix)
        ticks += weekly if shares else 0
        for module, share in shares:
            modules[module] = modules.get(module, 0.0) + share * weekly
    total = sum(modules.values())
    ranked = sorted(modules.items(), key=lambda item: (-round(item[1], 9), item[0]))
    return Usage(
        personas=number,
        not_told=not_told,
        ticks=ticks,
        modules={module: use / total for module, use in ranked},
        archetypes=dict(sorted(archetypes.items())),
        cadences=dict(sorted(cadences.items(), key=lambda item: (-TICKS_A_WEEK.get(item[0], 0), item[0]))),
    )


def _shares(mix: Mapping[str, float]) -> list[tuple[str, float]]:
    """The weights over their sum; none when all are zero. Scaled first: huge weights would overflow."""
    used = [(module, weight) for module, weight in mix.items() if 0 < weight <= sys.float_info.max]
    if not used:
        return []
    largest = max(weight for _, weight in used)
    total = sum(weight / largest for _, weight in used)
    return [(module, weight / largest / total) for module, weight in used]


def before(plan: Plan) -> Usage:
    """The use by what is live now."""
    return usage(change.existing for change in plan if change.existing is not None)


def after(plan: Plan) -> Usage:
    """The use once the plan's steps are carried out."""
    return usage(
        persona for change in plan if (persona := _left(change.step, change.wanted, change.existing))
    )


def _left(step: Step | None, wanted: Persona | None, existing: LivePersona | None) -> Described | None:
    if step is Step.DELETE:
        return None
    return wanted if step is not None else existing


def meaning(report: Report) -> tuple[Usage | None, Usage] | None:
    """The use before and after, for a preview; before is None where nothing was compared.

    None when there is nothing to tell: no plan, a plan of another kind, or one that changes nothing of this.
    """
    plan = report.plan
    if plan is None or not report.dry_run or plan.intent.purpose != "seed" or not plan.catalog_known:
        return None
    new = after(plan)
    old = before(plan)
    if report.offline or not old.personas:
        return (None, new)
    same = (old.modules, old.archetypes, old.cadences) == (new.modules, new.archetypes, new.cadences)
    return None if same else (old, new)


def ranked(old: Usage | None, new: Usage) -> list[tuple[str, float, float]]:
    """Each module with its shares before and after, the most used first."""
    earlier = old.modules if old else {}
    modules = dict.fromkeys([*new.modules, *earlier])
    shares = [(module, earlier.get(module, 0.0), new.modules.get(module, 0.0)) for module in modules]
    return sorted(shares, key=lambda item: (-round(item[2], 9), -round(item[1], 9), item[0]))


def counted(old: Mapping[str, int], new: Mapping[str, int], *, most: int = 12) -> list[str]:
    """Counts as texts, `daily 4` or `daily 4 → 5`; those that nobody has any more included."""
    texts = []
    names = dict.fromkeys([*new, *old])
    for name in names:
        now, then = new.get(name, 0), old.get(name, 0)
        change = f"{then:,} → {now:,}" if old and then != now else f"{now:,}"
        texts.append(f"{shown(name, 60)} {change}".replace(" ", "\xa0"))
    return texts if len(texts) <= most else [*texts[:most], f"and {len(texts) - most:,} more"]


def remarks(old: Usage | None, new: Usage) -> list[str]:
    """What a reader of the shares must know."""
    said = ["Use is weights × ticks a week: hourly 168, daily 7, weekdays 5."]
    if left_out := max(old.not_told if old else 0, new.not_told):
        verb = "is" if left_out == 1 else "are"
        said.append(f"{left_out:,} whose weights or cadence the service does not tell {verb} left out.")
    return said


def points(old: float, new: float) -> str:
    """The difference of two shares in percentage points, `+1.2`; empty when it rounds to nothing."""
    difference = (new - old) * 100
    if abs(difference) < 0.05:
        return ""
    return f"{'+' if difference > 0 else '−'}{abs(difference):.1f}"
