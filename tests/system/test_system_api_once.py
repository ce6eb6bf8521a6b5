"""A daemon killed between commit and answer, and a client that sends its request again with the same key."""

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from random import Random
from threading import Thread
from typing import Any, Final

import pytest
from attrs import define
from place import Place, number, people, rows, until
from spoken import CUT, Heard, Local, Saying, made, until_answered

pytestmark = pytest.mark.system

LARGE: Final = 20_000
FEW: Final = 60
KINDS: Final = ("small", "large", "added", "dialect")
AGENT: Final = "agent_125207e452f8714a"
FROM: Final = "+447111999001"
SLOW: Final = {
    "max_concurrent": 5,
    "calls_per_second": 5,
}  # calls are up at every kill, and nothing is over before the end


def configure(place: Place) -> None:
    """A daemon with an agent that a dialect knows by its id."""
    place.configure(agents={"sarah": {"id": AGENT, "say": "Hello.", "numbers": [FROM]}})


@define
class Request:
    """A request with a key, and what it must have made in the end.

    Args:
        kind: one of KINDS.
        name: of its campaign.
        first: index of its first number.
        saying: what is sent.
    """

    kind: str
    name: str
    first: int
    saying: Saying

    @property
    def count(self) -> int:
        """How many recipients it brings."""
        return LARGE if self.kind in ("large", "added") else FEW

    @property
    def status(self) -> int:
        """What it is answered."""
        return 200 if self.kind == "added" else 201

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"key of {self.name}"


class Requests:
    """Makes requests whose numbers nobody else's has.

    Args:
        place: where they go.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._next = 0
        self._made = 0

    def request(self, kind: str) -> Request:
        """Return the next one of a kind; for one that adds there is a running campaign first."""
        self._made += 1
        name = f"{kind} {self._made}"
        headers = {"Idempotency-Key": f"key of {name}"}
        if kind == "added":
            target = made(
                self._place,
                {"name": name, "agent": "reminder", "pacing": SLOW, "recipients": people(self._take(FEW), FEW)},
            )
            first = self._take(LARGE)
            saying = Saying(
                method="POST", path=f"{target}/recipients", body=rows(first, LARGE), kind="text/csv", headers=headers
            )
        elif kind == "dialect":
            first = self._take(FEW)
            body = {
                "agent_id": AGENT,
                "from_number": FROM,
                "name": name,
                "prompt": "Remind.",
                "timezone": "Europe/London",
                "recipients": [{"phone": number(first + index)} for index in range(FEW)],
                "schedule_type": "now",
            }
            headers = {"X-Idempotency-Key": f"key of {name}"}
            saying = posted("/v1/calls/batch", body, headers)
        else:
            count = LARGE if kind == "large" else FEW
            first = self._take(count)
            document = {"name": name, "agent": "reminder", "pacing": SLOW, "recipients": people(first, count)}
            saying = posted("/v1/campaigns", document, headers)
        return Request(kind, name, first, saying)

    def _take(self, count: int) -> int:
        first = self._next
        self._next += count
        return first


def posted(path: str, body: Any, headers: dict[str, str]) -> Saying:
    """Return a request with a JSON body."""
    return Saying(method="POST", path=path, body=json.dumps(body).encode(), headers=headers)


def sent_again(place: Place, request: Request) -> Heard:
    """Send it with its key, and once more: the two answers are the same to the byte."""
    answers = [request.saying.say(place) for _ in range(2)]
    assert [answer.status for answer in answers] == [request.status] * 2, answers
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotent-replayed"] == "true"
    return answers[0]


def complete(place: Place, request: Request) -> None:
    """Check that its campaign is there once, with all its recipients, once each."""
    campaigns = place.rows("SELECT id, uid, alias FROM campaigns WHERE name = ? AND state <> 'loading'", request.name)
    assert len(campaigns) == 1, f"{request.name} is there {len(campaigns)} times"
    of_first = FEW if request.kind == "added" else 0
    path = f"/v1/campaigns/{campaigns[0]['uid']}"
    until_answered(place, path, lambda one: one["counters"]["total"] == request.count + of_first)
    found = place.rows("SELECT number FROM recipients WHERE campaign_id = ?", campaigns[0]["id"])
    wanted = {number(request.first - of_first + index) for index in range(request.count + of_first)}
    assert len(found) == len(wanted)
    assert {row["number"] for row in found} == wanted


def nobody_rung_twice(place: Place) -> None:
    """Check by what the network took that no number had two calls."""
    until(lambda: len(place.ledger()) > 5, "people are rung")
    times = Counter(line["number"] for line in place.ledger())
    assert not [twice for twice, count in times.items() if count > 1]


@pytest.mark.parametrize("times", [2, pytest.param(6, marks=pytest.mark.soak)])
def test_killed_at_any_instant(place, times):
    """Lives, each killed somewhere in a creation or addition: sent again with its key, it happens once."""
    random = Random(5)
    configure(place)
    requests = Requests(place)
    place.start()
    lasts_s = {}
    for kind in KINDS:
        begun_s = time.monotonic()
        request = requests.request(kind)
        assert request.saying.say(place).status == request.status
        lasts_s[kind] = time.monotonic() - begun_s
    unanswered = 0
    for kind in KINDS * times:
        request = requests.request(kind)
        answers: list[Heard] = []
        client = Thread(target=told, args=(place, request, answers))
        client.start()
        time.sleep(random.uniform(0.2, 1.1) * lasts_s[kind])
        place.kill()
        client.join()
        unanswered += not answers
        place.start()
        again = sent_again(place, request)
        assert not answers or answers[0].body == again.body
        complete(place, request)
    assert unanswered >= times, f"only {unanswered} kills came before the answer"
    nobody_rung_twice(place)
    assert place.stop() == 0


def told(place: Place, request: Request, answers: list[Heard]) -> None:
    """Send a request and keep its answer, if one comes."""
    try:
        answers.append(request.saying.say(place))
    except CUT:
        return


@pytest.mark.parametrize("kind", KINDS)
def test_killed_between_commit_and_answer(place, kind):
    """The daemon stops the moment what was made is durable, and is killed before it has answered."""
    configure(place)
    requests = Requests(place)
    place.start()
    for _ in range(40):
        request = requests.request(kind)
        with closing(request.saying.send(place)) as connection:
            if stopped_when_stored(place, request.key):
                place.kill()
                assert unread(connection) == b"", "an answer was sent before it was kept"
                break
            place.signal(signal.SIGCONT)
            assert connection.getresponse().status == request.status
    else:
        pytest.fail("not once did the daemon stop between commit and answer")
    place.start()
    sent_again(place, request)
    complete(place, request)
    nobody_rung_twice(place)
    assert place.stop() == 0


def stopped_when_stored(place: Place, key: str) -> bool:
    """Stop the daemon when what a request made is durable; tell whether its answer was not kept by then."""
    deadline = time.monotonic() + 30
    with closing(sqlite3.connect(f"file:{place.root}/state/dialerd.db?mode=ro", uri=True)) as connection:
        row = "SELECT status FROM answers WHERE key = ?"
        while connection.execute(row, (key,)).fetchone() is None:
            assert time.monotonic() < deadline, "the request is never stored"
        place.signal(signal.SIGSTOP)
        (status,) = connection.execute(row, (key,)).fetchone()
        return status is None


def unread(connection: Local) -> bytes:
    """Return what was sent to a client before its daemon was killed."""
    try:
        return connection.sock.recv(65536)
    except OSError:
        return b""
