"""Both ends as user agents over a link that loses, doubles, delays and reorders: what holds for every seed."""

from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.transactions import ServerTransaction
from dialerd_sip.core.ua import UserAgent
from hypothesis import given, settings
from hypothesis import strategies as st
from ladder import Listener, Owner, request
from link import THEM, US, Link, Weather

CALL = "call@192.0.2.1"
WEATHER = st.builds(
    Weather,
    loss=st.floats(0, 0.3),
    doubling=st.floats(0, 0.5),
    delay=st.floats(0.001, 0.2),
    jitter=st.floats(0, 1.0),
)


def meet(weather: Weather, seed: int, status: int) -> tuple[Link, UserAgent, Listener]:
    """Return a link whose far end is a user agent with a call that answers everything with `status`, INVITEs later."""
    link = Link(weather, seed=seed)
    other = UserAgent(Timing())
    other.trust("us", frozenset({US.host}))
    user = Listener()

    def at_once(transaction: ServerTransaction, now: float) -> None:
        asked = transaction.request
        if asked.method == "INVITE":
            transaction.answer(Response.to_request(asked, 180, "Ringing"), now)
            other.timers.at(now + 1, lambda now: transaction.answer(Response.to_request(asked, status, "So"), now))
        else:
            transaction.answer(Response.to_request(asked, status, "So"), now)

    user.at_once = at_once
    other.adopt(CALL, user)
    link.join(THEM, other)
    return link, other, user


class Acknowledging(Owner):
    """Acknowledges each 2xx, as a call does."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link

    def answered(self, transaction: object, response: Response, now: float) -> None:
        """Take an answer."""
        self.told.append(response.status)
        if 200 <= response.status < 300:
            ack = request("ACK", branch="z9hG4bKack", to_tag="far")
            self.link.ua.send(ack.to_bytes(), THEM)


@settings(max_examples=60, deadline=None)
@given(weather=WEATHER, seed=st.integers(0, 2**32), status=st.sampled_from([200, 486]))
def test_invite_ends_with_one_answer_in_any_weather(weather: Weather, seed: int, status: int) -> None:
    """The far call is asked once; ours is told one final answer, or its timeout; nothing is held at the end."""
    link, other, user = meet(weather, seed, status)
    owner = Acknowledging(link)
    link.ua.transactions.request(request(to_tag="far"), THEM, owner, link.now)
    link.run_out()
    assert len(user.asks) <= 1
    final = [told for told in owner.told if told not in (100, 180)]
    if status == 486:
        assert final in ([486], ["timeout"], [])
    else:
        assert set(final) in ({200}, {"timeout"}, set())
    assert final.count("timeout") <= 1
    if final == [] and owner.told:
        # It rang and the answer was lost each time: only the call's own ring timeout ends that.
        assert link.ua.sizes["client_transactions"] == 1
    else:
        assert link.ua.sizes["client_transactions"] == 0
        assert link.ua.sizes["timers"] == 0
    assert other.sizes["server_transactions"] == 0
    assert other.sizes["timers"] == 0


@settings(max_examples=60, deadline=None)
@given(weather=WEATHER, seed=st.integers(0, 2**32), status=st.sampled_from([200, 481]))
def test_other_request_ends_with_one_answer_in_any_weather(weather: Weather, seed: int, status: int) -> None:
    """The far call is asked once; ours is told once."""
    link, other, user = meet(weather, seed, status)
    owner = Owner()
    link.ua.transactions.request(request("INFO", to_tag="far"), THEM, owner, link.now)
    link.run_out()
    assert len(user.asks) <= 1
    assert owner.told in ([status], ["timeout"])
    assert link.ua.sizes["client_transactions"] == 0
    assert other.sizes["server_transactions"] == 0


def test_link_is_the_same_for_the_same_seed() -> None:
    """A ladder that failed can be walked again."""

    def walk(seed: int) -> list[str]:
        link, _, _ = meet(Weather(loss=0.3, doubling=0.3, jitter=0.5), seed, 200)
        link.ua.transactions.request(request(to_tag="far"), THEM, Acknowledging(link), link.now)
        link.run_out()
        return [f"{one.at} {one.lost} {one.message.start_line()}" for one in link.carried]

    assert walk(7) == walk(7)
    assert walk(7) != walk(8)


def test_lose_takes_one_message_away() -> None:
    """The 200 that is lost comes again."""
    link, _, _ = meet(Weather(), 0, 200)
    link.lose(lambda message: isinstance(message, Response) and message.status == 200)
    link.ua.transactions.request(request(to_tag="far"), THEM, Acknowledging(link), link.now)
    link.run_out()
    assert link.ladder() == ["> INVITE", "< 180 INVITE", "< 200 INVITE x", "< 200 INVITE", "> ACK"]
    assert isinstance(link.carried[0].message, Request)
