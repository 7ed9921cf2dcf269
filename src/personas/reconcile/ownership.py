"""Two safety rules: a new email must not belong to another account, and the seed secret must fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from personas.concurrency import Cancel, run_concurrently
from personas.errors import SafetyError
from personas.passwords import PasswordDeriver
from personas.reconcile.changes import LiveState, Owner
from personas.services.base import Service
from personas.services.models import FoundUser, LivePersona, PasswordCheck, Verdict

Checks = dict[str, PasswordCheck]  # by email

_GONE = PasswordCheck(Verdict.UNKNOWN, "the persona was deleted meanwhile")
_LIMITED = PasswordCheck(Verdict.UNKNOWN, "not tried, the service limits sign-ins")


async def find_owners(
    service: Service, emails: Collection[str], state: LiveState, passwords: PasswordDeriver | None
) -> dict[str, Owner]:
    """Return the accounts that have these emails (lower case), which no live persona of the service has.

    Raises NotOfferedError if the service has no user look-up.
    """
    doubtful: list[str] = []
    for domain in {email[email.index("@") :] for email in emails}:
        personas = {persona.user_id for persona in state.everyone if persona.email.lower().endswith(domain)}
        accounts = await service.count_users(domain)
        if personas:  # those that were deleted before the count are not among the accounts
            personas &= {persona.user_id for persona in await service.list_personas()}
        # As many accounts as live personas: the domain has no other accounts.
        if accounts != len(personas):
            doubtful += [email for email in emails if email.endswith(domain)]
    owners: dict[str, Owner] = {}
    users: dict[str, FoundUser] = {}
    if not doubtful:
        return owners
    for email, found in (await service.find_users(doubtful)).items():
        if isinstance(found, FoundUser):
            users[email] = found
        else:
            owners[email] = Owner(verdict=Verdict.UNKNOWN, reason=found.message)
    no_secret = PasswordCheck(Verdict.UNKNOWN, "there is no seed secret to sign in with")
    checks: Checks = dict.fromkeys(users, no_secret)
    if passwords is not None:
        checks = await check_passwords(service, users, passwords)
    return owners | {e: Owner(verdict=c.verdict, reason=c.reason, user=users[e]) for e, c in checks.items()}


async def check_seed_secret(
    service: Service,
    live: Iterable[LivePersona],
    passwords: PasswordDeriver,
    check: Collection[str],
    *,
    replace: bool,
) -> tuple[Checks, tuple[str, ...]]:
    """Sign in as the oldest and the newest of these live personas of the catalog; if one fails, as all.

    The emails in `check` are checked in any case. Returns the checks by email, and notes. Raises SafetyError
    if no password signs in, at least one is wrong, and the run does not `replace` them.
    """
    by_age = sorted(live, key=lambda persona: (str(persona.created_at or ""), persona.email))
    emails = list(dict.fromkeys(persona.email.lower() for persona in by_age))
    checks = await check_passwords(service, emails[:1] + emails[1:][-1:], passwords)
    if _select(checks, Verdict.WRONG):
        check = set(emails)
    checks = await check_passwords(service, [e for e in emails if e in check], passwords, checks)
    if wrong := _select(checks, Verdict.WRONG):
        # The account of a persona that was deleted meanwhile does not sign in either.
        listed = {persona.email.lower() for persona in await service.list_personas()}
        checks |= {email: _GONE for email in wrong if email not in listed}
    wrong = _select(checks, Verdict.WRONG)
    if wrong and not _select(checks, Verdict.RIGHT) and not replace:
        message = f"The seed secret does not match: {len(wrong)} of {len(wrong)} sign-ins failed."
        raise SafetyError(message, hint=_hint(service, passwords))
    unknown = _select(checks, Verdict.UNKNOWN)
    if not unknown:
        return checks, ()
    reason = checks[unknown[0]].reason.rstrip(".")
    note = f"Could not check the seed secret with {len(unknown)} of {len(checks)} personas: {reason}."
    # A sample that did not have to be checked is only a note.
    return {email: result for email, result in checks.items() if email in check}, (note,)


async def check_passwords(
    service: Service, emails: Iterable[str], passwords: PasswordDeriver, known: Checks | None = None
) -> Checks:
    """Sign in with the derived passwords that are not `known`. After a rate limit the rest is unknown."""
    checks = dict(known or {})
    left = [email for email in emails if email not in checks]
    cancel = Cancel()
    cancel.requested = any(result.rate_limited for result in checks.values())

    async def check(email: str) -> None:
        checks[email] = await service.check_password(email, passwords.derive(email))
        if checks[email].rate_limited:
            cancel.request()

    await run_concurrently(left, check, limit=service.concurrency, cancel=cancel)
    return dict.fromkeys(left, _LIMITED) | checks


def _select(checks: Checks, verdict: Verdict) -> list[str]:
    return [email for email, result in checks.items() if result.verdict is verdict]


def _hint(service: Service, passwords: PasswordDeriver) -> str:
    cause = "The development secret is in use. " if passwords.development else ""
    cure = "change their passwords" if "password" in service.capabilities.updatable else "re-create them"
    return f"{cause}Set PERSONA_SEED_SECRET to the secret of these personas, or add --replace to {cure}."
