"""The daemon over SIP trunks to Kamailio, which asks for credentials, stays in the path, and keeps its limits.

By the far end's own count, a sipp behind it, everybody is called once.
"""

import hashlib
import re
import socket
from collections.abc import Iterator
from itertools import product

import pytest
from kamailio_peer import PASSWORD, REALM, USERNAME, Kamailio
from needs import program
from place import until
from sip_town import Town
from sipp_peer import Sipp

pytestmark = pytest.mark.system

EACH = 8
CARRIED = [f"{algorithm}-{transport}" for algorithm, transport in product(("MD5", "SHA-256"), ("udp", "tcp", "tls"))]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Trunks of all kinds at once, with their campaigns under way; one sipp is behind all of them."""
    program("sipp", "sip-tester")
    with Town(tmp_path_factory.mktemp("town")) as town:
        account = {"username": USERNAME, "password_file": town.secret(PASSWORD), "options_interval": "5s"}
        callee = town.peers["callee"] = town.enter(Sipp("answer", town.folder("callee")))
        kamailios = {}
        for algorithm in ("MD5", "SHA-256"):
            made = Kamailio(town.folder(algorithm), callee.place, auth=algorithm, tls=True, memory_mb=64)
            kamailios[algorithm] = town.enter(made)
        for name in CARRIED:
            algorithm, _, transport = name.rpartition("-")
            trunk = kamailios[algorithm]
            server = trunk.tls_place if transport == "tls" else trunk.place
            options = {"tls_ca": str(trunk.authority)} if transport == "tls" else {}
            town.trunk(name, server, transport=transport, **account, **options)
        town.registrar = kamailios["MD5"].place
        town.trunk("registered", town.registrar, register=True, **account)
        wrong = account | {"password_file": town.secret("not-this-one")}
        town.trunk("wrong", town.registrar, **wrong)
        unknown = town.enter(Kamailio(town.folder("unknown"), callee.place, tls=True, memory_mb=64))
        town.trunk("unknown", unknown.tls_place, transport="tls", tls_ca=str(kamailios["MD5"].authority), **account)
        for name, limits in (("cps", {"cps": 4}), ("channels", {"channels": 2})):
            limited = town.enter(Kamailio(town.folder(name), callee.place, memory_mb=64, **limits))
            town.trunk(name, limited.place, retry_after_most="2s", **account)
        town.start()
        for name in (*CARRIED, "registered", "cps", "channels", "wrong", "unknown"):
            town.drop(name, count=EACH)
        yield town


def called(town: Town, name: str) -> dict[str, int]:
    """Return how often the far end was called, for each number of a campaign."""
    numbers = town.numbers(name, EACH)
    return {number: times for number, times in town.peers["callee"].placed().items() if number in numbers}


@pytest.mark.parametrize("name", [*CARRIED, "registered"])
def test_calls_over_a_trunk(town: Town, name: str) -> None:
    """Each is answered, once, with the credentials that were asked for, and hung up by us over the route set."""
    calls = town.calls(name)
    assert [call["outcome"] for call in calls] == ["answered"] * EACH
    assert all(call["detail"]["sip_status"] == 200 and call["detail"]["ended_why"] == "agent" for call in calls)
    assert called(town, name) == dict.fromkeys(town.numbers(name, EACH), 1)


@pytest.mark.parametrize(("name", "phrase"), [("cps", "Too Many Calls A Second"), ("channels", "All Channels Busy")])
def test_a_trunk_with_limits(town: Town, name: str, phrase: str) -> None:
    """503 with Retry-After slows the trunk down; nobody's attempt is used up, and everybody is called in the end."""
    calls = town.calls(name)
    assert town.finals(name) == {"succeeded": EACH}
    assert called(town, name) == dict.fromkeys(town.numbers(name, EACH), 1)
    refused = [call for call in calls if call["refunded"] == "true"]
    assert refused
    assert all(f"SIP 503 {phrase}" in call["cause"] for call in refused)
    assert [entry for entry in town.place.logged("trunk.throttled") if entry["trunk"] == name]


def test_a_wrong_password_is_shown_once(town: Town) -> None:
    """Calls that were under way show it once; then the trunk rests and says what to correct."""
    until(lambda: [one for one in town.attempts("wrong") if one["ended_at"]], "an attempt")
    town.until_free_of("wrong")
    tries = town.attempts("wrong")
    first = min(one["ended_at"] for one in tries)
    assert sum(one["claimed_at"] > first + 500 for one in tries) <= 3, "a flood: the trunk does not rest"
    for one in tries:
        assert one["refunded"]
        assert "correct username, password or realm" in one["cause"]
    assert not called(town, "wrong")
    assert PASSWORD not in town.place.log_path().read_text()
    assert "not-this-one" not in town.place.log_path().read_text().replace("secret-not-this-one", "")


def test_a_certificate_of_another_authority(town: Town) -> None:
    """Nothing is sent to a server that cannot show who it is."""
    assert not called(town, "unknown")
    assert not [one for one in town.attempts("unknown") if not one["refunded"]]
    assert any("certificate" in str(entry) for entry in town.place.log() if entry.get("trunk") == "unknown")


def test_the_registration(town: Town) -> None:
    """By the registrar's own list we are registered while we run; at the end nobody is, and no line is held."""
    town.calls("registered")
    assert len(bindings(town.registrar)) == 1
    for name in (*CARRIED, "cps", "channels"):
        town.calls(name)
    town.until_free()
    assert town.place.stop() == 0
    assert not bindings(town.registrar)
    callee = town.peers["callee"]
    until(lambda: not callee.open(), "the end of all calls at the far end")
    assert not callee.trouble()


def bindings(place: str) -> list[str]:
    """Ask a registrar for the account's bindings (RFC 3261 section 10.2.3), by hand."""
    host, _, port = place.partition(":")
    shown = ""
    with socket.socket(type=socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect((host, int(port)))
        here = f"{asker.getsockname()[0]}:{asker.getsockname()[1]}"
        for number in (1, 2):
            head = (
                f"REGISTER sip:{place} SIP/2.0",
                f"Via: SIP/2.0/UDP {here};branch=z9hG4bKlist{number}{here.replace(':', '')};rport",
                "Max-Forwards: 5",
                f"From: <sip:{USERNAME}@{place}>;tag=list",
                f"To: <sip:{USERNAME}@{place}>",
                f"Call-ID: list-{here}",
                f"CSeq: {number} REGISTER",
                *([shown] if shown else []),
                "Content-Length: 0",
            )
            asker.send("\r\n".join([*head, "", ""]).encode())
            answer = asker.recv(9_000).decode()
            if answer.startswith("SIP/2.0 200"):
                break
            nonce = re.search(r'nonce="([^"]+)"', answer)
            assert nonce is not None, answer
            ours = hashlib.md5(f"{USERNAME}:{REALM}:{PASSWORD}".encode()).hexdigest()
            asked = hashlib.md5(f"REGISTER:sip:{place}".encode()).hexdigest()
            proof = hashlib.md5(f"{ours}:{nonce[1]}:00000001:lab:auth:{asked}".encode()).hexdigest()
            shown = (
                f'Authorization: Digest username="{USERNAME}", realm="{REALM}", nonce="{nonce[1]}", '
                f'uri="sip:{place}", response="{proof}", qop=auth, nc=00000001, cnonce="lab"'
            )
    assert answer.startswith("SIP/2.0 200"), answer
    return re.findall(r"^Contact: .*$", answer, re.MULTILINE)
