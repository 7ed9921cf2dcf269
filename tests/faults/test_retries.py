"""A run ends right, or says precisely what is not done, whatever happens on the way to the service."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from personas import derive_password
from personas.errors import Unreachable
from personas.secret import Secret
from personas.service.credentials import Credentials
from personas.service.endpoints import AuthService
from personas.service.transport import Patience

from .faultserver import Answer, Cut, Drip, Fault, Reset, Seen, Stall, fault_server, when
from .world import PERSONAS, SECRET, World, emails_of, entry

LOCALS = [f"p{number}" for number in range(6)]
EVERYBODY = emails_of(LOCALS)
WRITE = f"POST {PERSONAS}"


def limit(*headers: tuple[str, str], status: int = 429) -> Answer:
    return Answer(status, {"error": "Too many requests"}, headers)


def until_a_date() -> Answer:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    return limit(("Retry-After", format_datetime(soon, usegmt=True)))


# Each fault, how often it is met, and how many seconds one attempt is given: few where they are waited for,
# else more than a busy machine takes.
BUSY = pytest.param(limit(("Retry-After", "0")), 3, 20, id="429 Retry-After")
OFTEN_503 = pytest.param(Answer(503, "<html>Service Unavailable</html>"), 6, 20, id="burst of 503")
ONCE_500 = pytest.param(Answer(500, {"statusCode": 500, "message": "boom"}), 1, 20, id="500 once")
LOST = pytest.param(Reset("lost"), 2, 20, id="answer lost")
HALF = pytest.param(Cut(), 2, 20, id="half an answer")
DRIP = pytest.param(Drip(0.02), 1, 1.5, id="slow drip")


@pytest.mark.parametrize(
    ("fault", "times", "timeout"),
    [
        BUSY,
        pytest.param(until_a_date, 3, 20, id="429 Retry-After as a date"),
        pytest.param(limit(("X-Retry-After", "0")), 3, 20, id="429 X-Retry-After"),
        pytest.param(limit(("Retry-After", "0"), status=503), 4, 20, id="503 Retry-After"),
        OFTEN_503,
        pytest.param(Answer(502, "Bad Gateway"), 2, 20, id="502"),
        pytest.param(Answer(504, ""), 2, 20, id="504"),
        ONCE_500,
        pytest.param(Reset("before"), 2, 20, id="reset before the service hears of it"),
        pytest.param(Reset("in"), 2, 20, id="reset in the answer"),
        LOST,
        HALF,
        pytest.param(Stall(), 1, 1.5, id="stall before the service hears of it"),
        pytest.param(Stall(forward=True), 1, 1.5, id="stall after the service has acted"),
        DRIP,
    ],
)
def test_a_write_that_meets_a_fault_is_done_in_the_end_and_counted_once(
    real: World, fault: Fault | Callable[[], Fault], times: int, timeout: float
) -> None:
    real.write_catalog(*LOCALS)
    script = when(WRITE, first=3, times=times, then=fault)
    ended = real.run("seed", "--quiet", "-o", "json", "--timeout", str(timeout), through=script)
    assert ended.results() == {"done": len(LOCALS)}
    assert ended.err == ""
    assert real.personas == EVERYBODY
    assert len(ended.seen.to(WRITE)) == len(LOCALS) + times
    # What was sent is what is told, retries included.
    assert ended.document()["requests"] == len(ended.seen)


@pytest.mark.parametrize(("fault", "times", "timeout"), [BUSY, OFTEN_503, ONCE_500, LOST, HALF, DRIP])
def test_a_read_that_meets_a_fault_leads_to_the_same_plan(
    real: World, fault: Fault, times: int, timeout: float
) -> None:
    real.add_personas(*LOCALS)
    real.write_catalog(*LOCALS, "new")
    with fault_server(upstream=real.url) as proxy:
        calm = real.run("dry-run", "-o", "json", env={"MANA_AUTH_URL": proxy.url})
        proxy.script = when("GET", first=4, times=times, then=fault)
        ended = real.run("dry-run", "-o", "json", "--timeout", str(timeout), env={"MANA_AUTH_URL": proxy.url})
    assert ended.plan()["checksum"] == calm.plan()["checksum"]


def test_a_deletion_whose_answer_got_lost_is_done_and_counted_once(real: World) -> None:
    real.add_personas(*LOCALS)
    real.write_catalog(*LOCALS)
    lose = when("DELETE", first=2, times=1, then=Reset("lost"))
    assert real.run("cleanup", "--yes", "-o", "json", through=lose).results() == {"done": len(LOCALS)}
    assert real.personas == set()


def test_a_write_that_is_never_answered_is_told_as_unknown_and_the_rest_is_done(real: World) -> None:
    real.write_catalog(*LOCALS)
    lose = when(WRITE, email="p5@mana.test", then=Reset("lost"))
    told = real.run("seed", "-o", "json", through=lose, exits=6).told()
    result, message = told.pop("p5@mana.test")
    assert result == "unknown"
    assert "broke before a whole answer came" in message
    assert {result for result, _ in told.values()} == {"done"}
    assert real.personas == EVERYBODY


def test_a_service_that_dies_in_the_middle_ends_the_run_soon_with_what_is_done_and_what_is_not(
    real: World,
) -> None:
    everybody = [f"p{number}" for number in range(50)]
    real.write_catalog(*everybody)
    alive = 20

    def die(seen: Seen) -> Fault | None:
        return Stall() if len(seen.all.to(WRITE)) > alive else None

    ended = real.run("seed", "-o", "json", "--timeout", "1.2", through=die, exits=4)
    results = ended.results()
    assert sum(results.values()) == len(everybody)
    assert results["done"] == alive == len(real.personas)
    # A call is tried twice in vain, and no worker starts another one after three such calls.
    assert results["unknown"] <= 11
    assert len(ended.seen.to(WRITE)) <= alive + 22
    real.run("seed")
    assert real.personas == emails_of(everybody)


def test_a_lost_write_followed_by_a_dead_service_is_unknown_and_not_called_not_done(real: World) -> None:
    real.write_catalog("a")
    faults: Iterator[Fault] = iter([Reset("lost"), Answer(401, {"message": "Invalid or expired token"})])
    ended = real.run("seed", "-o", "json", through=when(WRITE, then=lambda: next(faults)), exits=4)
    assert ended.results() == {"unknown": 1}
    assert real.personas == {"a@mana.test"}


def test_a_service_that_stays_unavailable_is_not_asked_for_everyone(real: World) -> None:
    real.write_catalog(*(f"p{number}" for number in range(12)))

    def close(seen: Seen) -> Fault | None:
        return limit(("Retry-After", "0"), status=503) if len(seen.all.to(WRITE)) > 2 else None

    ended = real.run("seed", "-o", "json", "--concurrency", "2", through=close, exits=4)
    assert ended.results() in (
        {"done": 2, "failed": 4, "not-done": 6},
        {"done": 2, "failed": 3, "not-done": 7},
    )


# What cannot be reached at all


def test_a_host_name_that_nobody_knows_is_exit_4(real: World) -> None:
    real.write_catalog("a")
    ended = real.run("seed", exits=4, env={"MANA_AUTH_URL": "https://auth.invalid"})
    assert "the host name is not known" in ended.err


def test_a_server_that_speaks_no_tls_is_exit_4(real: World) -> None:
    real.write_catalog("a")
    url = real.url.replace("http:", "https:")
    ended = real.run("seed", exits=4, env={"MANA_AUTH_URL": url})
    assert f"no secure connection to {url}: wrong version number" in ended.err


def test_a_certificate_that_nobody_vouches_for_is_exit_4_and_the_server_is_sent_nothing(real: World) -> None:
    real.write_catalog("a")
    with fault_server(tls=self_signed(real.folder)) as server:
        ended = real.run("seed", exits=4, env={"MANA_AUTH_URL": server.url})
        assert server.seen == []
    assert f"no secure connection to {server.url}: self" in ended.err


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


async def seed_all(service: AuthService, number: int, after: Callable[[], object] = lambda: None) -> None:
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
        after()

    async with anyio.create_task_group() as group:
        for index in range(number):
            group.start_soon(one, f"q{index}")


@pytest.mark.anyio
async def test_all_workers_pause_together_and_come_back_by_fewer(real: World) -> None:
    with fault_server(when(WRITE, first=20, times=1, then=limit(("Retry-After", "1"))), real.url) as proxy:
        async with AuthService(proxy.url, Credentials(token=Secret(real.token)), concurrency=8) as service:
            allowed: list[float] = []
            await seed_all(service, 60, lambda: allowed.append(service.line.gate.allowed))
        posts = proxy.seen.to(WRITE)
    assert len(real.personas) == 60
    paused = next(seen.at for seen in posts if seen.status == 429)
    # What was under way may still arrive; then nobody asks until the second is over.
    later = [seen for seen in posts if seen.at - paused >= 0.9]
    assert [seen for seen in posts if 0.2 < seen.at - paused < 0.9] == []
    assert len(later) >= 30
    assert max(seen.together for seen in posts if seen.at <= paused) == 8
    assert later[0].together <= 4
    assert min(allowed) <= 4 + 1
    # And it recovers.
    assert allowed[-1] == 8
    assert max(seen.together for seen in later) > 4


@pytest.mark.anyio
async def test_concurrency_falls_to_one_while_the_service_goes_on_asking_for_less(real: World) -> None:
    # The service takes one call at a time and refuses every other.
    def script(seen: Seen) -> Fault | None:
        return limit(("Retry-After", "0.02")) if seen.together > 1 else None

    with fault_server(script, real.url) as proxy:
        credentials, patience = Credentials(token=Secret(real.token)), Patience(attempts=60)
        async with AuthService(proxy.url, credentials, concurrency=8, patience=patience) as service:
            await seed_all(service, 40)
        statuses = [seen.status for seen in proxy.seen.to(WRITE)]
    assert statuses.count(200) == 40
    assert 0 < statuses.count(429) < 60


@pytest.mark.anyio
async def test_waiting_between_attempts_grows(real: World) -> None:
    patience = Patience(attempts=6, wait_initial=0.02, wait_max=1.0)
    with fault_server(when(first=2, then=Reset("before")), real.url) as proxy:
        credentials = Credentials(token=Secret(real.token))
        async with AuthService(proxy.url, credentials, patience=patience) as service:
            await service.list_personas()
            with pytest.raises(Unreachable):
                await service.list_personas()
        waits = [later.at - earlier.at for earlier, later in pairwise(proxy.seen[1:])]
    # With the jitter each wait is at least half, and the fifth sixteen times as long as the first.
    assert waits[4] > waits[0]
    assert waits[4] >= 0.16
    assert sum(waits) < 2.0
