"""Who of a trunk's providers is asked what a carrier sends, and what a plugin does there that it must not."""

from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve
from groundwork import ground
from phone import Phone, talk
from rig import CALLER_ID, rig, settings, trunk, until

from dialerd.daemon.logline import json_line
from dialerd.model.settings import NumberSettings
from dialerd.model.states import Final
from dialerd.operations.callbacks import CallbackOperations
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest

ASKED = CallbackRequest(method="POST", path="/status/1", query="a=b", headers={"x": "y"}, body=b"To=%2B447111000001")


class Called(Phone):
    """A phone whose carrier sends requests; what is said to them a test sets."""

    async def callback(self, request, /):
        """Answer with `said`, which may be an error, or be made from the request."""
        self.requests = [*getattr(self, "requests", ()), request]
        await trio.lowlevel.checkpoint()
        said = self.said(request) if callable(self.said) else self.said
        if isinstance(said, BaseException):
            raise said
        return said

    said = CallbackAnswer(status=204)


@asynccontextmanager
async def asked(phones, wanted=None, **parts):
    """Yield an engine with these phones, and who answers their carriers."""
    async with rig(phones, wanted, **parts) as bench:
        yield bench, CallbackOperations(ground(bench))


async def test_the_trunks_provider_is_asked(autojump_clock, logged):
    """It gets the request as it is, and its answer is what the carrier gets; both are counted."""
    phone = Called(talk(1))
    phone.said = CallbackAnswer(status=200, body=b"x", content_type="text/xml", headers=[("X-Y", "z")])
    async with asked(phone) as (_, callbacks):
        answer = await callbacks.answer("t", ASKED)
        assert answer == evolve(phone.said, headers=(("X-Y", "z"),))
        phone.said = CallbackAnswer(status=403)
        assert (await callbacks.answer("t", ASKED)).status == 403
    assert phone.requests == [ASKED, ASKED]
    assert callbacks.counts == {("t", 200): 1, ("t", 403): 1}
    assert not [entry for entry in logged if entry["log_level"] != "info"]


async def test_trunks_that_there_are_not(autojump_clock, logged):
    """Their names leave nothing behind but a line a minute; a trunk whose plugin takes no requests has no answer."""
    async with asked(Phone(talk(1))) as (bench, callbacks):
        for name in ("u", "T", "", "t/"):
            assert await callbacks.answer(name, ASKED) == CallbackAnswer(status=404)
        assert callbacks.counts == {("", 404): 4}
        await trio.sleep(61)
        await callbacks.answer("+447111000001" + "x" * 5_000, ASKED)
        told = [entry for entry in logged if entry["event"] == "callback.nowhere"]
        assert [(entry["trunk"], entry["more"]) for entry in told] == [("u", 0), ("+" + "*" * 12 + "x" * 27, 3)]
        assert all("[callbacks] url" in entry["remedy"] for entry in told)
        assert "7111" not in str(logged)
        assert set(bench.engine.lines.trunks) == {"t"}
        assert not bench.engine.lines._gone_trunks
        assert await callbacks.answer("t", ASKED) == CallbackAnswer(status=404)
        assert callbacks.counts == {("", 404): 5, ("t", 404): 1}


class Late(Called):
    """A phone that takes a minute to come up."""

    async def __aenter__(self):
        """See `Provider.__aenter__`."""
        await trio.sleep(60)
        return await super().__aenter__()


async def test_a_provider_that_is_not_up(autojump_clock):
    """The carrier is told to come again, until it is, and when the engine has ended."""
    async with asked(Late(talk(1))) as (_, callbacks):
        answer = await callbacks.answer("t", ASKED)
        assert (answer.status, answer.body) == (503, b"")
        assert ("retry-after", "5") in answer.headers
        await trio.sleep(61)
        assert (await callbacks.answer("t", ASKED)).status == 204
    assert (await callbacks.answer("t", ASKED)).status == 503


async def _stale():
    """Return a cancellation that is over."""
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep(1)
        except trio.Cancelled as error:
            return error
    raise AssertionError


@pytest.mark.parametrize(
    "flaw",
    [
        ValueError("To=+447111000001"),
        SystemExit(3),
        KeyboardInterrupt(),
        BaseExceptionGroup("two", [ValueError("a"), SystemExit(1)]),
        GeneratorExit(),
        "stale",
        None,
        "204",
        (204, b""),
        CallbackAnswer(status="200"),
        CallbackAnswer(status=True),
        CallbackAnswer(status=100),
        CallbackAnswer(status=600),
        CallbackAnswer(status=200, body="text"),
        CallbackAnswer(status=200, body=None),
        CallbackAnswer(status=200, content_type="text/xml\r\nx: y"),
        CallbackAnswer(status=200, content_type=None),
        CallbackAnswer(status=200, headers=None),
        CallbackAnswer(status=200, headers=("ab", "cd", "efg")),
        CallbackAnswer(status=200, headers=[("a b", "c")]),
        CallbackAnswer(status=200, headers=[("", "c")]),
        CallbackAnswer(status=200, headers=[("a", "b\nc: d")]),
        CallbackAnswer(status=200, headers=[("a", "\u20ac")]),
        CallbackAnswer(status=200, headers=[("a", 1)]),
    ],
    ids=repr,
)
async def test_what_a_plugin_must_not(autojump_clock, logged, flaw):
    """It costs the one request, and is told with what to do; the calls and the next request are none the worse."""
    phone = Called(talk(600))
    async with asked(phone) as (bench, callbacks):
        row = await bench.add(1)
        await until(lambda: phone.live["all"] == 1)
        phone.said = await _stale() if flaw == "stale" else flaw
        answer = await callbacks.answer("t", ASKED)
        assert answer == CallbackAnswer(status=500)
        (entry,) = [entry for entry in logged if entry["event"] == "callback.failed"]
        assert (entry["trunk"], entry["log_level"]) == ("t", "error")
        assert entry["remedy"]
        line = json_line(entry.pop("log_level"), entry.pop("event"), entry, 0)
        assert b"447111000001" not in line, "what the log holds has whole numbers"
        phone.said = CallbackAnswer(status=204)
        assert (await callbacks.answer("t", ASKED)).status == 204
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1


