"""Real reports, one for each thing that a command may have to say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

from personas.catalog.reading import Catalog, parse_catalog
from personas.errors import CatalogError, DriftFound, PartlyFailed, Problem, Unreachable
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import Intent, plan
from personas.report import Report, make_report
from personas.service.models import (
    Invitation,
    LiveDetail,
    LiveMember,
    LivePersona,
    LiveSpace,
    Login,
    LoginCheck,
    ModuleFeedback,
    RecentAction,
)

Entry = Mapping[str, Any]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SERVICE = "http://localhost:3001"

ANNA = (
    "You are Anna Becker, 23, a student of design in Leipzig with ADHD. You start five lists before "
    "breakfast and finish one. You write in bursts, in lower case, and forget attachments.\n"
    "When a reminder comes twice you mute it. You love colours and hate forms."
)
BEN = (
    "You are Ben Okafor, 51, and run a logistics company of 300 people. You open the app between two "
    "meetings, never longer than a minute. You dictate, so your text has no full stops. You delegate "
    "everything twice."
)
CHLOE = "You are Chloé, a mother of twins who paints."
DANIEL = "Du bist Daniel und baust allein eine App."
ELIF = "You are Elif, who reads more than she sleeps."
YUMI = "You are Yumi Tanaka, a translator in Osaka."
GUSTAV = "You are Gustav, 74, and new to all this."
HANA = "You are Hana and ship a small game each month."
IVO = "You are Ivo, a geologist on the road."
JONAS = "You are Jonas, who photographs weddings."
OTTO = "You are Otto and nobody remembers why."


# What a catalog has.


def mail(who: str) -> str:
    return who if "@" in who else f"persona.{who}@mana.test"


def persona(
    name: str, archetype: str, prompt: str, mix: Mapping[str, float], cadence: str = "daily", who: str = ""
) -> Entry:
    """One persona of a catalog; its email tells who it is, by the first name where nothing else is said."""
    return {
        "name": name,
        "email": mail(who or name.split(maxsplit=1)[0].lower()),
        "archetype": archetype,
        "systemPrompt": prompt,
        "moduleMix": dict(mix),
        "tickCadence": cadence,
    }


def space(slug: str, name: str, kind: str, owner: str, *members: str) -> Entry:
    """One space of a catalog; `jonas:admin` is a member with a role."""
    people = [text.partition(":")[::2] for text in members]
    return {
        "slug": slug,
        "name": name,
        "type": kind,
        "owner": mail(owner),
        "members": [{"email": mail(who), "role": role} if role else mail(who) for who, role in people],
    }


PERSONAS = [
    persona("Anna Becker", "adhd-student", ANNA, {"todo": 0.4, "notes": 0.2, "calendar": 0.4}, "hourly"),
    persona("Ben Okafor", "ceo-busy", BEN, {"mail": 0.6, "calendar": 0.4}, "weekdays"),
    persona("Chloé Martin", "creative-parent", CHLOE, {"photos": 1}, who="chloe"),
    persona("Daniel Weiß", "solo-dev", DANIEL, {"notes": 1, "todo": 1}),
    persona("Elif Yılmaz", "researcher", ELIF, {"notes": 3}),
    persona("田中 由美", "freelancer", YUMI, {"invoices": 1}, who="yumi"),
    persona("Gustav Lind", "overwhelmed-newbie", GUSTAV, {"help": 2, "photos": 1}),
    persona("Hana Novak", "solo-dev", HANA, {"todo": 1}, "hourly"),
    persona("Ivo Petrov", "researcher", IVO, {"photos": 1, "notes": 1}),
    persona("Jonas Falk", "freelancer", JONAS, {"photos": 2, "invoices": 1}),
]
SPACES = [
    space("studio-nord", "Studio Nord", "team", "anna", "ben:admin", "chloe", "daniel", "elif"),
    space("fjord-flat", "The flat at the fjord", "family", "gustav", "hana"),
    space("rock-club", "Rock Club", "club", "ivo", "elif"),
    space("fotolabor", "Fotolabor Größe XL", "brand", "jonas", "hana:admin"),
    space("field-notes", "Field notes", "practice", "elif", "ivo"),
    space("translations", "翻訳 translations", "team", "yumi", "anna"),
]


def catalog_text(personas: Sequence[Entry] = PERSONAS, spaces: Sequence[Entry] = ()) -> str:
    document = {"personas": personas, **({"spaces": spaces} if spaces else {})}
    return json.dumps(document, indent=2, ensure_ascii=False)


def catalog(personas: Sequence[Entry] = PERSONAS, spaces: Sequence[Entry] = ()) -> Catalog:
    return parse_catalog(catalog_text(personas, spaces), file="catalog.json")


CATALOG = catalog()
SHARED = catalog(spaces=SPACES)


# What a service has.


def live_persona(entry: Entry, number: int = 0, **changed: object) -> LivePersona:
    """The persona of a catalog's entry as a service tells it, but for what has changed."""
    found = LivePersona(
        user_id=f"user-{number:02}",
        email=entry["email"],
        name=entry["name"],
        archetype=entry["archetype"],
        tick_cadence=entry["tickCadence"],
        system_prompt=entry["systemPrompt"],
        module_mix={key: float(value) for key, value in entry["moduleMix"].items()},
        created_at=NOW - timedelta(days=30),
        last_active_at=NOW - timedelta(hours=number * 7, minutes=3) if number % 4 else None,
        actions_7d=number * 13,
    )
    return found.model_copy(update=changed)


