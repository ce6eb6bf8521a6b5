"""Status files: beside the accepted file, current, rewritten only when they say something new."""

import os
import tomllib

import trio
from history import AT, finish, lay
from spooling import Place, inline, now

from dialerd.model.states import CampaignState
from dialerd.store import campaigns

UIDS = [f"0197aaaa-0000-7000-8000-00000000000{digit}" for digit in range(9)]


def said(place, name):
    """Return what a status file says."""
    return tomllib.loads(place.read("accepted", f"{name}.status.toml"))


async def test_a_status_file_follows_its_campaign(tmp_path):
    """From scheduled to completed, with its counts."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        status = place.status(store)
        key = await store.write(lay, lives=[["answered"], []], file="a.toml", uid=UIDS[0], created_at=now())
        status.accepted(UIDS[0], "a.toml")
        await status.refresh()
        first = said(place, "a.toml")
        assert (first["state"], first["id"], first["recipients"]["total"]) == ("scheduled", UIDS[0], 2)
        await store.write(finish, key, [["answered"], []], now())
        await status.refresh()
        last = said(place, "a.toml")
        assert (last["state"], last["recipients"]["succeeded"], last["attempts"]["answered"]) == ("completed", 1, 1)
        assert last["recipients"]["expired"] == 1


async def test_what_says_the_same_is_not_written_again(tmp_path):
    """Neither disk nor readers are troubled for nothing."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        status = place.status(store)
        key = await store.write(lay, lives=[[]], file="a.toml", created_at=now() - 1_000)
        await status.refresh()
        path = place.folders.accepted / "a.toml.status.toml"
        before = path.stat().st_ino
        await status.refresh()
        assert path.stat().st_ino == before
        await store.write(campaigns.set_state, key, CampaignState.PAUSED, now=now())
        await status.refresh()
        assert path.stat().st_ino != before
        assert said(place, "a.toml")["state"] == "paused"


async def test_a_new_life_finds_the_files_of_the_former(tmp_path):
    """By the id in them, also where several campaigns came from files of one name."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        keys = []
        status = place.status(store)
        for uid, name in zip(UIDS[:3], ("a.toml", "a.2.toml", "a.3.toml"), strict=True):
            keys.append(await store.write(lay, lives=[[]], file="a.toml", uid=uid, created_at=now()))
            status.accepted(uid, name)
        await status.refresh()
        again = place.status(store)
        for key in keys:
            await store.write(campaigns.set_state, key, CampaignState.PAUSED, now=now())
        await again.refresh()
        assert sorted(os.listdir(place.folders.accepted)) == [
            "a.2.toml.status.toml",
            "a.3.toml.status.toml",
            "a.toml.status.toml",
        ]
        for uid, name in zip(UIDS[:3], ("a.toml", "a.2.toml", "a.3.toml"), strict=True):
            assert (said(place, name)["id"], said(place, name)["state"]) == (uid, "paused")


async def test_a_campaign_without_a_file_has_no_status_file(tmp_path):
    """It came over the socket."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        await store.write(lay, lives=[[]], created_at=AT)
        await place.status(store).refresh()
        assert os.listdir(place.folders.accepted) == []


async def test_the_status_is_final_before_the_report_is_marked(tmp_path):
    """A stop right after the report leaves no campaign running for ever in its status file."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        key = await store.write(lay, lives=[[]], file="a.toml", created_at=now() - 1_000)
        await place.status(store).refresh()
        await store.write(finish, key, [[]], now())
        assert await place.reports(store).write_due() == 1
        assert said(place, "a.toml")["state"] == "completed"


async def test_the_spool_tells_the_name_in_accepted(tmp_path):
    """A file that got a number has its status file under that number."""
    place = Place.make(tmp_path)
    (place.folders.accepted / "a.toml").write_text("former")
    async with place.store() as store:
        status = place.status(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(place.spool(store, status).run)
            place.drop("a.toml", inline())
            await place.until("accepted", "a.2.toml")
            with trio.fail_after(60):
                while not (place.folders.accepted / "a.2.toml.status.toml").exists():
                    await status.refresh()
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
