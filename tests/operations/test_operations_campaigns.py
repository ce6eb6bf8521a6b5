"""Campaigns through the operations: created, changed, moved from state to state."""

import pytest
import trio
from attrs import evolve
from desk import desk, number
from phone import ANSWERED, BUSY, Phone, ends, hung_up, talk
from rig import CALLER_ID, OTHER_ID, START, settings, trunk

from dialerd.model.errors import InvalidInput, NotFound, StoreError, WrongState
from dialerd.model.instants import DAY, HOUR, MINUTE, to_iso
from dialerd.model.settings import DaemonSettings, NumberSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.store import campaigns as stored

D, S, R, P = CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED
TOMORROW = to_iso(START + DAY)


def busy(**changes):
    """Return settings with 50 lines and more."""
    return settings(daemon=DaemonSettings(max_concurrent=50), trunks={"t": trunk(max_concurrent=50)}, **changes)


def slow():
    """Return a script of calls that leave after up to half a second and last up to four."""

    async def script(phone, order, report):
        i = int(order.number[-6:-3])
        await trio.sleep(i % 10 / 20)
        phone.leave(order)
        await hung_up(order.hangup, i % 40 / 10)
        return ANSWERED

    return script


def paths(error):
    """Return the paths of an error's faults."""
    return [fault.path for fault in error.value.faults]


async def test_a_campaign_is_dialled_right_after_its_creation(autojump_clock, tmp_path):
    """The answer shows it scheduled; its counters follow the calls; in the end it says what became of it."""
    async with desk(Phone(talk(60)), tmp_path) as at:
        made = await at.create(2, name="Tuesday")
        assert (made.campaign.state, made.campaign.counters.total, made.recipients.added) == (S, 2, 2)
        await trio.sleep(1)
        view = await at.operations.campaigns.get(made.campaign.id)
        assert (view.state, view.counters.dialing, view.counters.pending) == (R, 2, 0)
        assert view.started_at is not None
        await at.over(made.campaign.id)
        view = await at.operations.campaigns.get(made.campaign.id)
        assert view.state is CampaignState.COMPLETED
        assert (view.counters.done[Final.SUCCEEDED], view.counters.done[Final.FAILED]) == (2, 0)
        assert (view.counters.calls, view.counters.outcomes[Outcome.ANSWERED], view.counters.answer_rate) == (2, 2, 1.0)
        assert (view.counters.minutes, view.ended_at, view.expected_end_at) == (2.0, view.state_at, None)


async def test_all_faults_of_a_document_are_told_and_nothing_is_stored(autojump_clock, tmp_path):
    """With their places; also those of people."""
    async with desk(Phone(ends()), tmp_path) as at:
        with pytest.raises(InvalidInput) as error:
            await at.create(1, agent="nobody", windows=[{"start": "9", "end": "10:00"}], state="running", color="red")
        assert {"agent", "windows[0].start", "state", "color"} <= set(paths(error))
        assert all(fault.line == 1 and fault.column and fault.file is None for fault in error.value.faults)
        with pytest.raises(InvalidInput) as error:
            await at.operations.campaigns.create_document(
                b'{"name": "x",\n "agent": "a", "recipients": [{"phone": "1"}]}'
            )
        assert [(fault.path, fault.line) for fault in error.value.faults] == [("recipients[0].phone", 2)]
        for broken, words in ((b"{", "not JSON"), (b"[]", "must be an object"), (b"", "empty")):
            with pytest.raises(InvalidInput, match=words):
                await at.operations.campaigns.create_document(broken)
        with pytest.raises(InvalidInput) as error:
            await at.create(1, recipients=None, recipients_file="x.csv")
        assert paths(error) == ["recipients_file"]
        assert (await at.operations.campaigns.list()).total == 0


async def test_people_who_are_left_out_and_those_who_come_twice_are_told(autojump_clock, tmp_path):
    """With `skip_invalid`; whoever is left is dialled."""
    phone = Phone(ends())
    async with desk(phone, tmp_path) as at:
        people = [{"phone": number(0)}, {"phone": "12"}, {"phone": number(0)}, {"phone": number(1), "color": 1}]
        made = await at.create(recipients=people, skip_invalid=True)
        told = made.recipients
        assert (told.added, told.duplicates, told.invalid_count) == (1, 1, 2)
        assert [fault.path for fault in told.invalid] == ["recipients[1].phone", "recipients[3].color"]
        assert ["stands in recipient 1 already" in fault.message for fault in told.warnings] == [True]
        await at.over(made.campaign.id)
        assert phone.numbers() == [number(0)]