def everyone(**changed: Mapping[str, object]) -> tuple[LivePersona, ...]:
    """The whole catalog live, but for what has changed of somebody: `anna={"name": "Ana"}`."""
    return tuple(
        live_persona(entry, number, **changed.get(entry["email"].split(".")[1].split("@")[0], {}))
        for number, entry in enumerate(PERSONAS)
    )


def without(personas: Sequence[LivePersona], *who: str) -> tuple[LivePersona, ...]:
    return tuple(one for one in personas if one.email not in map(mail, who))


def stray(name: str = "Old Otto", email: str = "persona.otto@mana.test") -> LivePersona:
    return live_persona(persona(name, "solo-dev", OTTO, {"mail": 1}, "hourly", email), 77 + len(email))


IN_SYNC = Live(personas=everyone())


def drifted() -> Live:
    """Four in sync, two updates, one of each other state."""
    prompt = ANNA.replace("five lists", "six lists").replace("mute it", "snooze it")
    personas = everyone(
        anna={"system_prompt": prompt, "module_mix": {"todo": 0.3, "calendar": 0.4, "mail": 0.3}},
        ben={"tick_cadence": "daily", "archetype": "ceo"},
        chloe={"name": "Chloe Martin"},
    )
    return Live(
        personas=(*without(personas, "yumi", "gustav", "jonas"), stray()),
        owners={
            mail("yumi"): Owner(Ownership.FREE),
            mail("gustav"): Owner(Ownership.FOREIGN),
            mail("jonas"): Owner(Ownership.NOT_KNOWN, "the sign-in is rate-limited for 4 minutes"),
        },
        logins={mail("daniel"): LoginCheck(Login.WRONG_PASSWORD)},
        notes=("The service does not offer a look-up of users: ownership was decided by sign-in alone.",),
    )


def live_space(slug: str, name: str, kind: str, *members: str, invited: tuple[str, ...] = ()) -> LiveSpace:
    """One space of a service; `jonas:admin` is a member with a role, `mika:expired` one who was invited."""
    return LiveSpace(
        space_id=f"space-{slug}",
        slug=slug,
        name=name,
        metadata={"type": kind},
        members=tuple(_member(*text.partition(":")[::2]) for text in members),
        invitations=tuple(_invitation(*text.partition(":")[::2]) for text in invited),
    )


def _member(who: str, role: str) -> LiveMember:
    ids: dict[str, Any] = {"member_id": f"member-{who}", "user_id": f"user-{who}"}
    return LiveMember.model_construct(**ids, email=mail(who), name=who, role=role or "member")


def _invitation(who: str, expired: str) -> Invitation:
    return Invitation(
        invitation_id=f"invitation-{who}",
        email=mail(who),
        role="member",
        expires_at=NOW + timedelta(days=-1 if expired else 1),
        expired=bool(expired),
    )


