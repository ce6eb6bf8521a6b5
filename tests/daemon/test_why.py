"""`dialerd why` in words: attempts, holds, instants in the campaign's zone."""

from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from dialerd.api.rendering import plain
from dialerd.cli.local import hour, moment, zone
from dialerd.cli.why_text import lines
from dialerd.daemon import why
from dialerd.engine.explain import Explanation
from dialerd.model.call_view import CallView
from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.errors import NotFound
from dialerd.model.instants import NEVER
from dialerd.model.reason import RULE_WORDS, Reason, Waiting
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import DaemonSettings, Settings
from dialerd.model.states import AttemptState, CampaignState, Outcome, RecipientState, Rule
from dialerd.operations.reasons import reason_of
from dialerd.rules.gate import Hold
from dialerd.store import campaigns, recipients
from dialerd.store.lookup import Found
from dialerd.store.records import CampaignRow, NewCampaign, RecipientBatch
from dialerd.store.store import open_store

NOON = 1_813_057_200_000  # 2027-06-15 12:00 in London
SETTINGS = Settings(retry=RetryPolicy(max_attempts=4))
CAMPAIGN = CampaignRow(
    id=1,
    uid="u",
    state=CampaignState.RUNNING,
    spec=CampaignSpec(name="Tuesday", agent="reminder"),
    timezone="Europe/London",
    start_at=None,
    end_at=None,
    created_at=NOON,
    state_at=NOON,
    started_at=NOON,
    ended_at=None,
)
FOUND = Found(
    number="+447111000001",
    position=1,
    group=ZoneGroup(country="GB", zones=("Europe/London",)),
    state=RecipientState.PENDING,
    final=None,
    next_at=NOON,
    attempts=1,
    max_attempts=None,
    caller_id=None,
    tried=[],
)
EXPLAINED = Explanation(campaign=CAMPAIGN, found=FOUND, hold=None, next_at=NOON)


def told(explanation: Explanation, **others: Any) -> list[str]:
    """Return what is said of an explanation."""
    return lines(plain(reason_of(explanation, SETTINGS, **others), Reason))


def attempts(explanation: Explanation) -> str:
    """Return what is said of the attempts."""
    return next(line for line in told(explanation) if line.startswith("  attempts"))


def test_the_budget_is_the_recipients_the_campaigns_or_the_daemons() -> None:
    """Whoever gives the number of attempts, it is told."""
    assert attempts(EXPLAINED).endswith("1 of 4")
    own = evolve(CAMPAIGN, spec=evolve(CAMPAIGN.spec, retry=RetryPolicy(max_attempts=2)))
    assert attempts(evolve(EXPLAINED, campaign=own)).endswith("1 of 2")
    assert attempts(evolve(EXPLAINED, campaign=own, found=evolve(FOUND, max_attempts=7))).endswith("1 of 7")


def test_a_hold_is_told_with_its_instants() -> None:
    """Rule, since when and until when; a rule that does not pass by itself is told as such."""
    assert (
        told(EXPLAINED)[-1]
        == "  held by    nothing that the store knows: it is dialled as soon as its trunk takes it and a line is free"
    )
    hold = Hold(rule=Rule.COOLDOWN, since=NOON, until=NOON + 60_000)
    said = told(evolve(EXPLAINED, hold=hold, next_at=NOON + 60_000))
    assert said[-2].endswith("since Tue 2027-06-15 12:00:00 BST")
    assert said[-1] == "  next       Tue 2027-06-15 12:01:00 BST"
    assert told(evolve(EXPLAINED, hold=hold, next_at=NEVER))[-1].endswith("never by itself")
    assert told(evolve(EXPLAINED, hold=hold, next_at=None))[-1].endswith("when that ends")


def test_what_a_running_daemon_adds_is_told() -> None:
    """Somebody whom no rule holds waits for lines, or is dialled within moments."""
    assert told(EXPLAINED, live=())[-1].endswith("it is dialled within moments")
    waits = (
        Waiting(kind="trunk", name="main", words="all 2 lines of trunk main are in use"),
        Waiting(kind="resting", name="side", words="trunk side rests after faults", until=NOON),
    )
    assert told(EXPLAINED, live=waits)[-2:] == [
        "  waits for  all 2 lines of trunk main are in use",
        "             trunk side rests after faults, until Tue 2027-06-15 12:00:00 BST",
    ]


def test_why_a_call_did_not_count_is_told() -> None:
    """The carrier's code and words; of a call that counted the outcome says enough."""
    refused = CallView(
        id="c1",
        campaign_id="u",
        number=FOUND.number,
        caller_id="+447111000009",
        trunk="main",
        state=AttemptState.ENDED,
        claimed_at=NOON,
        outcome=Outcome.FAILED,
        counted=False,
        cause={"fault": "trunk", "code": "21210", "detail": "the number is not verified"},
    )
    silent = evolve(refused, cause={"fault": "trunk"})
    busy = evolve(refused, outcome=Outcome.BUSY, counted=True)
    assert [line.rpartition("BST  ")[2] for line in told(EXPLAINED, calls=[refused, silent, busy])[3:6]] == [
        "failed over main, did not count: 21210 the number is not verified  c1",
        "failed over main, did not count  c1",
        "busy over main  c1",
    ]


def test_every_rule_has_words() -> None:
    """A rule that is added is put into words."""
    assert set(RULE_WORDS) == set(Rule)


def test_instants_are_local() -> None:
    """Instants are shown by the clock of the zone that is given; one that this host does not know is UTC."""
    noon = "2027-06-15T11:00:00Z"
    assert moment(noon, zone("Asia/Tokyo")) == "Tue 2027-06-15 20:00:00 JST"
    assert hour(noon, zone("Asia/Tokyo")) == "Tue 2027-06-15 20:00"
    assert moment(noon, zone("Mars/Olympus")) == "Tue 2027-06-15 11:00:00 UTC"


async def _stocked(state_dir: Path) -> None:
    """Store two drafts of one name."""
    async with open_store(f"sqlite:///{state_dir / 'dialerd.db'}") as store:
        for uid in ("u1", "u2"):
            new = NewCampaign(
                spec=CampaignSpec(name="Tuesday", agent="a"),
                uid=uid,
                timezone="Europe/London",
                start_at=None,
                end_at=None,
                created_at=NOON,
            )
            key = await store.write(campaigns.begin, new)
            batch = RecipientBatch(groups=(FOUND.group,), rows=f'[[1,"{FOUND.number}",0,null,null,null,null]]', count=1)
            await store.write(recipients.add, key, batch)
            await store.write(campaigns.publish, key, state=CampaignState.DRAFT, taken=None, now=NOON)


def test_the_command_reads_the_database(tmp_path, capsys) -> None:
    """By an id it tells of that campaign alone, by a name of all that have it, latest first; the daemon may be down."""
    trio.run(_stocked, tmp_path)
    wanted = Settings(daemon=DaemonSettings(state_dir=tmp_path, default_region="GB"))
    assert why.run(wanted, "u1", "07111 000001") == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "+447111000001 in 'Tuesday' (u1, draft)",
        "  recipient  pending",
        "  attempts   0 of 1",
        "  held by    draft: the campaign is a draft, since Tue 2027-06-15 12:00:00 BST",
        "  next       when that ends",
    ]
    assert not told.err
    assert why.run(wanted, "Tuesday", FOUND.number) == 0
    told = capsys.readouterr()
    assert [line.split()[3] for line in told.out.splitlines() if line.startswith("+")] == ["(u2,", "(u1,"]
    assert "2 campaigns" in told.err
    with pytest.raises(NotFound):
        why.run(wanted, "u1", "+447111000002")
