"""TLS: what a replay answers without keys, certificates, or cryptography, is what OpenSSL answered."""

from __future__ import annotations

import subprocess

import pytest

from tests.programs.catalogue import Program
from tests.replays.conftest import RecordProgram
from tests.replays.harness import DIVERGENCE, Recorded, difference, replay, replay_many, show
from tests.replays.peers import TOGGLE, certificate

FOLDER = ("{tls}",)
PROGRAMS = (
    Program("tls/errors", args=FOLDER, peers=("tls",)),
    Program("tls/by_hand", args=FOLDER, peers=("tls",)),
    Program("tls/identities", args=FOLDER, peers=("tls",)),
    Program("tls/clients", args=FOLDER, peers=("tls",), needs=("aiohttp", "httpx")),
    Program("tls/shared_keys", min_python=(3, 13)),
)


def must_be_the_same(recorded: Recorded) -> None:
    """Replay twice, and fail where a replay is another run."""
    for replayed in replay_many(recorded, 2):
        found = difference(recorded, replayed)
        if found is not None:
            pytest.fail(found, pytrace=False)


@pytest.mark.sampled
@pytest.mark.parametrize("program", [pytest.param(program, id=program.name) for program in PROGRAMS])
def test_a_replay_is_the_same_run(program: Program, record_program: RecordProgram) -> None:
    must_be_the_same(record_program(program))


@pytest.mark.more
def test_passwords_of_keys_are_asked_for_again(record_program: RecordProgram) -> None:
    cert, key = certificate()
    argv = ["openssl", "ec", "-aes128", "-passout", "pass:open sesame"]
    locked = subprocess.run(argv, input=key, capture_output=True, check=True).stdout
    inputs = {"cert.pem": cert.decode(), "locked.pem": locked.decode()}
    recorded = record_program(Program("tls/passwords", inputs=inputs))
    assert recorded.ran.stdout.startswith(b"None\nNone\n"), show(recorded.ran)
    must_be_the_same(recorded)
    assert b"open sesame" not in recorded.path.read_bytes()


@pytest.mark.sampled
@pytest.mark.parametrize("way", ["blocking", "asyncio"])
def test_other_plaintext_is_caught(way: str, record_program: RecordProgram) -> None:
    program = Program("tls/leak", args=("{tls}", "{toggle}", way), peers=("tls", "toggle"))
    recorded = record_program(program)
    assert difference(recorded, replay(recorded)) is None
    (recorded.folder / TOGGLE).touch()
    replayed = replay(recorded)
    assert replayed.exit_code == DIVERGENCE, show(replayed)
    assert replayed.stdout == b"before\n"
    assert b"ssl.write" in replayed.stderr, show(replayed)