def spaces_in_sync_live() -> Live:
    spaces = []
    for entry in SPACES:
        people = [m if isinstance(m, str) else f"{m['email']}:{m['role']}" for m in entry["members"]]
        spaces.append(
            live_space(entry["slug"], entry["name"], entry["type"], f"{entry['owner']}:owner", *people)
        )
    return replace(IN_SYNC, spaces=tuple(spaces), spaces_of=asked())


def asked() -> dict[str, str]:
    return {one.email: "" for one in IN_SYNC.personas}


def drifted_spaces() -> Live:
    """One of each state, and in one space every way in which it can differ."""
    nord = ("anna:owner", "ben:member", "hana:admin")
    taken = "the slug is taken by a space of which no persona is a member"
    return Live(
        personas=without(everyone(), "yumi"),
        owners={mail("yumi"): Owner(Ownership.FREE)},
        spaces=(
            live_space("studio-nord", "Studio Süd", "club", *nord, invited=("chloe", "daniel:expired")),
            live_space("field-notes", "Field notes", "practice", "elif:owner", "ivo", "a.human@example.org"),
            live_space("rock-club", "Rock Club", "club", "ivo:owner", "elif"),
            live_space("old-club", "The club of old", "club", "ivo:owner"),
            live_space("half-human", "Half human", "team", "ben:owner", "a.human@example.org"),
        ),
        slugs={
            "fjord-flat": Owner(Ownership.FOREIGN, taken),
            "fotolabor": Owner(Ownership.NOT_KNOWN, "the service answered 500 three times"),
            "translations": Owner(Ownership.FREE),
        },
        spaces_of=asked(),
    )


# Reports: of anything, of a plan, and of what became of one.


def made(command: str, **more: Any) -> Report:
    return make_report(command, version="0.1.0", **more)


def base(command: str, **more: Any) -> Report:
    given = {"catalog": "catalog.json", "service": SERVICE, "loaded": CATALOG, "taken_at": NOW}
    return made(command, **{**given, "requests": 14, "safety_requests": 2, "seconds": 0.84, **more})


def planned(
    command: str,
    found: Live,
    intent: Intent | None = None,
    *,
    read: Catalog = CATALOG,
    results: Sequence[tuple[Any, ...]] = (),
    **more: Any,
) -> Report:
    """The report of a plan, or of a run whose steps ended with these results in turn."""
    made = plan(read, found, intent or Intent())
    outcomes = tuple(Outcome(change, *result) for change, result in zip(made.steps, cycle(results)))
    return base(command, plan=made, loaded=read, outcomes=outcomes, **more)


PRUNE, CLEANUP = Intent(prune=True), Intent(purpose="cleanup")
DONE = [(Result.DONE, "")]
FAILED = (Result.FAILED, "the service answered 500 (Internal Server Error) three times")
UNASKED: dict[str, Any] = {"service": "", "requests": 0, "safety_requests": 0}
PARTLY: dict[str, Any] = {
    "error": PartlyFailed("some personas failed", hint="Run again: personas seed"),
    "exit_code": 6,
}


def dry_run(**more: Any) -> Report:
    return planned("dry-run", drifted(), dry_run=True, **more)


def first_dry_run() -> Report:
    return planned("dry-run", Live(), dry_run=True)


def pruning() -> Report:
    return planned("seed", drifted(), Intent(prune=True, recreate=True), dry_run=True)


def offline(number: int = 0) -> Report:
    read = catalog(numbered(number)) if number else CATALOG
    return planned("dry-run", Live(), read=read, dry_run=True, offline=True, **{**UNASKED, "seconds": 0.0})


def against_snapshot() -> Report:
    return dry_run(**UNASKED, snapshot_age=93_784.0)


def drift_found() -> Report:
    return dry_run(error=DriftFound("catalog and service differ"), exit_code=10)


def sync() -> Report:
    return planned("seed", IN_SYNC)


def seeded() -> Report:
    return planned("seed", replace(IN_SYNC, personas=IN_SYNC.personas[:7]), results=DONE)


def partly_failed() -> Report:
    broken = (Result.UNKNOWN, "sent, and the connection broke before an answer came")
    results = [(*result, 0.2) for result in (*DONE, FAILED, broken, (Result.NOT_DONE, ""))]
    return planned("seed", drifted(), PRUNE, results=results, **PARTLY)


