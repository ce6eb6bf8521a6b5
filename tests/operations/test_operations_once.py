"""Idempotency keys: however often and however many at once a request comes, it makes one campaign.

That those who come at once wait for each other's answer is the door's: `tests/api/test_api_once.py`.
"""

import pytest
import trio
from desk import desk, document, number
from phone import Phone, ends
from rig import START

from dialerd.daemon.housekeeping import keep_house
from dialerd.model.errors import InvalidInput, KeyReused, NotFound, StoreError
from dialerd.model.instants import HOUR
from dialerd.model.once import Once
from dialerd.model.settings import Settings
from dialerd.operations.incoming_campaign import IncomingCampaign
from dialerd.plugin.dialect import Order
from dialerd.store import answers

ONCE = Once(key="k1", fingerprint="f1")
OTHER = Once(key="k1", fingerprint="f2")


async def test_of_several_at_once_the_store_lets_one_through(tmp_path):
    """Where no door makes them wait for each other, the others are refused, and nothing of theirs is left."""
    phone = Phone(ends())
    async with desk(phone, tmp_path, url=f"sqlite:///{tmp_path}/store.db") as at:
        made, refused = [], []

        async def create():
            try:
                made.append(await at.create(5, once=ONCE))
            except KeyReused as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(create)
        assert len({one.campaign.id for one in made}) == 1
        assert len(made) + len(refused) == 20
        assert (await at.operations.campaigns.list()).total == 1
        with trio.fail_after(60):
            while len(phone.left) < 5:  # noqa: ASYNC110  # calls that leave have no event
                await trio.sleep(0.01)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(5))


@pytest.mark.parametrize("people", [3, 1_500])
async def test_a_life_that_ends_between_commit_and_answer_is_no_second_campaign(tmp_path, people):
    """The next life finds what was made, by the same key; another body under it is refused."""
    url = f"sqlite:///{tmp_path}/store.db"
    async with desk(Phone(ends()), tmp_path, url=url) as at:
        first = await at.create(people, once=ONCE, start="2099-01-01")
        assert await at.operations.answers.begin(ONCE) is None, "the answer was never made"
    async with desk(Phone(ends()), tmp_path, url=url) as at:
        again = await at.create(people, once=ONCE, start="2099-01-01")
        assert (again.campaign.id, again.recipients) == (first.campaign.id, first.recipients)
        assert (await at.operations.campaigns.list()).total == 1
        with pytest.raises(KeyReused):
            await at.create(1, once=OTHER)
        with pytest.raises(KeyReused):
            await at.operations.answers.begin(OTHER)


async def test_an_answer_is_given_again_for_a_day(autojump_clock, tmp_path):
    """The first one that was noted; then its key may be used anew, and the store forgets it."""
    async with desk(Phone(ends()), tmp_path) as at:
        answered = at.operations.answers
        await at.create(1, once=ONCE)
        await answered.keep(ONCE, 201, "application/json", "{}")
        await answered.keep(ONCE, 201, "application/json", '{"later": 1}')
        first = await answered.begin(ONCE)
        assert (first.status, first.content_type, first.body) == (201, "application/json", "{}")
        await trio.sleep(23 * HOUR / 1_000)
        assert await answered.begin(ONCE) == first
        await trio.sleep(2 * HOUR / 1_000)
        assert await answered.begin(OTHER) is None
        await at.create(1, once=OTHER)
        assert (await at.operations.campaigns.list()).total == 2
        await trio.sleep(25 * HOUR / 1_000)
        with trio.move_on_after(60):
            await keep_house(at.bench.store, settings=Settings, now=at.bench.clock.now)
        assert await at.bench.rows("SELECT * FROM answers") == []


async def test_what_is_refused_keeps_no_key(autojump_clock, tmp_path):
    """It can be put right under the same key; the answer to it is not kept, either."""
    async with desk(Phone(ends()), tmp_path) as at:
        with pytest.raises(InvalidInput):
            await at.create(1, once=ONCE, agent="nobody")
        await at.operations.answers.keep(ONCE, 422, "application/problem+json", "{}")
        assert await at.operations.answers.begin(ONCE) is None
        order = Order(spec={"name": "x", "agent": "a"}, draft=True)
        assert (await at.operations.campaigns.create(order, once=OTHER)).campaign.state == "draft"
        made = await at.operations.campaigns.create(order, once=OTHER)
        await at.operations.campaigns.delete(made.campaign.id)
        with pytest.raises(NotFound):
            await at.operations.campaigns.create(order, once=OTHER)


async def test_nothing_is_made_where_its_key_cannot_be_noted(autojump_clock, tmp_path, monkeypatch):
    """Campaign and key stand in one transaction."""
    async with desk(Phone(ends()), tmp_path) as at:

        def full(*_args):
            raise StoreError("disk is full")

        monkeypatch.setattr(answers, "claim", full)
        with pytest.raises(StoreError):
            await at.create(1, once=ONCE)
        assert await at.bench.rows("SELECT * FROM campaigns") == []
        monkeypatch.undo()
        await at.create(1, once=ONCE)
        with pytest.raises(KeyReused):
            await at.bench.store.write(answers.claim, ONCE, "{}", START)


async def test_who_does_not_wait_gets_a_campaign_that_is_dialled(tmp_path, monkeypatch):
    """A client that goes away in the middle leaves either nothing, or a campaign that the engine knows."""
    url = f"sqlite:///{tmp_path}/store.db"
    async with desk(Phone(ends()), tmp_path, url=url) as at:
        published = IncomingCampaign.publish
        with trio.CancelScope() as client:

            async def publish(self, *args):
                client.cancel()
                return await published(self, *args)

            monkeypatch.setattr(IncomingCampaign, "publish", publish)
            await at.operations.campaigns.create_document(document(3, start="2099-01-01"))
        assert client.cancel_called
        (live,) = at.bench.engine.campaigns.live()
        assert sum(live.heads.values()) == 0
        assert len(live.heads) == 1
