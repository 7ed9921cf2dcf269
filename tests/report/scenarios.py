"""Real reports, one for each thing that a command may have to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from personas.catalog.reading import Catalog, parse_catalog
from personas.errors import CatalogError, DriftFound, PartlyFailed, Problem, Unreachable
from personas.reconcile.live import Live, Owner, Ownership
from personas.reconcile.outcome import Outcome, Result
from personas.reconcile.plan import Intent, plan
from personas.report import Report, make_report
from personas.service.models import LiveDetail, LivePersona, Login, LoginCheck, ModuleFeedback, RecentAction

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


def persona(
    name: str,
    archetype: str,
    prompt: str,
    mix: Mapping[str, float],
    cadence: str = "daily",
    email: str = "",
) -> dict[str, object]:
    return {
        "name": name,
        "email": email or f"persona.{name.split(maxsplit=1)[0].lower()}@mana.test",
        "archetype": archetype,
        "systemPrompt": prompt,
        "moduleMix": dict(mix),
        "tickCadence": cadence,
    }


PERSONAS = [
    persona("Anna Becker", "adhd-student", ANNA, {"todo": 0.4, "notes": 0.2, "calendar": 0.4}, "hourly"),
    persona("Ben Okafor", "ceo-busy", BEN, {"mail": 0.6, "calendar": 0.4}, "weekdays"),
    persona(
        "Chloé Martin",
        "creative-parent",
        "You are Chloé, a mother of twins who paints.",
        {"photos": 1},
        email="persona.chloe@mana.test",
    ),
    persona("Daniel Weiß", "solo-dev", "Du bist Daniel und baust allein eine App.", {"notes": 1, "todo": 1}),
    persona("Elif Yılmaz", "researcher", "You are Elif, who reads more than she sleeps.", {"notes": 3}),
    persona(
        "田中 由美",
        "freelancer",
        "You are Yumi Tanaka, a translator in Osaka.",
        {"invoices": 1},
        email="persona.yumi@mana.test",
    ),
    persona(
        "Gustav Lind",
        "overwhelmed-newbie",
        "You are Gustav, 74, and new to all this.",
        {"help": 2, "photos": 1},
    ),
    persona(
        "Hana Novak", "solo-dev", "You are Hana and ship a small game each month.", {"todo": 1}, "hourly"
    ),
    persona("Ivo Petrov", "researcher", "You are Ivo, a geologist on the road.", {"photos": 1, "notes": 1}),
    persona(
        "Jonas Falk", "freelancer", "You are Jonas, who photographs weddings.", {"photos": 2, "invoices": 1}
    ),
]


def catalog_text(personas: list[dict[str, object]] | None = None) -> str:
    return json.dumps({"personas": PERSONAS if personas is None else personas}, indent=2, ensure_ascii=False)


def catalog(personas: list[dict[str, object]] | None = None, file: str = "catalog.json") -> Catalog:
    return parse_catalog(catalog_text(personas), file=file)


def live_persona(entry: Mapping[str, object], number: int = 0) -> LivePersona:
    mix = entry["moduleMix"]
    assert isinstance(mix, Mapping)
    return LivePersona(
        user_id=f"user-{number:02}",
        email=str(entry["email"]),
        name=str(entry["name"]),
        archetype=str(entry["archetype"]),
        tick_cadence=str(entry["tickCadence"]),
        system_prompt=str(entry["systemPrompt"]),
        module_mix={str(key): float(value) for key, value in mix.items()},
        created_at=NOW - timedelta(days=30),
        last_active_at=NOW - timedelta(hours=number * 7, minutes=3) if number % 4 else None,
        actions_7d=number * 13,
    )


def everyone() -> list[LivePersona]:
    return [live_persona(entry, number) for number, entry in enumerate(PERSONAS)]


def stray(name: str = "Old Otto", email: str = "persona.otto@mana.test") -> LivePersona:
    return live_persona(
        persona(name, "solo-dev", "You are Otto and nobody remembers why.", {"mail": 1}, "hourly", email),
        77 + len(email),
    )


def in_sync() -> Live:
    return Live(personas=tuple(everyone()))


def drifted() -> Live:
    """Four in sync, two updates, one of each other state."""
    anna, ben, chloe, daniel, elif_, _yumi, _gustav, *rest = everyone()
    prompt = ANNA.replace("five lists", "six lists").replace("mute it", "snooze it")
    mix = {"todo": 0.3, "calendar": 0.4, "mail": 0.3}
    anna = anna.model_copy(update={"system_prompt": prompt, "module_mix": mix})
    ben = ben.model_copy(update={"tick_cadence": "daily", "archetype": "ceo"})
    chloe = chloe.model_copy(update={"name": "Chloe Martin"})
    return Live(
        personas=(anna, ben, chloe, daniel, elif_, *rest[:-1], stray()),
        owners={
            "persona.yumi@mana.test": Owner(Ownership.FREE),
            "persona.gustav@mana.test": Owner(Ownership.FOREIGN),
            "persona.jonas@mana.test": Owner(
                Ownership.NOT_KNOWN, "the sign-in is rate-limited for 4 minutes"
            ),
        },
        logins={"persona.daniel@mana.test": LoginCheck(Login.WRONG_PASSWORD)},
        notes=("The service does not offer a look-up of users: ownership was decided by sign-in alone.",),
        taken_at=None,
    )


def base(command: str, **more: object) -> Report:
    given: dict[str, object] = {
        "catalog": "catalog.json",
        "service": SERVICE,
        "requests": 14,
        "safety_requests": 2,
        "seconds": 0.84,
        "taken_at": NOW,
        "loaded": catalog(),
        **more,
    }
    return made(command, **given)


def made(command: str, **more: object) -> Report:
    return make_report(command, version="0.1.0", **more)  # type: ignore[arg-type]


def dry_run(**more: object) -> Report:
    return base("dry-run", dry_run=True, plan=plan(catalog(), drifted()), **more)


def first_dry_run() -> Report:
    return base("dry-run", dry_run=True, plan=plan(catalog(), Live()))


def pruning() -> Report:
    intent = Intent(prune=True, recreate=True)
    return base("seed", dry_run=True, plan=plan(catalog(), drifted(), intent))


def offline() -> Report:
    return base(
        "dry-run",
        dry_run=True,
        offline=True,
        service="",
        requests=0,
        safety_requests=0,
        seconds=0.0,
        plan=plan(catalog(), Live()),
    )


def against_snapshot() -> Report:
    return base(
        "dry-run",
        dry_run=True,
        service="",
        requests=0,
        safety_requests=0,
        snapshot_age=93_784.0,
        plan=plan(catalog(), drifted()),
    )


def sync() -> Report:
    return base("seed", plan=plan(catalog(), in_sync()))


def seeded() -> Report:
    planned = plan(catalog(), Live(personas=in_sync().personas[:7]))
    done = tuple(Outcome(change, Result.DONE, seconds=0.1) for change in planned.steps)
    return base("seed", plan=planned, outcomes=done)


def partly_failed() -> Report:
    planned = plan(catalog(), drifted(), Intent(prune=True))
    results = [
        (Result.DONE, ""),
        (Result.FAILED, "the service answered 500 (Internal Server Error) three times"),
        (Result.UNKNOWN, "sent, and the connection broke before an answer came"),
        (Result.NOT_DONE, ""),
    ]
    outcomes = tuple(
        Outcome(change, *results[index % len(results)], seconds=0.2)
        for index, change in enumerate(planned.steps)
    )
    error = PartlyFailed("some personas failed", hint="Run again: personas seed")
    return base("seed", plan=planned, outcomes=outcomes, error=error, exit_code=6)


def half_mended() -> Report:
    """An update that mends the weights and leaves the name as it is."""
    anna, *rest = everyone()
    anna = anna.model_copy(update={"name": "Ana", "module_mix": {"todo": 1.0}})
    planned = plan(catalog(), Live(personas=(anna, *rest)))
    return base(
        "seed", plan=planned, outcomes=tuple(Outcome(change, Result.DONE) for change in planned.steps)
    )


def interrupted() -> Report:
    planned = plan(catalog(), Live())
    outcomes = tuple(
        Outcome(change, Result.DONE if index < 4 else Result.NOT_DONE)
        for index, change in enumerate(planned.steps)
    )
    return base("seed", plan=planned, outcomes=outcomes, interrupted=True, exit_code=130)


def cleanup_preview() -> Report:
    live = Live(personas=(*drifted().personas, stray("A Tester", "tester@example.org")))
    return base("cleanup", dry_run=True, plan=plan(catalog(), live, Intent(purpose="cleanup")))


def cleaned() -> Report:
    planned = plan(catalog(), drifted(), Intent(purpose="cleanup"))
    return base(
        "cleanup", plan=planned, outcomes=tuple(Outcome(change, Result.DONE) for change in planned.steps)
    )


def cleanup_blind() -> Report:
    planned = plan(None, in_sync(), Intent(purpose="cleanup"))
    return base(
        "cleanup",
        dry_run=True,
        plan=planned,
        loaded=None,
        notes=("the catalog could not be read: no such file",),
    )


def listed() -> Report:
    return base("list", plan=plan(catalog(), drifted()))


def full_list() -> Report:
    return base("list", plan=plan(catalog(), drifted()), live=drifted())


def listed_empty() -> Report:
    return base("list", plan=plan(catalog(), Live()))


def shown() -> Report:
    anna = drifted().personas[0]
    actions = tuple(
        RecentAction(
            tool="todo.create" if number % 3 else "calendar.list",
            result="error" if number == 4 else "ok",
            created_at=NOW - timedelta(minutes=11 * number * number + 1),
            latency_ms=38.0 + number * 17,
            error_message="the list is archived and takes no new entries until it is restored"
            if number == 4
            else None,
        )
        for number in range(20)
    )
    feedback = (
        ModuleFeedback(module="todo", ratings=12, mean=4.25),
        ModuleFeedback(module="calendar", ratings=3, mean=2.0),
        ModuleFeedback(module="mail", ratings=7),
    )
    detail = LiveDetail(persona=anna, recent_actions=actions, feedback=feedback)
    return base(
        "show",
        plan=plan(catalog(), Live(personas=(anna,)), only="persona.anna"),
        detail=detail,
        requests=2,
        safety_requests=0,
    )


def shown_alone() -> Report:
    """Nothing known but what the service must tell."""
    quiet = LivePersona(user_id="user-9", email="persona.quiet@mana.test")
    return base("show", detail=LiveDetail(persona=quiet), loaded=None, catalog="")


def valid() -> Report:
    return made("validate", catalog="catalog.json", loaded=catalog())


def doubtful() -> Report:
    entry = dict(PERSONAS[0], nmae="x")
    loaded = catalog([entry])
    return made("validate", catalog="catalog.json", loaded=loaded, warnings=loaded.warnings)


def invalid() -> Report:
    entries = [
        dict(PERSONAS[0], email="Anna@mana.test", tickCadence="monthly"),
        dict(PERSONAS[1], systemPrompt="short"),
    ]
    try:
        catalog(entries)
    except CatalogError as error:
        return made("validate", catalog="catalog.json", problems=error.problems, error=error, exit_code=3)
    raise AssertionError("the catalog is valid")


def unreachable() -> Report:
    error = Unreachable(
        f"nothing answers at {SERVICE}", hint="to try without a service: personas seed --auth embedded"
    )
    return base("seed", error=error, exit_code=4, requests=3, safety_requests=0)


def drift_found() -> Report:
    return dry_run(error=DriftFound("catalog and service differ"), exit_code=10)


def large(number: int = 200, *, live: bool = True) -> Report:
    entries = [
        persona(
            f"Person {index}",
            "solo-dev",
            f"You are number {index}. {BEN}",
            {"todo": 1, "notes": index % 7},
            email=f"persona.p{index:06}@mana.test",
        )
        for index in range(number)
    ]
    found = [
        live_persona(entry, index).model_copy(
            update={
                "user_id": f"u{index}",
                "system_prompt": str(entry["systemPrompt"]).replace("minute", "hour"),
            }
        )
        for index, entry in enumerate(entries)
    ]
    read = catalog(entries)
    return base(
        "dry-run", dry_run=True, plan=plan(read, Live(personas=tuple(found) if live else ())), loaded=read
    )


def many(number: int) -> Report:
    """One half differs in the same weight, a fifth is in sync, a tenth each is new, not known, or a stray."""
    entries = [
        persona(f"Person {n}", "solo-dev", BEN, {"todo": 0.3}, email=f"persona.p{n:06}@mana.test")
        for n in range(number)
    ]
    live = [live_persona(entry, n) for n, entry in enumerate(entries)]
    live = [one.model_copy(update={"user_id": f"u{n}"}) for n, one in enumerate(live)]
    tenth = number // 10
    changed = [one.model_copy(update={"module_mix": {"todo": 0.2}}) for one in live[: 5 * tenth]]
    strays = [
        one.model_copy(update={"user_id": f"s{one.user_id}", "email": f"s{one.email}"})
        for one in live[:tenth]
    ]
    owners = {
        str(entry["email"]): Owner(Ownership.NOT_KNOWN, "the sign-in is rate-limited")
        for entry in entries[7 * tenth : 8 * tenth]
    }
    read = catalog(entries)
    found = Live(
        personas=(*changed, *live[5 * tenth : 7 * tenth], *live[9 * tenth :], *strays), owners=owners
    )
    return base("dry-run", dry_run=True, plan=plan(read, found), loaded=read)


HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 `code` ``` fence | pipe <b>bold</b> <!-- --> </details> @octocat #123 GH-7 "
    "::error::boo\n::stop-commands::x\r\n##[error]x %0A \u202edlrow\u2066 \x85\u2028 \ud800 \ufffe ]]> "
    "[bold]rich[/bold] https://example.org/a/b/issues/1 {+x+} 😀👩‍👩‍👧 日本語 \x9b31m "
    "& &amp; 'q' \"q\" ~~s~~ _e_ *e* \\ $(x) ,"
)


def hostile(text: str = HOSTILE, command: str = "seed", **more: object) -> Report:
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
    wanted = catalog().personas[0]
    changed = live.model_copy(update={"user_id": "u2", "email": wanted.email})
    planned = plan(catalog(), Live(personas=(live, changed), notes=(text,)))
    outcomes = tuple(Outcome(change, Result.FAILED, text) for change in planned.steps)
    problem = Problem(path=text, line=3, column=4, message=text, file=text)
    action = RecentAction.model_construct(
        tool=text, result=text, created_at=NOW, latency_ms=float("nan"), error_message=text
    )
    feedback = ModuleFeedback.model_construct(module=text, ratings=1, mean=float("nan"))
    detail = LiveDetail.model_construct(persona=live, recent_actions=(action,), feedback=(feedback,))
    given: dict[str, object] = {
        "plan": planned,
        "outcomes": outcomes,
        "only": (text,),
        "warnings": (problem,),
        "notes": (text,),
        "error": Unreachable(text, hint=text),
        "live": Live(
            personas=(live, changed), owners={text: Owner(Ownership.FOREIGN, text)}, unread={text: text}
        ),
        "detail": detail,
        "exit_code": 4,
        **more,
    }
    return base(command, **given)


def hostile_problems(text: str = HOSTILE) -> Report:
    problem = Problem(path=text, line=3, column=4, message=text, file=text)
    return made("validate", catalog=text, problems=(problem,) * 12, exit_code=3)


def hostile_plan(text: str = HOSTILE) -> Report:
    return hostile(text, "dry-run", dry_run=True, detail=None, outcomes=())


def hostile_run(text: str = HOSTILE) -> Report:
    return hostile(text, detail=None)


def hostile_list(text: str = HOSTILE) -> Report:
    return hostile(text, "list", detail=None, outcomes=())


def hostile_show(text: str = HOSTILE) -> Report:
    return hostile(text, "show")


def many_problems(number: int) -> Report:
    problems = tuple(
        Problem(f"$.personas[{index}]", index + 1, 1, f"problem {index}", "catalog.json")
        for index in range(number)
    )
    return made("validate", catalog="catalog.json", problems=problems, exit_code=3)


def invalid_and_doubtful() -> Report:
    problems = tuple(Problem("$", line, 1, "is wrong", "catalog.json") for line in (2, 4))
    warnings = (Problem("$", 3, 1, "is doubtful", "catalog.json"),)
    return made("validate", catalog="catalog.json", problems=problems, warnings=warnings, exit_code=3)


HOSTILE_KINDS = (hostile_plan, hostile_run, hostile_list, hostile_show, hostile_problems)


def one_huge_update() -> Report:
    anna, ben, *rest = everyone()
    lines = [f"Line {number} is long gone: {' '.join(['word'] * 60)}" for number in range(300)]
    anna = anna.model_copy(update={"system_prompt": "\n".join(lines)})
    live = Live(personas=(anna, ben.model_copy(update={"tick_cadence": "daily"}), *rest))
    return base("dry-run", dry_run=True, plan=plan(catalog(), live))


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
    "unreachable": unreachable,
    "valid": valid,
}