def half_mended() -> Report:
    """An update that mends the weights and leaves the name as it is."""
    live = Live(personas=everyone(anna={"name": "Ana", "module_mix": {"todo": 1.0}}))
    return planned("seed", live, results=DONE)


def interrupted() -> Report:
    results = [*DONE * 4, *[(Result.NOT_DONE, "")] * 6]
    return planned("seed", Live(), results=results, interrupted=True, exit_code=130)


def cleanup_preview() -> Report:
    live = Live(personas=(*drifted().personas, stray("A Tester", "tester@example.org")))
    return planned("cleanup", live, CLEANUP, dry_run=True)


def cleaned() -> Report:
    return planned("cleanup", drifted(), CLEANUP, results=DONE)


def cleanup_blind() -> Report:
    notes = ("the catalog could not be read: no such file",)
    return base("cleanup", dry_run=True, plan=plan(None, IN_SYNC, CLEANUP), loaded=None, notes=notes)


def listed() -> Report:
    return planned("list", drifted())


def full_list() -> Report:
    return planned("list", drifted(), live=drifted())


def listed_empty() -> Report:
    return planned("list", Live())


def shown() -> Report:
    anna = drifted().personas[0]
    actions = [
        RecentAction(
            tool="todo.create" if number % 3 else "calendar.list",
            result="ok",
            created_at=NOW - timedelta(minutes=11 * number * number + 1),
            latency_ms=38.0 + number * 17,
        )
        for number in range(20)
    ]
    why = "the list is archived and takes no new entries until it is restored"
    actions[4] = actions[4].model_copy(update={"result": "error", "error_message": why})
    ratings = {"todo": (12, 4.25), "calendar": (3, 2.0), "mail": (7, None)}
    feedback = tuple(ModuleFeedback(module=m, ratings=n, mean=mean) for m, (n, mean) in ratings.items())
    detail = LiveDetail(persona=anna, recent_actions=tuple(actions), feedback=feedback)
    found = plan(CATALOG, Live(personas=(anna,)), only="persona.anna")
    return base("show", plan=found, detail=detail, requests=2, safety_requests=0)


def shown_alone() -> Report:
    """Nothing known but what the service must tell."""
    quiet = LivePersona(user_id="user-9", email="persona.quiet@mana.test")
    return base("show", detail=LiveDetail(persona=quiet), loaded=None, catalog="")


def unreachable() -> Report:
    error = Unreachable(
        f"nothing answers at {SERVICE}", hint="to try without a service: personas seed --auth embedded"
    )
    return base("seed", error=error, exit_code=4, requests=3, safety_requests=0)


# Of a catalog alone.


def validated(loaded: Catalog | None = None, **more: Any) -> Report:
    return made("validate", catalog="catalog.json", loaded=loaded, **more)


def valid() -> Report:
    return validated(CATALOG)


def doubtful(**more: Any) -> Report:
    loaded = catalog([{**PERSONAS[0], "nmae": "x"}])
    return validated(loaded, warnings=loaded.warnings, **more)


def strict() -> Report:
    """Valid, with a warning that `--strict` lets fail."""
    return doubtful(exit_code=3)


def invalid() -> Report:
    anna = {**PERSONAS[0], "email": "Anna@mana.test", "tickCadence": "monthly"}
    try:
        catalog([anna, {**PERSONAS[1], "systemPrompt": "short"}])
    except CatalogError as error:
        return validated(problems=error.problems, error=error, exit_code=3)
    raise AssertionError("the catalog is valid")


def many_problems(number: int) -> Report:
    places = [(f"$.personas[{at}]", at + 1, 1, f"problem {at}", "catalog.json") for at in range(number)]
    return validated(problems=tuple(Problem(*place) for place in places), exit_code=3)


def invalid_and_doubtful() -> Report:
    problems = tuple(Problem("$", line, 1, "is wrong", "catalog.json") for line in (2, 4))
    warnings = (Problem("$", 3, 1, "is doubtful", "catalog.json"),)
    return validated(problems=problems, warnings=warnings, exit_code=3)


# Of many.


def numbered(number: int, prompt: str = BEN, mix: Mapping[str, float] | None = None) -> list[Entry]:
    mix = mix or {"todo": 0.3}
    return [persona(f"Person {n}", "solo-dev", prompt, mix, who=f"p{n:06}") for n in range(number)]


