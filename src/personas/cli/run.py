"""One run of a command, in its steps: what was asked, what was read, what is planned, what was done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from personas.catalog.models import Space
from personas.catalog.reading import Catalog, load_catalog, parse_catalog
from personas.catalog.who import choose
from personas.cli.access import credentials_of, open_embedded, secret_of
from personas.cli.asked import Asked
from personas.cli.files import STDIN, read_standard_input, read_text
from personas.cli.progress import Progress
from personas.errors import CatalogError, CredentialsRefused, Problem, Refused, UsageError
from personas.reconcile.changes import people_of
from personas.reconcile.live import Live
from personas.reconcile.outcome import Applied
from personas.reconcile.plan import Intent, Plan, plan
from personas.reconcile.stop import Stop
from personas.report import Snapshot, read_snapshot
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.models import LiveDetail
from personas.settings import Settings

if TYPE_CHECKING:
    from personas.reconcile.owners import Passwords
    from personas.service.endpoints import AuthService


@dataclass(slots=True)
class Read:
    """What has been read so far.

    Attributes:
        catalog: The catalog; None until it is read, and where it cannot be.
        problems: What is wrong with it.
        warnings: What is doubtful in it.
        live: What the service, or a snapshot, has.
        whole: Whether all there is was read of everybody.
        detail: The one persona that was asked for.
        taken_at: When the service was read.
        snapshot: The snapshot that stands for the service; None for a service.
        notes: What a reader must know about this reading.
    """

    catalog: Catalog | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    live: Live | None = None
    whole: bool = False
    detail: LiveDetail | None = None
    taken_at: datetime | None = None
    snapshot: Snapshot | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """A command under way; each step leaves what it learnt here, for the report."""

    asked: Asked
    settings: Settings
    progress: Progress
    read: Read = field(default_factory=Read)
    service: AuthService | None = None
    passwords: Passwords | None = None
    offline: bool = False
    plan: Plan | None = None
    previewed: bool = False
    stop: Stop = field(default_factory=Stop)
    writing: bool = False
    applied: Applied | None = None
    interruption: str = "interrupted before anything was changed"

    # Reading

    def read_catalog(self) -> Catalog:
        """Load the catalog."""
        try:
            self.read.catalog = load_catalog(self.settings.catalog)
        except CatalogError as error:
            self.read.problems = error.problems
            raise
        self.read.warnings = self.read.catalog.warnings
        return self.read.catalog

    def read_catalogs(self, files: list[str]) -> None:
        """Load each of these catalogs, and note what is wrong or doubtful in any; - is standard input.

        Raises:
            CatalogError: Something is wrong, with every problem of all of them.
        """
        loaded: list[Catalog] = []
        for file in files:
            try:
                catalog = (
                    parse_catalog(read_standard_input(), file=STDIN) if file == "-" else load_catalog(file)
                )
            except CatalogError as error:
                self.read.problems += error.problems
            else:
                self.read.warnings += catalog.warnings
                loaded.append(catalog)
        if self.read.problems:
            raise CatalogError(self.read.problems)
        # Of one catalog there is more to say than that it is valid.
        self.read.catalog = loaded[0] if len(loaded) == 1 else None

    def try_catalog(self) -> None:
        """Load the catalog where it is good to have; note why where it cannot be read."""
        try:
            self.read_catalog()
        except CatalogError as error:
            self.read.problems = ()
            self.read.notes.append(f"The catalog cannot be read, so drift is not known: {error.message}.")

    def secret(self) -> Secret:
        """The seed secret.

        Raises:
            Refused: It is the development secret, and this is no place for it.
        """
        return secret_of(self.settings)

    def secret_for_reading(self) -> Secret | None:
        """The seed secret, or None with a note: a preview needs none."""
        try:
            return self.secret()
        except Refused as error:
            self.read.notes.append(f"No password was tried: {error.message}.")
            return None

    def secret_if_any(self) -> Secret | None:
        """The seed secret, or None where there is none for this service: not everything needs one."""
        try:
            return self.secret()
        except Refused:
            return None

    @property
    def has_credentials(self) -> bool:
        """Whether anything was given that could open the service."""
        return self.settings.auth.embedded is not None or bool(credentials_of(self.settings, None))

    @asynccontextmanager
    async def connect(self, *, admin: bool = True) -> AsyncIterator[AuthService]:
        """The service, opened; with `admin`, a token that would be refused is told before it is sent.

        Raises:
            CredentialsRefused: An admin's credentials are needed, and there are none that could do.
        """
        from personas.service.endpoints import AuthService

        settings = self.settings
        embedded = None
        if settings.auth.embedded is not None:
            embedded = open_embedded(
                settings.auth.embedded, create=self.asked.command == "seed" and not self.asked.dry_run
            )
        try:
            credentials = credentials_of(settings, embedded) if admin else Credentials()
            if admin and not credentials:
                raise no_credentials(f"{self.asked.command} needs an admin's credentials for {settings.auth}")
            self.service = AuthService(
                settings.auth,
                credentials,
                endpoint=settings.endpoint,
                timeout=settings.timeout,
                concurrency=settings.concurrency,
                app=embedded.app if embedded else None,
                observe=self.progress.requested if self.asked.verbose else None,
            )
            async with self.service:
                if admin and credentials.token:
                    await self.service.admin_token()
                try:
                    yield self.service
                finally:
                    if self.passwords is not None:
                        await self.passwords.sign_out()
        finally:
            if embedded is not None:
                embedded.close()

    async def read_live(self, service: AuthService, *, secret: Secret | None = None, **how: bool) -> Live:
        """Read what is live: the list and the details, and what else the options of `survey` ask for."""
        from personas.reconcile.owners import Passwords
        from personas.reconcile.survey import survey

        self.passwords = Passwords(service, secret)
        live = await survey(
            service,
            self.read.catalog,
            secret=secret,
            only=self.asked.only or None,
            passwords=self.passwords,
            workers=self.settings.concurrency,
            observe=self.progress.note,
            **{"owners": False, "check_secret": False, "deleting": False, **how},
        )
        self.read.live, self.read.taken_at = live, datetime.now(UTC)
        self.read.whole = how.get("whole", False)
        self._note(live.notes)
        return live

    async def read_for_seeding(
        self, service: AuthService, secret: Secret | None, intent: Intent, *, check_login: bool
    ) -> Live:
        """Read what is live, for `seed` and for its preview.

        Raises:
            Refused: The secret is not the one that the personas were seeded with, and nobody
                intends to recreate them.
        """
        live = await self.read_live(
            service,
            secret=secret,
            owners=True,
            check_secret=True,
            # Which passwords are to be mended has to be known of everybody.
            check_login=check_login or (intent.recreate and secret is not None),
            deleting=intent.recreate,
            # Whoever is deleted leaves behind the spaces that nobody has looked at.
            everybodys_spaces=intent.prune or intent.recreate,
        )
        if live.secret_differs and not intent.recreate:
            raise Refused(
                "the secret differs from the one these personas were seeded with: "
                f"none of {len(live.logins)} derived passwords that were tried signs in; nothing was written",
                hint="Set PERSONA_SEED_SECRET to that one. To give them the passwords of this one instead, "
                "which deletes them and creates them again: personas seed --recreate",
            )
        return live

    def _note(self, notes: Iterable[str]) -> None:
        self.read.notes += [note for note in notes if note not in self.read.notes]

    async def read_one(self, service: AuthService, who: str, secret: Secret | None) -> str:
        """Read one live persona with all that is known of it, and the spaces it should share; its email.

        Raises:
            UsageError: Nobody live is meant, or more than one.
        """
        listed = await service.list_personas()
        email = choose(who, [(p.email, p.name or "") for p in listed], where="among the live personas")
        persona = next(p for p in listed if p.email == email)
        detail = await service.get_persona(persona.user_id, who=email)
        told_by_list = {
            "email": email,
            "name": detail.persona.name or persona.name,
            "actions_7d": persona.actions_7d,
        }
        whole = detail.persona.model_copy(update=told_by_list)
        self.read.detail = detail.model_copy(update={"persona": whole})
        shared = await self._read_spaces_of(service, email, secret)
        personas = tuple(whole if one is persona else one for one in listed)
        self.read.live, self.read.taken_at = replace(shared, personas=personas), datetime.now(UTC)
        return email

    async def _read_spaces_of(self, service: AuthService, email: str, secret: Secret | None) -> Live:
        """The spaces that the catalog has one persona share; nothing else is read."""
        from personas.reconcile.survey import survey

        catalog = self.read.catalog
        if catalog is None or not (spaces := _shared_by(email, catalog)):
            return Live()
        read = await survey(
            service,
            catalog.model_copy(update={"spaces": spaces}),
            secret=secret,
            owners=False,
            details=False,
            check_secret=False,
            deleting=False,
            workers=self.settings.concurrency,
            observe=self.progress.note,
        )
        # Who was asked, and who was not, is of no interest where one persona is looked at.
        return replace(read, details=True, notes=(), spaces_of={})

    def read_snapshot(self, name: str) -> Live:
        """Read what was live from a snapshot.

        Raises:
            ServiceError: It is older than `--max-age`.
        """
        text = read_text(name, "--against")
        self.read.snapshot = read_snapshot(text, now=datetime.now(UTC), max_age=self.asked.max_age)
        self.read.live = self.read.snapshot.live
        return self.read.live

    # Planning

    def make_plan(self, intent: Intent, *, spaces: bool = True) -> Plan:
        """Compare the catalog with what was read; without `spaces`, they were not read and are left out."""
        only = self.asked.only or None
        made = plan(self.read.catalog, self.read.live or Live(), intent, only=only)
        if not spaces:
            made = replace(made, changes=made.personas)
        if only is not None and not made.changes:
            raise UsageError(
                f"nothing matches --only {' or '.join(map(repr, only))}, in the catalog or live",
                hint="It is compared with emails, their part before the @, names and archetypes.",
            )
        self.plan = made if self.read.snapshot is None else self.read.snapshot.within(made)
        return self.plan

    def make_plan_of(self, email: str, intent: Intent) -> Plan:
        """Compare one persona alone."""
        everything = plan(self.read.catalog, self.read.live or Live(), intent)
        shared = {space.slug for space in _shared_by(email, self.read.catalog)}
        one = [change for change in everything.personas if change.key == email.lower()]
        spaces = [change for change in everything.spaces if change.key in shared]
        self.plan = replace(everything, changes=(*one, *spaces), whole=False)
        return self.plan

    # Doing

    async def carry_out(self, service: AuthService, secret: Secret) -> Applied:
        """Carry out the plan's steps."""
        from personas.reconcile.apply import apply

        if self.plan is None:
            raise AssertionError
        self.writing = True
        self.progress.start_writing(len(self.plan.steps))
        self.applied = await apply(
            self.plan,
            service,
            secret,
            passwords=self.passwords,
            workers=self.settings.concurrency,
            stop=self.stop,
            observe=self.progress.wrote,
        )
        self._note(self.applied.notes)
        return self.applied


def _shared_by(email: str, catalog: Catalog | None) -> tuple[Space, ...]:
    """The catalog's spaces that somebody is in."""
    if catalog is None:
        return ()
    return tuple(space for space in catalog.spaces if email.lower() in people_of(space))


def no_credentials(why: str) -> CredentialsRefused:
    """What to say where an admin's credentials are needed and there are none."""
    return CredentialsRefused(
        why,
        hint="Give --jwt (MANA_ADMIN_JWT), or set MANA_ADMIN_EMAIL and MANA_ADMIN_PASSWORD; "
        "to try without a service: --auth embedded.",
    )
