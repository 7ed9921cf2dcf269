"""Shared spaces of four personas, on the embedded service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import sqlalchemy as sa

from personas import Action, Catalog, Change, Options, Outcome, PasswordDeriver, Plan, Status, release_spaces
from personas.concurrency import Cancel
from personas.embedded import schema as tables, users
from personas.embedded.service import Service
from personas.spaces.apply import apply_spaces
from personas.spaces.client import SignInCache, fetch_spaces
from personas.spaces.plan import make_space_plan
from tests import making, world
from tests.making import NOON, PASSWORDS

ADA, BO, CY, DI = EMAILS = tuple(map(making.email_of, ("ada", "bo", "cy", "di")))
HUMAN = "human@else.test"

Result = TypeVar("Result")
Rows = dict[sa.Table, list[dict[str, Any]]]


def make_catalog(*spaces: dict[str, Any], people: tuple[str, ...] = EMAILS, **root: Any) -> Catalog:
    """The personas with these emails, and these spaces."""
    return making.make_catalog(*people, spaces=spaces, **root)


def space(slug: str, owner: str, *members: str | dict[str, str], **changes: str) -> dict[str, Any]:
    whole = {"slug": slug, "name": slug.title(), "type": "team", "owner": owner, "members": list(members)}
    return whole | changes


FLAT = space("flat", ADA, BO, {"email": CY, "role": "admin"})
DESK = space("desk", CY, BO)
SHARED = make_catalog(FLAT, DESK)
BOTH_LIVE = {
    "flat": ("Flat", "team", {ADA: "owner", BO: "member", CY: "admin"}),
    "desk": ("Desk", "team", {CY: "owner", BO: "member"}),
}


class Run:
    """One run of `personas spaces`: its plan and its outcomes."""

    def __init__(self, plan: Plan, outcomes: tuple[Outcome, ...]) -> None:
        self.plan, self.outcomes = plan, outcomes
        self.statuses = {change.key: str(change.status) for change in plan.changes}
        self.reasons = {change.key: change.reason for change in plan.changes}
        self.results = {outcome.key: str(outcome.result) for outcome in outcomes}
        self.messages = {outcome.key: outcome.message for outcome in outcomes}


class World(world.World):
    """The service with what `save` returned, at the start of each test."""

    def __init__(self, embedded: Service, rows: Rows | None = None) -> None:
        super().__init__(embedded)
        self.cancel = Cancel()
        self.reported: list[Outcome] = []  # by the last run
        if rows is not None:
            with self.database.write() as connection:
                for table in reversed(rows):
                    connection.execute(sa.delete(table))
                for table in filter(rows.get, rows):
                    connection.execute(sa.insert(table), rows[table])

    def save(self) -> Rows:
        """What the database has."""
        return {table: self.rows(table) for table in tables.metadata.sorted_tables}

    def run(
        self,
        catalog: Catalog = SHARED,
        *,
        delete: bool = False,
        passwords: PasswordDeriver | None = PASSWORDS,
        between: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> Run:
        """Plan, and then apply in another event loop, as the command does."""
        sign_ins, chosen = SignInCache(passwords), Options(command="spaces", **options)
        self.reported.clear()
        self.seen.clear()

        async def preview() -> Plan:
            state = await fetch_spaces(self.service, catalog, sign_ins, only=chosen.only)
            return make_space_plan(catalog, state, chosen, delete=delete)

        outcomes: tuple[Outcome, ...] = ()
        try:
            plan = self.call(preview())
            between()
            if plan.actions:
                outcomes = self.call(
                    apply_spaces(plan, self.service, sign_ins, on_outcome=self.reported.append)
                )
        finally:
            self.call(sign_ins.close(self.service))
        return Run(plan, outcomes)

    def release(
        self,
        going: dict[str, Action],
        catalog: Catalog = SHARED,
        *,
        passwords: PasswordDeriver | None = PASSWORDS,
        force: bool = False,
    ) -> tuple[Plan, tuple[str, ...]]:
        """Release the spaces of these personas, and then delete those whose action is left."""
        changes = [Change(key=email, status=Status.EXTRA, action=action) for email, action in going.items()]
        before = Plan(changes=tuple(changes), options=Options(force=force))
        self.seen.clear()
        plan, notes = self.call(release_spaces(self.service, catalog, before, passwords, cancel=self.cancel))
        assert self.rows(tables.sessions) == []
        for change in plan.actions:
            self.delete(change.key)
        return plan, notes

    def call(self, work: Awaitable[Result]) -> Result:
        """Do something with the service in an event loop of its own."""

        async def main() -> Result:
            async with self.service:
                with anyio.CancelScope() as self.scope:
                    return await work
            raise TimeoutError("cancelled")

        return anyio.run(main)

    def create(self, *emails: str) -> None:
        """Create personas of the catalog."""
        self.call(self.seed(make_catalog(people=emails)))

    def lose_answer(self, call: str) -> None:
        """Let the service carry out the next such call, and lose its answer."""
        self.when(f"organization/{call}", 502, times=1, served=True)

    def join(self, slug: str, email: str, role: str = "member") -> None:
        """An account becomes a member; it is created if it is not a persona's."""
        if email == HUMAN:
            self.add_human(email)
        ids = {row["email"]: row["id"] for row in self.rows(tables.users)}
        ids |= {row["slug"]: row["id"] for row in self.rows(tables.organizations)}
        with self.database.write() as connection:
            users.add_member(connection, ids[slug], ids[email], role, NOON)

    def shared(self) -> dict[str, Any]:
        """The shared spaces as the database has them: name, type, and the role of each member."""
        emails = {row["id"]: row["email"] for row in self.rows(tables.users)}
        roles: dict[str, dict[str, str]] = {}
        for row in self.rows(tables.members):
            roles.setdefault(row["organization_id"], {})[emails.get(row["user_id"], "gone")] = row["role"]
        return {
            row["slug"]: (row["name"], row["metadata"]["type"], roles.get(row["id"], {}))
            for row in self.rows(tables.organizations)
            if row["metadata"]["type"] != "personal"
        }