def large(number: int = 200, *, live: bool = True) -> Report:
    """Everybody differs in the prompt, each in another way; or is new."""
    entries = [{**entry, "systemPrompt": f"You are {n}. {BEN}"} for n, entry in enumerate(numbered(number))]
    found = tuple(
        live_persona(entry, n, user_id=f"u{n}", system_prompt=f"You are {n}. {BEN}".replace("minute", "hour"))
        for n, entry in enumerate(entries)
    )
    personas = found if live else ()
    return planned("dry-run", Live(personas=personas), read=catalog(entries), dry_run=True)


def many(number: int) -> Report:
    """One half differs in the same weight, a fifth is in sync, a tenth each is new, not known, or a stray."""
    entries, tenth = numbered(number), number // 10
    live = [live_persona(entry, n, user_id=f"u{n}") for n, entry in enumerate(entries)]
    changed = [one.model_copy(update={"module_mix": {"todo": 0.2}}) for one in live[: 5 * tenth]]
    strays = [
        one.model_copy(update={"user_id": f"s{one.user_id}", "email": f"s{one.email}"})
        for one in live[:tenth]
    ]
    unknown = Owner(Ownership.NOT_KNOWN, "the sign-in is rate-limited")
    found = Live(
        personas=(*changed, *live[5 * tenth : 7 * tenth], *live[9 * tenth :], *strays),
        owners={entry["email"]: unknown for entry in entries[7 * tenth : 8 * tenth]},
    )
    return planned("dry-run", found, read=catalog(entries), dry_run=True)


def one_huge_update() -> Report:
    lines = [f"Line {number} is long gone: {' '.join(['word'] * 60)}" for number in range(300)]
    personas = everyone(anna={"system_prompt": "\n".join(lines)}, ben={"tick_cadence": "daily"})
    return planned("dry-run", Live(personas=personas), dry_run=True)