async def test_a_plugin_that_takes_its_time(autojump_clock, logged):
    """After 20 seconds the carrier has its answer, and what fails on and on is told once a minute."""
    phone = Called(talk(1))

    async def callback(request, /):
        await trio.sleep(19.9 if request.path == "/quick" else 20.1)
        return CallbackAnswer(status=200)

    phone.callback = callback
    async with asked(phone) as (_, callbacks):
        assert (await callbacks.answer("t", evolve(ASKED, path="/quick"))).status == 200
        began = trio.current_time()
        for _ in range(4):
            assert (await callbacks.answer("t", ASKED)).status == 500
        assert trio.current_time() - began == pytest.approx(80)
    told = [entry for entry in logged if entry["event"] == "callback.failed"]
    assert [entry["more"] for entry in told] == [0, 2]
    assert told[0]["error"] == "TimeoutError: it did not answer within 20 s"


async def test_whoever_asks_may_leave(autojump_clock):
    """The cancellation of a request goes through a plugin that is being asked."""
    phone = Called(talk(1))

    async def callback(_request, /):
        await trio.sleep_forever()

    phone.callback = callback
    async with asked(phone) as (_, callbacks):
        with trio.move_on_after(1) as patience:
            await callbacks.answer("t", ASKED)
        assert patience.cancelled_caught


@pytest.fixture
def two():
    """Return two providers of a trunk, and what makes the first and then the second of them."""
    former, later = Called(talk(600), name="former"), Called(talk(600), name="later")
    made = iter((former, later))
    return former, later, lambda _site, _trunk: next(made)


CHANGED = settings(trunks={"t": trunk(options={"new": True})})


async def test_after_a_reload_both_are_asked(autojump_clock, two):
    """The new one first, the former as long as it has calls; each is told that it is not alone."""
    former, later, make = two
    async with asked(former, make=make) as (bench, callbacks):
        row = await bench.add(1)
        await until(lambda: former.live["all"] == 1)
        await bench.engine.reload(CHANGED)
        await until(lambda: later.entered == 1)
        assert (await callbacks.answer("t", ASKED)).status == 204  # the later one's
        assert (former.__dict__.get("requests"), later.requests) == (None, [evolve(ASKED, alone=False)])
        former.said, later.said = CallbackAnswer(status=200, body=b"mine"), CallbackAnswer(status=404)
        assert (await callbacks.answer("t", ASKED)).body == b"mine"
        assert former.requests == [evolve(ASKED, alone=False)]
        await bench.over(row)
        await trio.sleep(2)
        assert former.exited == 1
        assert (await callbacks.answer("t", ASKED)).status == 404
        assert len(former.requests) == 1
        assert later.requests[-1] == ASKED


@pytest.mark.parametrize(
    ("of_later", "of_former", "status"),
    [
        (404, 204, 204),
        (403, 204, 204),
        (500, 200, 200),
        (204, 403, 204),
        (302, 200, 302),
        (404, 403, 403),
        (403, 404, 403),
        (404, 404, 404),
        (403, 400, 403),
        (404, 500, 500),
    ],
)
async def test_whose_answer_counts(autojump_clock, two, of_later, of_former, status):
    """Whoever takes it; where nobody does, whoever says more than that the call is not his."""
    former, later, make = two
    async with asked(former, make=make) as (bench, callbacks):
        row = await bench.add(1)
        await until(lambda: former.live["all"] == 1)
        await bench.engine.reload(CHANGED)
        former.said, later.said = CallbackAnswer(status=of_former), CallbackAnswer(status=of_later)
        assert (await callbacks.answer("t", ASKED)).status == status
        assert callbacks.counts == {("t", status): 1}
        await bench.over(row)


async def test_a_trunk_that_is_gone_is_asked_until_its_calls_are_over(autojump_clock):
    """Calls of a trunk that is not configured any more still want their callbacks."""
    phones = {"t": Called(talk(600)), "u": Called(talk(1))}
    moved = settings(trunks={"u": trunk()}, numbers={CALLER_ID: NumberSettings(trunk="u")})
    async with asked(phones) as (bench, callbacks):
        row = await bench.add(1)
        await until(lambda: phones["t"].live["all"] == 1)
        await bench.engine.reload(moved)
        assert (await callbacks.answer("t", ASKED)).status == 204
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1
        await trio.sleep(2)
        assert (await callbacks.answer("t", ASKED)).status == 404