async def test_a_draft_waits_and_may_be_changed_in_everything(autojump_clock, tmp_path):
    """Until it is scheduled; then only some keys may be changed, and every other one is named."""
    phone = Phone(ends())
    async with desk(phone, tmp_path) as at:
        ask = at.operations.campaigns
        draft = (await at.create(0, state="draft", recipients=None, prompt="hello")).campaign
        assert draft.state is D
        with pytest.raises(WrongState, match="has no recipients"):
            await ask.schedule(draft.id)
        await ask.add_recipients(draft.id, [{"phone": number(0)}])
        changed = await ask.update(draft.id, {"name": "y", "start": TOMORROW, "prompt": None}, extra={"k": 1})
        assert (changed.spec.name, changed.spec.prompt, changed.start_at) == ("y", None, START + DAY)
        assert (changed.extra, changed.state) == ({"k": 1}, D)
        with pytest.raises(InvalidInput) as error:
            await ask.update(draft.id, {"name": None, "agent": "b", "recipients": [], "color": 1})
        assert set(paths(error)) == {"name", "agent", "recipients", "color"}
        await trio.sleep(60)
        assert phone.placed == []
        assert (await ask.schedule(draft.id)).state is S
        with pytest.raises(WrongState, match="keeps its name and prompt"):
            await ask.update(draft.id, {"name": "z", "prompt": "other", "pacing": {"max_concurrent": 1}})
        assert (
            await ask.update(draft.id, {"name": "y", "pacing": {"max_concurrent": 1}})
        ).spec.pacing.max_concurrent == 1
        assert (await ask.update(draft.id, {"pacing": None})).spec.pacing is None
        await trio.sleep(2 * DAY / 1_000)
        view = await ask.get(draft.id)
        assert (view.state, view.started_at) == (CampaignState.COMPLETED, START + DAY)
        with pytest.raises(WrongState, match="what is over"):
            await ask.update(draft.id, {"pacing": None})


async def test_a_window_that_closes_holds_the_very_next_call(autojump_clock, tmp_path):
    """50 lines busy: when the change returns nobody leaves any more; opened again, everybody is dialled once."""
    phone = Phone(slow())
    async with desk(phone, tmp_path, busy()) as at:
        await at.bench.add(600)
        await trio.sleep(3.33)
        assert phone.live["all"] > 40
        await at.operations.campaigns.update("x", {"windows": [{"start": "20:00", "end": "21:00"}]})
        left = len(phone.left)
        await trio.sleep(60)
        assert len(phone.left) == left
        await at.operations.campaigns.update("x", {"windows": None})
        await at.over("x")
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(600))


async def test_pacing_retry_and_end_are_followed_at_once(autojump_clock, tmp_path):
    """Fewer lines, another wait, an earlier end; and one that comes first ends it."""
    phone = Phone(talk(10, BUSY))
    wanted = busy()
    async with desk(phone, tmp_path, wanted) as at:
        ask = at.operations.campaigns
        made = await at.create(100, retry={"max_attempts": 2, "busy": {"delay": "1m"}})
        await trio.sleep(1)
        assert phone.live["all"] == 50
        changes = {"pacing": {"max_concurrent": 5}, "retry": {"max_attempts": 2, "busy": {"delay": "2h"}}}
        view = await ask.update(made.campaign.id, changes)
        assert view.spec.retry.busy.delay == 2 * HOUR
        await trio.sleep(30)
        assert phone.live["all"] == 5
        await trio.sleep(10 * MINUTE / 1_000)
        assert len(phone.left) == 100
        await ask.update(made.campaign.id, {"end": to_iso(START + HOUR)})
        await at.over(made.campaign.id)
        view = await ask.get(made.campaign.id)
        assert (view.counters.done[Final.EXPIRED], view.counters.calls) == (100, 100)
        assert view.ended_at >= START + HOUR


async def test_windows_are_narrowed_though_the_settings_have_lost_something(autojump_clock, tmp_path):
    """A caller id that is not configured any more is no reason to leave the windows as they are; a bad window is."""
    numbers = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="t")}
    async with desk(Phone(ends()), tmp_path, settings(numbers=numbers)) as at:
        ask, engine = at.operations.campaigns, at.bench.engine
        made = (await at.create(caller_ids=[CALLER_ID, OTHER_ID], start=TOMORROW)).campaign
        await engine.reload(evolve(engine.settings, numbers={CALLER_ID: numbers[CALLER_ID]}))
        window = {"start": "09:00", "end": "10:00"}
        assert len((await ask.update(made.id, {"windows": [window]})).spec.windows) == 1
        with pytest.raises(InvalidInput) as error:
            await ask.update(made.id, {"windows": [{**window, "end": "09:00:10"}]})
        assert paths(error) == ["windows[0]"]


async def test_a_new_end_comes_to_those_who_wait_for_a_line_too(autojump_clock, tmp_path):
    """All lines are another campaign's for hours."""
    one_line = settings(trunks={"t": trunk(max_concurrent=1)})
    async with desk(Phone(talk(2 * HOUR / 1_000)), tmp_path, one_line) as at:
        await at.create(1)
        await trio.sleep(1)
        waiting = (await at.create(recipients=[{"phone": number(1)}])).campaign.id
        await trio.sleep(1)
        await at.operations.campaigns.update(waiting, {"end": to_iso(START + 10 * MINUTE)})
        await at.over(waiting, within_s=11 * MINUTE / 1_000)
        assert (await at.operations.campaigns.get(waiting)).counters.done[Final.EXPIRED] == 1


