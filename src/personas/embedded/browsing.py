"""What the pages show of the database, a screenful at a time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import sqlalchemy as sa

from personas.embedded.cadence import is_due
from personas.embedded.schema import (
    members,
    organizations,
    persona_actions,
    persona_feedback,
    personas,
    users,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.elements import ColumnElement

    Row = sa.Row[Any]

Item = TypeVar("Item")

RECENT: Final = dt.timedelta(days=7)
PAGE: Final = 50
NEWEST_ACTIONS: Final = 15
PERSONAS_ACTIONS: Final = 20
PERSONAS_RATINGS: Final = 50
MODULES: Final = 100
RATINGS: Final = (5, 4, 3, 2, 1)

# What a list of personas is sorted by; `-` before it turns the order round.
SORTS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "created": (personas.c.created_at,),
    "name": (sa.func.lower(users.c.name),),
    "email": (users.c.email,),
    "archetype": (sa.func.lower(personas.c.archetype),),
    "cadence": (personas.c.tick_cadence,),
    # Who was never active comes before everybody else.
    "active": (personas.c.last_active_at.is_not(None), personas.c.last_active_at),
    "actions": (),
}
NEWEST_FIRST: Final = "-created"


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A screenful of a longer list; pages count from 1."""

    items: Sequence[Item]
    total: int
    number: int
    last: int

    @property
    def first_item(self) -> int:
        """The place of its first item in the list, from 1; 0 when there is none."""
        return (self.number - 1) * PAGE + 1 if self.items else 0

    @property
    def last_item(self) -> int:
        """The place of its last item in the list."""
        return (self.number - 1) * PAGE + len(self.items)


@dataclass(frozen=True, slots=True)
class Search:
    """Which personas are asked for, and in which order."""

    text: str = ""
    sort: str = NEWEST_FIRST
    page: int = 1