# Of bad text.

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 `code` ``` fence | pipe <b>bold</b> <!-- --> </details> @octocat #123 GH-7 "
    "::error::boo\n::stop-commands::x\r\n##[error]x %0A \u202edlrow\u2066 \x85\u2028 \ud800 \ufffe ]]> "
    "[bold]rich[/bold] https://example.org/a/b/issues/1 {+x+} 😀👩‍👩‍👧 日本語 \x9b31m "
    "& &amp; 'q' \"q\" ~~s~~ _e_ *e* \\ $(x) ,"
)


def hostile_space(text: str, slug: str) -> LiveSpace:
    """A space of Anna's, in which whatever a service may tell is bad text."""
    ids: dict[str, Any] = {"member_id": text, "user_id": text, "name": text}
    people = (
        LiveMember.model_construct(**ids, email=mail("anna"), role="owner"),
        LiveMember.model_construct(**ids, email=text, role=text),
    )
    invited = Invitation.model_construct(
        invitation_id=text, email=mail("ben"), role=text, status="pending", expires_at=NOW, expired=False
    )
    return LiveSpace.model_construct(
        space_id=f"{text}{slug}",
        slug=slug,
        name=text,
        metadata={"type": text},
        members=people,
        invitations=(invited,),
    )


def hostile(text: str = HOSTILE, command: str = "seed", **more: Any) -> Report:
    """The same bad text wherever a catalog or a service may put one."""
    # Not validated: what the client would refuse does no harm here either.
    live = LivePersona.model_construct(
        user_id=text,
        email=text,
        name=text,
        archetype=text,
        tick_cadence=text,
        system_prompt=text,
        module_mix={text: 1.5, "nan": float("nan"), "inf": float("inf")},
        created_at=NOW,
        last_active_at=NOW,
        actions_7d=3,
    )
    anna = mail("anna")
    found = Live(
        personas=(live, live.model_copy(update={"user_id": "u2", "email": anna})),
        notes=(text,),
        owners={text: Owner(Ownership.FOREIGN, text)},
        unread={text: text},
        spaces=(hostile_space(text, "studio-nord"), hostile_space(text, text)),
        slugs={"rock-club": Owner(Ownership.FOREIGN, text), text: Owner(Ownership.NOT_KNOWN, text)},
        unread_spaces={f"{text}?": text},
        unread_by={f"{text}?": (text,)},
        spaces_of={anna: text, text: text},
    )
    action = RecentAction.model_construct(
        tool=text, result=text, created_at=NOW, latency_ms=float("nan"), error_message=text
    )
    feedback = ModuleFeedback.model_construct(module=text, ratings=1, mean=float("nan"))
    detail = LiveDetail.model_construct(persona=live, recent_actions=(action,), feedback=(feedback,))
    given: dict[str, Any] = {
        "only": (text,),
        "warnings": (Problem(path=text, line=3, column=4, message=text, file=text),),
        "notes": (text,),
        "error": Unreachable(text, hint=text),
        "live": found,
        "detail": detail,
        "exit_code": 4,
    }
    return planned(command, found, read=SHARED, **{**given, **more})


def hostile_plan(text: str = HOSTILE) -> Report:
    return hostile(text, "dry-run", dry_run=True, detail=None)


def hostile_run(text: str = HOSTILE) -> Report:
    return hostile(text, detail=None, results=[(Result.FAILED, text)])


def hostile_list(text: str = HOSTILE) -> Report:
    return hostile(text, "list", detail=None)


def hostile_show(text: str = HOSTILE) -> Report:
    return hostile(text, "show", results=[(Result.FAILED, text)])


def hostile_problems(text: str = HOSTILE) -> Report:
    problem = Problem(path=text, line=3, column=4, message=text, file=text)
    return made("validate", catalog=text, problems=(problem,) * 12, exit_code=3)


HOSTILE_KINDS = (hostile_plan, hostile_run, hostile_list, hostile_show, hostile_problems)


# Of spaces.


def with_spaces(
    command: str = "dry-run", found: Live | None = None, intent: Intent | None = None, **more: Any
) -> Report:
    return planned(command, drifted_spaces() if found is None else found, intent, read=SHARED, **more)


def spaces() -> Report:
    return with_spaces(dry_run=True)


def spaces_seeded() -> Report:
    """Pruned: one space failed, one was not done."""
    failed = (Result.FAILED, "the service answered 500 (Internal Server Error)")
    return with_spaces("seed", intent=PRUNE, results=[*DONE, failed], **PARTLY)


def spaces_in_sync() -> Report:
    return with_spaces("seed", spaces_in_sync_live())


def spaces_cleanup() -> Report:
    return with_spaces("cleanup", intent=CLEANUP, dry_run=True)


def spaces_listed() -> Report:
    return with_spaces("list", live=drifted_spaces())


def spaces_offline() -> Report:
    return with_spaces(found=Live(), offline=True, dry_run=True, **UNASKED)


def spaces_shown() -> Report:
    everything = plan(SHARED, drifted_spaces())
    of_anna = tuple(c for c in everything if c.key in {mail("anna"), "studio-nord", "translations"})
    detail = LiveDetail(persona=IN_SYNC.personas[0])
    return base("show", plan=replace(everything, changes=of_anna), detail=detail, loaded=SHARED)


SCENARIOS = {
    "against-snapshot": against_snapshot,
    "cleaned": cleaned,
    "cleanup-blind": cleanup_blind,
    "cleanup-preview": cleanup_preview,
    "doubtful": doubtful,
    "drift-found": drift_found,
    "dry-run": dry_run,
    "first-dry-run": first_dry_run,
    "full-list": full_list,
    "hostile-list": hostile_list,
    "hostile-plan": hostile_plan,
    "hostile-run": hostile_run,
    "hostile-problems": hostile_problems,
    "hostile-show": hostile_show,
    "half-mended": half_mended,
    "in-sync": sync,
    "interrupted": interrupted,
    "invalid": invalid,
    "list": listed,
    "list-empty": listed_empty,
    "offline": offline,
    "partly-failed": partly_failed,
    "pruning": pruning,
    "seeded": seeded,
    "show": shown,
    "show-alone": shown_alone,
    "spaces": spaces,
    "spaces-cleanup": spaces_cleanup,
    "spaces-in-sync": spaces_in_sync,
    "spaces-listed": spaces_listed,
    "spaces-offline": spaces_offline,
    "spaces-seeded": spaces_seeded,
    "spaces-shown": spaces_shown,
    "unreachable": unreachable,
    "valid": valid,
}
