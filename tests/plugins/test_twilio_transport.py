"""The SDK's requests on httpx: the instant of the first byte, time, cancellation, proxies, Retry-After."""

import ssl
import subprocess
from functools import partial

import httpx
import pytest
import trio
import trio.testing
from dialerd_twilio.transport import CONNECTIONS, Errand, ProxyUnusable, TooLong, Transport, on_errand, retry_after
from hypothesis import given
from hypothesis import strategies as st
from scripted_rest import ScriptedRest, reply
from twilio.http import AsyncHttpClient

from dialerd.model.instants import DAY
from dialerd.plugin.provider import Withdrawn

NOON = 1_795_000_000_000  # Wed, 18 Nov 2026 11:06:40 GMT, on a whole second


async def post(transport, base, errand=None, path="/Calls.json"):
    """Send one request and return the answer."""
    with on_errand(errand or Errand()):
        return await transport.request("POST", base + path, data={"To": "+447111000001"}, auth=("AC1", "token"))


async def still_open(rest):
    """Return how many connections the carrier has, once it has noticed what was closed."""
    await trio.testing.wait_all_tasks_blocked(0.002)
    return rest.open


async def test_the_request_arrives_as_it_was_given():
    """Form, query, credentials and headers are the SDK's; the answer is handed on whatever its status."""
    rest = ScriptedRest(answers=[reply(418, "short and stout", Retry_After="7", Date="Wed, 18 Nov 2026 14:06:40 GMT")])
    transport = Transport(5_000)
    assert isinstance(transport, AsyncHttpClient)
    assert transport.is_async
    async with rest.serve() as base:
        errand = Errand()
        with on_errand(errand):
            answer = await transport.request(
                "POST",
                f"{base}/a",
                params={"PageSize": 5},
                data={"StatusCallbackEvent": ["a", "b"], "Say": "ä & b"},
                headers={"Accept": "application/json"},
                auth=("AC1", "token"),
            )
        await transport.aclose()
    (asked,) = rest.asked
    assert (answer.status_code, answer.text) == (418, "short and stout")
    assert (errand.status, errand.refusal, errand.retry_after) == (418, "short and stout", "7")
    assert errand.date == "Wed, 18 Nov 2026 14:06:40 GMT"
    assert asked.query == {"PageSize": ["5"]}
    assert asked.form == {"StatusCallbackEvent": ["a", "b"], "Say": ["ä & b"]}
    assert asked.headers["authorization"] == "Basic QUMxOnRva2Vu"
    assert asked.headers["accept"] == "application/json"


async def test_leave_is_called_when_the_connection_stands_and_nothing_was_sent():
    """The last question comes after connecting, and before the first byte."""
    rest = ScriptedRest(answers=[reply(201)])
    transport = Transport(5_000)
    async with rest.serve() as base:
        seen = []

        def leave():
            seen.append((rest.bytes_in, errand.sent))

        errand = Errand(leave=leave)
        await post(transport, base, errand)
        await transport.aclose()
    assert seen == [(0, False)]
    assert errand.sent


async def test_what_leave_raises_passes_and_nothing_is_sent():
    """A call that must not be placed reaches the carrier with no byte, and its connection is not kept."""
    rest = ScriptedRest(answers=[reply(201)])
    transport = Transport(5_000)
    stop = Withdrawn("paused")

    def leave():
        raise stop

    async with rest.serve() as base:
        for _ in range(3):
            errand = Errand(leave=leave)
            with pytest.raises(Withdrawn) as raised:
                await post(transport, base, errand)
            assert raised.value is stop
            assert errand.stopped is stop
            assert not errand.sent
        assert rest.bytes_in == 0
        assert await still_open(rest) == 0
        assert (await post(transport, base)).status_code == 201
        await transport.aclose()


async def test_between_leave_and_the_first_byte_no_other_task_runs():
    """On a plain connection there is no checkpoint: whoever runs next finds the bytes on their way."""
    rest = ScriptedRest(answers=[reply(201)])
    transport = Transport(5_000)
    steps = await ticks_to_first_byte(rest, transport)
    assert steps == 0