async def test_a_change_that_cannot_be_stored_is_taken_back(autojump_clock, tmp_path, monkeypatch):
    """In memory, too: the calls go on as before."""
    phone = Phone(talk(1))
    async with desk(phone, tmp_path, busy()) as at:
        made = await at.create(20, pacing={"max_concurrent": 1})
        scheduled = await at.create(1, name="later", start=TOMORROW, recipients=[{"phone": number(99)}])

        def full(*_args, **_kwargs):
            raise StoreError("disk is full")

        for name in ("change", "release"):
            monkeypatch.setattr(stored, name, full)
        with pytest.raises(StoreError):
            await at.operations.campaigns.update(made.campaign.id, {"windows": [{"start": "20:00", "end": "21:00"}]})
        with pytest.raises(StoreError):
            await at.operations.campaigns.start(scheduled.campaign.id)
        await at.over(made.campaign.id)
        assert len(phone.left) == 20
        view = await at.operations.campaigns.get(scheduled.campaign.id)
        assert (view.state, view.start_at) == (S, START + DAY)
        monkeypatch.undo()
        assert (await at.operations.campaigns.start(scheduled.campaign.id)).state is R


async def test_what_is_started_begins_now_whatever_its_start_says(autojump_clock, tmp_path):
    """A draft, a scheduled one, and one that is launched with its creation; windows hold all the same."""
    phone = Phone(ends())
    async with desk(phone, tmp_path) as at:
        ask = at.operations.campaigns
        draft = (await at.create(1, draft=True, start=TOMORROW)).campaign
        later = (await at.create(1, start=TOMORROW, recipients=[{"phone": number(1)}])).campaign
        closed = [{"start": "20:00", "end": "21:00"}]
        launched = (
            await at.create(launch=True, start=TOMORROW, windows=closed, recipients=[{"phone": number(2)}])
        ).campaign
        assert [one.state for one in (draft, later, launched)] == [D, S, R]
        assert (launched.started_at, launched.start_at) == (START, None)
        await trio.sleep(10)
        assert phone.placed == []
        for campaign in (draft, later):
            view = await ask.start(campaign.id)
            assert (view.state, view.start_at) == (R, None)
            with pytest.raises(WrongState):
                await ask.start(campaign.id)
            await at.over(campaign.id)
        assert phone.numbers() == [number(0), number(1)]
        sooner = await ask.update(launched.id, {"end": to_iso(START + 12 * HOUR)})
        assert (sooner.end_at, sooner.start_at) == (START + 12 * HOUR, None), "its start is no matter any more"
        await ask.pause(launched.id)
        assert (await ask.resume(launched.id)).state is R
        await ask.update(launched.id, {"windows": None})
        await at.over(launched.id)
        assert phone.numbers()[2:] == [number(2)]


async def test_nothing_is_released_that_could_not_be_dialled(autojump_clock, tmp_path):
    """A draft whose end has passed is refused with that fault."""
    async with desk(Phone(ends()), tmp_path) as at:
        draft = (await at.create(1, state="draft", end=to_iso(START + HOUR))).campaign
        await trio.sleep(2 * HOUR / 1_000)
        for release in (at.operations.campaigns.schedule, at.operations.campaigns.start):
            with pytest.raises(InvalidInput) as error:
                await release(draft.id)
            assert paths(error) == ["end"]
        assert (await at.operations.campaigns.get(draft.id)).state is D


async def test_what_a_state_does_not_allow_is_refused(autojump_clock, tmp_path):
    """And an id that is unknown is not found."""
    async with desk(Phone(talk(5)), tmp_path) as at:
        ask = at.operations.campaigns
        draft = (await at.create(1, state="draft")).campaign.id
        live = (await at.create(1, start=TOMORROW)).campaign.id
        for verb in (ask.pause, ask.resume):
            with pytest.raises(WrongState):
                await verb(draft)
        for verb in (ask.schedule, ask.resume, ask.delete):
            with pytest.raises(WrongState):
                await verb(live)
        await ask.pause(live)
        for verb in (ask.pause, ask.start):
            with pytest.raises(WrongState):
                await verb(live)
        assert (await ask.resume(live)).state is S
        assert (await ask.cancel(live)).ended_at is not None
        for verb in (ask.cancel, ask.pause, ask.resume, ask.start, ask.schedule):
            with pytest.raises(WrongState):
                await verb(live)
            with pytest.raises(NotFound):
                await verb("nobody")


async def test_no_call_leaves_once_a_pause_has_returned(autojump_clock, tmp_path):
    """50 lines busy; the view says paused, and everybody is dialled after the resume."""
    phone = Phone(slow())
    async with desk(phone, tmp_path, busy()) as at:
        await at.bench.add(600)
        await trio.sleep(3.33)
        assert phone.live["all"] > 40
        assert (await at.operations.campaigns.pause("x")).state is P
        left = len(phone.left)
        await trio.sleep(60)
        assert len(phone.left) == left
        assert (await at.operations.campaigns.resume("x")).state is R
        await at.over("x")
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(600))