@dataclass(frozen=True, slots=True)
class Mean:
    """What the ratings of one module come to."""

    module: str
    mean: float
    ratings: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page: personas, what happened last, and the means of all modules."""

    total: int
    due: int
    found: Page[Row]
    actions_7d: dict[str, int]
    newest_actions: Sequence[Row]
    means: Sequence[Mean]
    modules: int


@dataclass(frozen=True, slots=True)
class Portrait:
    """One persona with everything that hangs on it."""

    persona: Row
    spaces: Sequence[Row]
    actions: Sequence[Row]
    actions_total: int
    ratings: Sequence[Row]
    ratings_total: int
    means: Sequence[Mean]


@dataclass(frozen=True, slots=True)
class ModuleFeedback:
    """What everybody thinks of one module; `counts` by rating, the best first."""

    mean: Mean
    counts: dict[int, int]
    ratings: Page[Row]


def read_overview(connection: Connection, search: Search, now: dt.datetime) -> Overview:
    """Read the first page."""
    found = _find(connection, search, now)
    ids = [row.user_id for row in found.items]
    recent = _recent_actions(now)
    counts = connection.execute(sa.select(recent).where(recent.c.persona_id.in_(ids)))
    newest = connection.execute(
        sa.select(persona_actions, users.c.name)
        .join(users, users.c.id == persona_actions.c.persona_id)
        .order_by(persona_actions.c.created_at.desc(), persona_actions.c.id)
        .limit(NEWEST_ACTIONS)
    ).all()
    return Overview(
        total=_count(connection, sa.select(personas.c.user_id)),
        due=_count(connection, sa.select(personas.c.user_id).where(is_due(now))),
        found=found,
        actions_7d={row.persona_id: row.actions for row in counts},
        newest_actions=newest,
        means=_means(connection, sa.true()),
        modules=_count(connection, sa.select(persona_feedback.c.module).distinct()),
    )


def read_portrait(connection: Connection, user_id: str) -> Portrait | None:
    """Read one persona; None when there is none of this id."""
    persona = connection.execute(
        sa.select(personas, users.c.email, users.c.name)
        .join(users, users.c.id == personas.c.user_id)
        .where(personas.c.user_id == user_id)
    ).one_or_none()
    if persona is None:
        return None
    others = members.alias()
    spaces = connection.execute(
        sa.select(
            organizations,
            members.c.role,
            sa.select(sa.func.count())
            .where(others.c.organization_id == organizations.c.id)
            .scalar_subquery()
            .label("members"),
        )
        .join(members, members.c.organization_id == organizations.c.id)
        .where(members.c.user_id == user_id)
        .order_by(organizations.c.created_at, organizations.c.id)
    ).all()
    actions = sa.select(persona_actions).where(persona_actions.c.persona_id == user_id)
    ratings = sa.select(persona_feedback).where(persona_feedback.c.persona_id == user_id)
    return Portrait(
        persona=persona,
        spaces=spaces,
        actions=connection.execute(
            actions.order_by(persona_actions.c.created_at.desc(), persona_actions.c.id).limit(
                PERSONAS_ACTIONS
            )
        ).all(),
        actions_total=_count(connection, actions),
        ratings=connection.execute(
            ratings.order_by(persona_feedback.c.created_at.desc(), persona_feedback.c.id).limit(
                PERSONAS_RATINGS
            )
        ).all(),
        ratings_total=_count(connection, ratings),
        means=_means(connection, persona_feedback.c.persona_id == user_id),
    )


def read_module(connection: Connection, module: str, page: int) -> ModuleFeedback | None:
    """Read what was said of one module; None when nobody has said anything."""
    means = _means(connection, persona_feedback.c.module == module)
    if not means:
        return None
    given = connection.execute(
        sa.select(persona_feedback.c.rating, sa.func.count().label("number"))
        .where(persona_feedback.c.module == module)
        .group_by(persona_feedback.c.rating)
    ).all()
    numbers = {row.rating: row.number for row in given}
    ratings = _page(
        connection,
        sa.select(persona_feedback, users.c.name)
        .join(users, users.c.id == persona_feedback.c.persona_id)
        .where(persona_feedback.c.module == module)
        .order_by(persona_feedback.c.created_at.desc(), persona_feedback.c.id),
        page,
    )
    return ModuleFeedback(means[0], {rating: numbers.get(rating, 0) for rating in RATINGS}, ratings)


def _find(connection: Connection, search: Search, now: dt.datetime) -> Page[Row]:
    query = sa.select(personas, users.c.email, users.c.name).join(users, users.c.id == personas.c.user_id)
    if search.text:
        searched = (users.c.name, users.c.email, personas.c.archetype)
        query = query.where(sa.or_(*(column.icontains(search.text, autoescape=True) for column in searched)))
    name = search.sort.removeprefix("-")
    order = SORTS[name]
    if name == "actions":
        recent = _recent_actions(now)
        query = query.outerjoin(recent, recent.c.persona_id == personas.c.user_id)
        order = (sa.func.coalesce(recent.c.actions, 0),)
    if search.sort.startswith("-"):
        order = tuple(column.desc() for column in order)
    return _page(
        connection, query.order_by(*order, personas.c.created_at.desc(), personas.c.user_id), search.page
    )


def _recent_actions(now: dt.datetime) -> sa.Subquery:
    return (
        sa.select(persona_actions.c.persona_id, sa.func.count().label("actions"))
        .where(persona_actions.c.created_at > now - RECENT)
        .group_by(persona_actions.c.persona_id)
        .subquery()
    )


def _means(connection: Connection, which: ColumnElement[bool]) -> list[Mean]:
    rows = connection.execute(
        sa.select(
            persona_feedback.c.module,
            sa.func.sum(persona_feedback.c.rating).label("total"),
            sa.func.count().label("ratings"),
        )
        .where(which)
        .group_by(persona_feedback.c.module)
        .order_by(persona_feedback.c.module)
        .limit(MODULES)
    )
    return [Mean(row.module, int(row.total) / row.ratings, row.ratings) for row in rows]


def _page(connection: Connection, query: sa.Select[Any], number: int) -> Page[Row]:
    """One page of a query; beyond the last one, the last."""
    total = _count(connection, query.order_by(None))
    last = max(1, -(-total // PAGE))
    number = min(number, last)
    rows = connection.execute(query.limit(PAGE).offset((number - 1) * PAGE)).all()
    return Page(rows, total, number, last)


def _count(connection: Connection, query: sa.Select[Any]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