async def test_over_tls_one_pass_of_the_loop_is_between(tls):
    """The lock of trio's SSLStream lets every ready task run in this pass of the loop and the next, not again."""
    server, client = tls
    rest = ScriptedRest(answers=[reply(201)], tls=server)
    transport = Transport(5_000)
    transport._connections._tls = client
    transport._connections._idle.clear()
    assert await ticks_to_first_byte(rest, transport) <= 2


async def ticks_to_first_byte(rest, transport):
    """Return how often a task that is always ready runs between `leave` and the write to the socket."""
    ticks, at = 0, {}

    async def tick():
        nonlocal ticks
        while True:
            await trio.lowlevel.checkpoint()
            ticks += 1

    real = trio.SocketStream.send_all

    async def send_all(self, data):
        if "left" in at and "sent" not in at:
            at["sent"] = ticks
        await real(self, data)

    async with rest.serve() as base, trio.open_nursery() as nursery:
        await post(transport, base)  # the connection stands
        nursery.start_soon(tick)
        trio.SocketStream.send_all = send_all
        try:
            await post(transport, base, Errand(leave=lambda: at.setdefault("left", ticks)))
        finally:
            trio.SocketStream.send_all = real
        nursery.cancel_scope.cancel()
        await transport.aclose()
    return at["sent"] - at["left"]


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Return a server's and a client's context with a certificate of their own for localhost."""
    where = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", "key", "-out", "cert"], cwd=where, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(where / "cert", where / "key")
    return server, ssl.create_default_context(cafile=where / "cert")


async def test_a_refused_connection_was_not_sent():
    """Where nobody listens, nothing has left."""
    rest = ScriptedRest(answers=[reply(201)])
    async with rest.serve() as base:
        pass
    transport, errand = Transport(5_000), Errand(leave=lambda: pytest.fail("it cannot leave"))
    with pytest.raises(httpx.ConnectError):
        await post(transport, base, errand)
    assert not errand.sent
    await transport.aclose()


async def test_a_lost_answer_was_sent():
    """A connection that ends without an answer: the request may have been carried out, also on a kept connection."""
    rest = ScriptedRest(answers=[None, reply(201), None])
    transport = Transport(5_000)
    async with rest.serve() as base:
        for fails in (True, False, True):
            errand = Errand()
            if fails:
                with pytest.raises(httpx.RemoteProtocolError):
                    await post(transport, base, errand)
            else:
                await post(transport, base, errand)
            assert errand.sent
            assert (errand.status is None) == fails
        await transport.aclose()
    assert [asked.connection for asked in rest.asked] == [1, 2, 2]


async def test_an_answer_that_is_cut_off_is_none():
    """What was told before an answer broke off is not believed."""

    async def cut(stream):
        await stream.send_all(b"HTTP/1.1 400 Bad\r\nContent-Length: 50\r\n\r\n{")

    transport, errand = Transport(5_000), Errand()
    async with ScriptedRest(answers=[cut]).serve() as base:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(transport, base, errand)
        await transport.aclose()
    assert (errand.sent, errand.status) == (True, None)


async def test_a_slow_answer_is_given_up_over_its_whole_length(mock_clock):
    """A server that sends a byte now and then does not hold a request beyond its time."""
    mock_clock.autojump_threshold = 0.05

    async def drip(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(5_000):
            await stream.send_all(b"x")
            await trio.sleep(1)

    transport, errand = Transport(15_000), Errand()
    rest = ScriptedRest(answers=[drip])
    async with rest.serve() as base:
        started = trio.current_time()
        with pytest.raises(trio.TooSlowError, match="no answer within 15 s"):
            await post(transport, base, errand)
        assert 15 <= trio.current_time() - started < 16
        assert errand.sent
        await trio.sleep(2)  # its next bytes find nobody
        assert await still_open(rest) == 0
        await transport.aclose()


async def test_the_time_for_an_answer_begins_with_the_first_byte(mock_clock):
    """A connection that took long leaves the answer its whole time."""
    mock_clock.autojump_threshold = 0.05

    async def late(stream):
        await trio.sleep(9)
        await stream.send_all(reply(201))

    transport = Transport(10_000)
    rest = ScriptedRest(answers=[late])
    async with rest.serve() as base:
        await post(transport, base)
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(post, transport, base)
            await trio.sleep(1)
            answer = await post(transport, base)  # waits 8 s for a place, and 9 for its answer
        assert answer.status_code == 201
        assert rest.most_open <= CONNECTIONS
        await transport.aclose()


async def test_an_endless_answer_is_cut_off():
    """An answer may not fill the memory."""

    async def flood(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 1_000_000)

    transport = Transport(5_000)
    rest = ScriptedRest(answers=[flood])
    async with rest.serve() as base:
        with pytest.raises(TooLong):
            await post(transport, base)
        assert await still_open(rest) == 0
        await transport.aclose()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kept", [False, True])
async def test_a_request_cancelled_at_any_step_leaves_no_connection_behind(kept, secure, tls):
    """Wherever the cancellation comes, no connection is left that nobody will ever use or close."""
    server, client = tls
    rest = ScriptedRest(answers=[reply(201)], tls=server if secure else None)
    async with rest.serve() as base:
        done = step = 0
        while not done:
            transport = Transport(5_000)
            if secure:
                transport._connections._tls = client
                transport._connections._idle.clear()
            if kept:
                await post(transport, base)
            step += 1
            with trio.CancelScope() as scope:
                canceller = CancelAt(scope, step)
                trio.lowlevel.add_instrument(canceller)
                try:
                    await post(transport, base)
                finally:
                    trio.lowlevel.remove_instrument(canceller)
            done = not scope.cancel_called
            await transport.aclose()  # closes those that are kept for use
            assert await still_open(rest) == 0, f"cancelled at step {step}"
        assert step > 3


class CancelAt(trio.abc.Instrument):
    """Cancels a scope right before the present task runs for the n-th time."""

    def __init__(self, scope, step):
        self.scope, self.left, self.task = scope, step, trio.lowlevel.current_task()

    def before_task_step(self, task):
        """Count the steps of the task that made this."""
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


async def test_a_proxy_is_used_and_its_connect_is_not_the_first_byte(monkeypatch):
    """HTTPS_PROXY is heeded; a proxy that refuses has seen no request, and was told of none."""
    proxy = ScriptedRest(answers=[reply(403, "no way")])
    async with proxy.serve() as base:
        monkeypatch.setenv("HTTPS_PROXY", base)
        transport = Transport(5_000)
        errand = Errand(leave=lambda: pytest.fail("only a CONNECT has left"))
        with pytest.raises(httpx.ProxyError):
            await post(transport, "https://api.example.com", errand)
        await transport.aclose()
    assert [(asked.method, asked.path) for asked in proxy.asked] == [("CONNECT", "api.example.com:443")]
    assert not errand.sent


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch, proxy):
    """The environment's mistake is said to be one."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ProxyUnusable, match="set HTTPS_PROXY to an http:// URL"):
        Transport(5_000)


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0),
        ("7", 7_000),
        ("0.2504", 251),
        ("-3", 0),
        ("1e300", DAY),
        ("inf", None),
        ("999999999", DAY),
        ("Wed, 18 Nov 2026 11:06:50 GMT", 10_000),
        ("Wed, 18 Nov 2026 11:06:30 GMT", 0),
        ("Wed, 18 Nov 2099 14:06:30 GMT", DAY),
    ],
)
def test_retry_after(value, asked):
    """Seconds or a date, never below nothing, a day at most; anything else says nothing."""
    assert retry_after(value, NOON) == asked


@given(st.text())
def test_retry_after_takes_any_text(value):
    """A header is a stranger's."""
    asked = retry_after(value, NOON)
    assert asked is None or 0 <= asked <= DAY


async def test_errands_of_several_tasks_are_kept_apart():
    """Each request has its own."""
    rest = ScriptedRest(answers=[reply(429, Retry_After="3"), reply(200)])
    transport = Transport(5_000)
    first, second = Errand(), Errand()
    async with rest.serve() as base:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(post, transport, base, first))
            nursery.start_soon(partial(post, transport, base, second))
        await transport.aclose()
    assert sorted([(first.status, first.retry_after), (second.status, second.retry_after)]) == [(200, None), (429, "3")]
