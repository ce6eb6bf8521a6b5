"""What the socket holds while 500 lines are busy: once it is answered, not one call that it forbids leaves.

The network's ledger says when calls leave: a line is written in the same step in which a call leaves, so that what is
in the file when the answer has been read is all there may ever be.
"""

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from place import Place, number, people, until
from spoken import Saying, made, say

pytestmark = pytest.mark.system

LINES: Final = 500
ROUNDS: Final = 4
WATCHED_S: Final = 0.4
ENTERED: Final = 400
IMPORTED: Final = 5_000
PACED: Final = {"calls_per_second": 1_000}  # calls that are claimed wait up to 100 ms for their start


@pytest.fixture
def busy(place: Place) -> Place:
    """A daemon with 500 lines whose calls last so short that some leave all the time."""
    options = {"ring_time": "0ms", "talk_time": ["300ms", "600ms"]}
    place.configure(daemon={"max_concurrent": LINES}, trunks={"sim": {"max_concurrent": LINES, "options": options}})
    place.start()
    return place


def begun(place: Place, count: int, pacing: dict[str, int] = PACED) -> str:
    """Create a campaign, wait until all lines are busy with it, and return its path."""
    document = {"name": "long", "agent": "reminder", "pacing": pacing, "recipients": people(0, count)}
    taken = ledger_size(place)
    path = made(place, document)
    flowing(place, taken)
    until(lambda: in_use(place) > LINES // 2, "the lines are busy")
    return path


def in_use(place: Place) -> int:
    """Return how many lines are in use."""
    return int(say(place, "GET", "/v1/trunks").json["items"][0]["in_use"])


def ledger_size(place: Place) -> int:
    """Return how many bytes the network has written."""
    path = place.root / "ledger.jsonl"
    return path.stat().st_size if path.exists() else 0


def left_since(place: Place, offset: int) -> list[str]:
    """Return the numbers of the calls that left after the ledger was so long, by its whole lines."""
    with (place.root / "ledger.jsonl").open("rb") as ledger:
        ledger.seek(offset)
        lines = ledger.read().splitlines(keepends=True)
    return [json.loads(line)["number"] for line in lines if line.startswith(b"{") and line.endswith(b"\n")]


def flowing(place: Place, offset: int, calls: int = 200) -> None:
    """Wait until so many calls have left since."""
    until(lambda: ledger_size(place) - offset > calls * 100, "calls leave", every_s=0.005)


def held(place: Place, saying: Saying) -> int:
    """Send a request in the midst of calls that leave; return how long the ledger was when its answer was there."""
    flowing(place, ledger_size(place))
    answer = saying.say(place)
    offset = ledger_size(place)
    assert answer.status in (200, 201), answer
    return offset


def nobody_leaves(place: Place, saying: Saying) -> None:
    """Check that after the answer no call at all leaves."""
    offset = held(place, saying)
    time.sleep(WATCHED_S)
    assert left_since(place, offset) == []


def post(path: str, body: Any = None) -> Saying:
    """Return a POST."""
    return Saying(method="POST", path=path, body=b"" if body is None else json.dumps(body).encode())


def patch(path: str, changes: dict[str, Any]) -> Saying:
    """Return a PATCH."""
    return Saying(method="PATCH", path=path, body=json.dumps(changes).encode())


def elsewhen() -> list[dict[str, str]]:
    """Return windows that are open for an hour, half a day from now."""
    far = datetime.now(UTC) + timedelta(hours=11)
    return [{"start": f"{far.hour:02}:00", "end": f"{far.hour:02}:59"}]


def ahead(place: Place, count: int) -> list[str]:
    """Return numbers that are about to be called, or are being called: those around the last that left."""
    last = max(map(of_number, left_since(place, max(0, ledger_size(place) - 100_000))))
    return [number(index) for index in range(last - 50, last - 50 + count)]


def of_number(text: str) -> int:
    """Return the index of a made-up number."""
    return int(text[-6:])


def none_of_these(place: Place, numbers: Iterable[str], saying: Saying) -> None:
    """Check that after the answer nobody of these is called, though those who come after them are."""
    forbidden = set(numbers)
    offset = held(place, saying)
    last = max(map(of_number, forbidden))

    def passed() -> bool:
        return any(of_number(one) > last + LINES for one in left_since(place, offset))

    until(passed, "calls have left to those behind the forbidden numbers")
    called = [one for one in left_since(place, offset) if one in forbidden]
    assert called == []


@pytest.mark.parametrize("pacing", [PACED, {}])
def test_a_pause(busy, pacing):
    """And a cancellation at the end: not one call leaves after either."""
    path = begun(busy, 40_000, pacing)
    for _ in range(ROUNDS):
        nobody_leaves(busy, post(f"{path}/pause"))
        assert say(busy, "POST", f"{path}/resume").status == 200
    nobody_leaves(busy, post(f"{path}/cancel"))
    assert busy.stop() == 0


def test_a_window_that_is_closed(busy):
    """A change of the windows reaches the very next call."""
    path = begun(busy, 30_000)
    for _ in range(ROUNDS):
        nobody_leaves(busy, patch(path, {"windows": elsewhen()}))
        assert say(busy, "PATCH", path, {"windows": None}).status == 200
    assert busy.stop() == 0


def entered(numbers: list[str]) -> Saying:
    """Return an addition for good."""
    return post("/v1/suppressions", {"numbers": numbers})


def entered_for_an_hour(numbers: list[str]) -> Saying:
    """Return an addition that holds."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    return post("/v1/suppressions", {"numbers": numbers, "expires_at": expires})


def entered_for_an_agent(numbers: list[str]) -> Saying:
    """Return an addition that binds an agent's calls."""
    return post("/v1/suppressions", {"numbers": numbers, "scope": "agent:reminder"})


def imported(numbers: list[str]) -> Saying:
    """Return an import."""
    body = "\n".join(["number", *numbers]).encode()
    return Saying(method="POST", path="/v1/suppressions/import", body=body, kind="text/csv")


WAYS: Final[dict[str, tuple[Callable[[list[str]], Saying], int, int]]] = {
    "for good": (entered, ENTERED, ROUNDS),
    "for an hour": (entered_for_an_hour, ENTERED, 1),
    "for an agent": (entered_for_an_agent, ENTERED, 1),
    "by import": (imported, IMPORTED, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_do_not_call_entries(busy, way):
    """Of numbers whose turn it is, in each form: none of them is called after the answer, and all others are."""
    saying, count, rounds = WAYS[way]
    begun(busy, 40_000)
    for _ in range(rounds):
        flowing(busy, ledger_size(busy), LINES)
        numbers = ahead(busy, count)
        none_of_these(busy, numbers, saying(numbers))
    assert busy.stop() == 0
