"""A run ends right, or says precisely what is not done, whatever happens on the way to the service."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from itertools import count, pairwise
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from personas import derive_password, load_catalog
from personas.errors import BadAnswer, RateLimited, Unanswered, Unavailable, Unreachable
from personas.reconcile.apply import apply
from personas.reconcile.outcome import Result
from personas.reconcile.plan import plan
from personas.reconcile.survey import survey
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.transport import Patience

from .faultserver import Answer, Cut, Drip, Fault, Reset, Script, Seen, Stall, fault_server
from .world import SECRET, World, entry, environment, run, write_catalog

LOCALS = [f"p{number}" for number in range(12)]
EVERYBODY = {f"{local}@mana.test" for local in LOCALS}
BUSY = {"error": "Too many requests"}
QUICK = Patience(wait_initial=0.01, wait_max=0.05)


def on_the(number: int, fault: Fault, *, method: str = "POST", times: int = 1) -> Script:
    """A script that answers so from the n-th request with this method on, and only so often."""
    seen_before = count(1)

    def script(seen: Seen) -> Fault | None:
        if seen.method != method:
            return None
        return fault if number <= next(seen_before) < number + times else None

    return script


def retry_at(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def limit(*headers: tuple[str, str], status: int = 429) -> Answer:
    return Answer(status, BUSY, headers)


FAULTS: dict[str, tuple[Callable[[], Fault], int]] = {
    "429 Retry-After in seconds": (lambda: limit(("Retry-After", "0")), 3),
    "429 Retry-After as a date": (lambda: limit(("Retry-After", retry_at(0.5))), 3),
    "429 Retry-After as a date that has passed": (lambda: limit(("Retry-After", retry_at(-60))), 3),
    "429 X-Retry-After": (lambda: limit(("X-Retry-After", "0")), 3),
    "429 with nonsense in Retry-After, and X-Retry-After": (
        lambda: limit(("Retry-After", "soon"), ("X-Retry-After", "0")),
        3,
    ),
    "503 with Retry-After": (lambda: limit(("Retry-After", "0"), status=503), 4),
    "burst of 503": (lambda: Answer(503, "<html>Service Unavailable</html>"), 6),
    "502": (lambda: Answer(502, "Bad Gateway"), 2),
    "504": (lambda: Answer(504, ""), 2),
    "500 once": (lambda: Answer(500, {"statusCode": 500, "message": "boom"}), 1),
    "reset before the service hears of it": (lambda: Reset("before"), 2),
    "reset in the answer": (lambda: Reset("in"), 2),
    "answer lost": (lambda: Reset("lost"), 2),
    "half an answer": (Cut, 2),
    "stall before the service hears of it": (Stall, 1),
    "stall after the service has acted": (lambda: Stall(forward=True), 1),
    "slow drip": (lambda: Drip(0.02), 1),
}


def patience_for(name: str) -> str:
    """Seconds for one attempt: few where they are waited for, else more than a busy machine takes."""
    return "1.5" if "stall" in name or "drip" in name else "20"


@pytest.mark.parametrize("name", FAULTS)
def test_a_write_that_meets_a_fault_is_done_in_the_end_and_counted_once(
    real: World, tmp_path: Path, name: str
) -> None:
    fault, times = FAULTS[name]
    catalog = write_catalog(tmp_path, LOCALS)
    with fault_server(on_the(3, fault(), times=times), real.url) as proxy:
        ended = run(
            *("seed", "-c", catalog, "-o", "json", "--timeout", patience_for(name)),
            env=environment(proxy.url, real.token),
        )
        sent = len(proxy.to("POST", "/personas"))
    assert ended.code == 0, ended
    assert ended.results() == {"done": len(LOCALS)}
    assert real.personas == EVERYBODY
    assert sent == len(LOCALS) + times
    # What was sent is what is told, retries included.
    assert ended.document()["requests"] == len(proxy.seen)


@pytest.mark.parametrize(
    "name",
    ["429 Retry-After in seconds", "burst of 503", "500 once", "answer lost", "half an answer", "slow drip"],
)
def test_a_read_that_meets_a_fault_leads_to_the_same_plan(real: World, tmp_path: Path, name: str) -> None:
    fault, times = FAULTS[name]
    real.add_personas(*LOCALS)
    catalog = write_catalog(tmp_path, [*LOCALS, "new"])
    with fault_server(upstream=real.url) as proxy:
        env = environment(proxy.url, real.token)
        calm = run("dry-run", "-c", catalog, "-o", "json", env=env)
        proxy.script = on_the(4, fault(), method="GET", times=times)
        ended = run(*("dry-run", "-c", catalog, "-o", "json", "--timeout", patience_for(name)), env=env)
    assert ended.code == 0, ended
    assert ended.document()["plan"]["checksum"] == calm.document()["plan"]["checksum"]


def test_a_deletion_whose_answer_got_lost_is_done_and_counted_once(real: World, tmp_path: Path) -> None:
    real.add_personas(*LOCALS)
    catalog = write_catalog(tmp_path, LOCALS)
    with fault_server(on_the(2, Reset("lost"), method="DELETE"), real.url) as proxy:
        ended = run("cleanup", "-c", catalog, "--yes", "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 0, ended
    assert ended.results() == {"done": len(LOCALS)}
    assert real.personas == set()


@pytest.mark.anyio
async def test_a_write_that_is_never_answered_is_told_as_unknown_and_the_rest_is_done(
    real: World, tmp_path: Path
) -> None:
    catalog = load_catalog(write_catalog(tmp_path, LOCALS))
    secret = Secret(SECRET)

    def lose(seen: Seen) -> Fault | None:
        mine = seen.method == "POST" and seen.json()["email"] == "p5@mana.test"
        return Reset("lost") if mine else None

    with fault_server(lose, real.url) as proxy:
        async with AuthService(proxy.url, Credentials(token=Secret(real.token)), patience=QUICK) as service:
            live = await survey(service, catalog, secret=secret)
            applied = await apply(plan(catalog, live), service, secret)
    assert applied.error is None
    unknown = [outcome for outcome in applied.outcomes if outcome.result is not Result.DONE]
    assert [(outcome.change.key, outcome.result) for outcome in unknown] == [("p5@mana.test", Result.UNKNOWN)]
    assert "broke before a whole answer came" in unknown[0].message
    assert real.personas == EVERYBODY


def test_a_refused_write_is_told_with_its_reason_and_the_rest_is_done(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    refusal = Answer(400, {"error": "ValidationError", "details": ["archetype is reserved"]})

    def refuse(seen: Seen) -> Fault | None:
        mine = seen.method == "POST" and seen.json()["email"] == "p5@mana.test"
        return refusal if mine else None

    with fault_server(refuse, real.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
        assert len([s for s in proxy.to("POST") if s.json()["email"] == "p5@mana.test"]) == 1
    assert ended.code == 6, ended
    assert "seeding p5@mana.test: refused with HTTP 400: ValidationError; archetype is reserved" in " ".join(
        ended.out.split()
    )
    assert real.personas == EVERYBODY - {"p5@mana.test"}


def test_500_is_tried_once_more_and_then_told(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    with fault_server(on_the(1, Answer(500, {"message": "boom"}), times=9), real.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
        assert len(proxy.to("POST")) == 2
    assert ended.code == 6, ended
    assert "HTTP 500: boom" in ended.out


def test_a_service_that_dies_in_the_middle_ends_the_run_soon_with_what_is_done_and_what_is_not(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, [f"p{number}" for number in range(100)])

    def die(_: Seen) -> Fault | None:
        return Stall() if len(proxy.to("POST")) > 20 else None

    with fault_server(die, real.url) as proxy:
        ended = run(
            *("seed", "-c", catalog, "-o", "json", "--timeout", "1.2"),
            env=environment(proxy.url, real.token),
        )
        sent = len(proxy.to("POST"))
    assert ended.code == 4, ended
    results = ended.results()
    assert sum(results.values()) == 100
    assert results["done"] == 20 == len(real.personas)
    # A call is tried twice in vain, and no worker starts another one after three such calls.
    assert results["unknown"] <= 11
    assert sent <= 20 + 22
    assert run("seed", "-c", catalog, env=environment(real.url, real.token)).code == 0
    assert len(real.personas) == 100


def test_a_lost_write_followed_by_a_dead_service_is_unknown_and_not_called_not_done(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    answers: Iterator[Fault] = iter(
        [Reset("lost"), Answer(401, {"statusCode": 401, "message": "Invalid or expired token"})]
    )

    def script(seen: Seen) -> Fault | None:
        return next(answers) if seen.method == "POST" else None

    with fault_server(script, real.url) as proxy:
        ended = run("seed", "-c", catalog, "-o", "json", env=environment(proxy.url, real.token))
    assert ended.code == 4, ended
    assert ended.results() == {"unknown": 1}
    assert real.personas == {"a@mana.test"}


def test_a_service_that_stays_unavailable_is_not_asked_for_everyone(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, LOCALS)

    def close(_: Seen) -> Fault | None:
        return limit(("Retry-After", "0"), status=503) if len(proxy.to("POST")) > 2 else None

    with fault_server(close, real.url) as proxy:
        ended = run(
            *("seed", "-c", catalog, "-o", "json", "--concurrency", "2"),
            env=environment(proxy.url, real.token),
        )
    assert ended.code == 4, ended
    assert ended.results() == {"done": 2, "failed": 4, "not-done": 6} or ended.results() == {
        "done": 2,
        "failed": 3,
        "not-done": 7,
    }


def test_a_wait_of_hours_is_told_at_once_and_not_waited_for(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    with fault_server(on_the(1, limit(("Retry-After", "7200")), times=9), real.url) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
        assert len(proxy.to("POST")) == 1
    assert ended.code == 6, ended
    assert "asks to wait 7200 s" in ended.out


def test_nothing_is_printed_about_a_retry_that_went_well(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, LOCALS)
    with fault_server(on_the(3, Reset("lost"), times=2), real.url) as proxy:
        ended = run("seed", "-c", catalog, "--quiet", env=environment(proxy.url, real.token))
    assert ended.err == ""


# What cannot be reached at all


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("command", ["seed", "dry-run", "cleanup", "list"])
def test_a_port_where_nobody_listens_is_exit_4_with_the_way_out(
    real: World, tmp_path: Path, command: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    catalog = write_catalog(tmp_path, ["a"])
    ended = run(command, "-c", catalog, env=environment(url, real.token))
    assert ended.code == 4, ended
    assert f"nothing answers at {url}: connection refused" in ended.err
    assert "--auth embedded" in ended.err


def test_a_host_name_that_nobody_knows_is_exit_4(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    ended = run("seed", "-c", catalog, "--auth", "https://auth.invalid", env=environment(token=real.token))
    assert ended.code == 4, ended
    assert "the host name is not known" in ended.err


def test_a_server_that_speaks_no_tls_is_exit_4(real: World, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    url = real.url.replace("http:", "https:")
    ended = run("seed", "-c", catalog, env=environment(url, real.token))
    assert ended.code == 4, ended
    assert f"no secure connection to {url}: wrong version number" in ended.err


def test_a_certificate_that_nobody_vouches_for_is_exit_4_and_the_server_is_sent_nothing(
    real: World, tmp_path: Path
) -> None:
    catalog = write_catalog(tmp_path, ["a"])
    with fault_server(upstream=real.url, tls=self_signed(tmp_path)) as proxy:
        ended = run("seed", "-c", catalog, env=environment(proxy.url, real.token))
        assert proxy.seen == []
    assert ended.code == 4, ended
    assert f"no secure connection to {proxy.url}: self" in ended.err


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


# All workers together, asserted on what the service saw


async def seed_all(service: AuthService, number: int, *, after: Callable[[], None] | None = None) -> None:
    async def one(local: str) -> None:
        wanted = entry(local)
        await service.upsert(
            email=wanted["email"],
            name=wanted["name"],
            password=Secret(derive_password(wanted["email"], SECRET)),
            archetype=wanted["archetype"],
            system_prompt=wanted["systemPrompt"],
            module_mix=wanted["moduleMix"],
            tick_cadence=wanted["tickCadence"],
        )
        if after is not None:
            after()

    async with anyio.create_task_group() as group:
        for index in range(number):
            group.start_soon(one, f"q{index}")


@pytest.mark.anyio
async def test_all_workers_pause_together_and_come_back_by_fewer(real: World) -> None:
    asked = count(1)
    paused: list[float] = []

    def script(seen: Seen) -> Fault | None:
        if seen.method == "POST" and next(asked) == 20:
            paused.append(seen.at)
            return limit(("Retry-After", "1"))
        return None

    with fault_server(script, real.url) as proxy:
        async with AuthService(proxy.url, Credentials(token=Secret(real.token)), concurrency=8) as service:
            allowed: list[float] = []
            await seed_all(service, 60, after=lambda: allowed.append(service.line.gate.allowed))
        posts = proxy.to("POST")
    assert len(real.personas) == 60
    # What was under way may still arrive; then nobody asks until the second is over.
    later = [seen for seen in posts if seen.at - paused[0] >= 0.9]
    early = [seen for seen in posts if 0.2 < seen.at - paused[0] < 0.9]
    assert early == []
    assert len(later) >= 30
    assert max(seen.together for seen in posts if seen.at <= paused[0]) == 8
    assert later[0].together <= 4
    assert min(allowed) <= 4 + 1
    # And it recovers.
    assert allowed[-1] == 8
    assert max(seen.together for seen in later) > 4


@pytest.mark.anyio
async def test_concurrency_falls_to_one_while_the_service_goes_on_asking_for_less(real: World) -> None:
    # The service takes one call at a time and refuses every other.
    def script(seen: Seen) -> Fault | None:
        return limit(("Retry-After", "0.02")) if seen.method == "POST" and seen.together > 1 else None

    with fault_server(script, real.url) as proxy:
        credentials = Credentials(token=Secret(real.token))
        async with AuthService(
            proxy.url, credentials, concurrency=8, patience=Patience(attempts=60)
        ) as service:
            await seed_all(service, 40)
        refused = [seen for seen in proxy.to("POST") if seen.status == 429]
        accepted = [seen for seen in proxy.to("POST") if seen.status == 200]
    assert len(accepted) == 40
    assert 0 < len(refused) < 60


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "error", "attempts"),
    [
        (limit(("Retry-After", "0")), RateLimited, 8),
        (limit(("Retry-After", "0"), status=503), Unavailable, 8),
        (Answer(502), Unanswered, 8),
        (Reset("before"), Unanswered, 8),
        (Cut(), Unanswered, 8),
        (Stall(), Unanswered, 2),
        (Answer(200, "x" * 100, (("content-encoding", "gzip"),)), BadAnswer, 1),
    ],
    ids=["429", "503", "502", "reset", "cut", "stall", "compressed"],
)
async def test_each_call_is_given_up_after_a_known_number_of_attempts(
    real: World, fault: Fault, error: type[Exception], attempts: int
) -> None:
    with fault_server(upstream=real.url) as proxy:
        credentials = Credentials(token=Secret(real.token))
        async with AuthService(proxy.url, credentials, timeout=0.5, patience=QUICK) as service:
            await service.list_personas()
            before = len(proxy.seen)
            proxy.script = lambda _: fault
            with pytest.raises(error):
                await service.list_personas()
        assert len(proxy.seen) == before + attempts == service.requests


@pytest.mark.anyio
async def test_waiting_between_attempts_grows(real: World) -> None:
    patience = Patience(attempts=6, wait_initial=0.02, wait_max=1.0)
    with fault_server(lambda seen: Reset("before") if seen.number > 1 else None, real.url) as proxy:
        async with AuthService(
            proxy.url, Credentials(token=Secret(real.token)), patience=patience
        ) as service:
            await service.list_personas()
            with pytest.raises(Unreachable):
                await service.list_personas()
        waits = [later.at - earlier.at for earlier, later in pairwise(proxy.seen[1:])]
    # With the jitter each wait is at least half, and the fifth sixteen times as long as the first.
    assert waits[4] > waits[0]
    assert waits[4] >= 0.16
    assert sum(waits) < 2.0
