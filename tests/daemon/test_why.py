"""`dialerd why` in words: attempts, holds, instants in the campaign's zone."""

from attrs import evolve

from dialerd.daemon.local import hour, moment
from dialerd.daemon.why import told
from dialerd.engine.explain import Explanation
from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.instants import NEVER
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState, RecipientState, Rule
from dialerd.rules.gate import Hold
from dialerd.rules.zones import zone
from dialerd.store.lookup import Found
from dialerd.store.records import CampaignRow

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


def attempts(explanation: Explanation) -> str:
    """Return what is said of the attempts."""
    return next(line for line in told(explanation, SETTINGS) if line.startswith("  attempts"))


def test_the_budget_is_the_recipients_the_campaigns_or_the_daemons() -> None:
    """Whoever gives the number of attempts, it is told."""
    assert attempts(EXPLAINED).endswith("1 of 4")
    own = evolve(CAMPAIGN, spec=evolve(CAMPAIGN.spec, retry=RetryPolicy(max_attempts=2)))
    assert attempts(evolve(EXPLAINED, campaign=own)).endswith("1 of 2")
    assert attempts(evolve(EXPLAINED, campaign=own, found=evolve(FOUND, max_attempts=7))).endswith("1 of 7")


def test_a_hold_is_told_with_its_instants() -> None:
    """Rule, since when and until when; a rule that does not pass by itself is told as such."""
    assert (
        told(EXPLAINED, SETTINGS)[-1]
        == "  held by    nothing that the store knows: it is dialled as soon as its trunk takes it and a line is free"
    )
    hold = Hold(rule=Rule.COOLDOWN, since=NOON, until=NOON + 60_000)
    lines = told(evolve(EXPLAINED, hold=hold, next_at=NOON + 60_000), SETTINGS)
    assert lines[-2].endswith("since Tue 2027-06-15 12:00:00 BST")
    assert lines[-1] == "  next       Tue 2027-06-15 12:01:00 BST"
    assert told(evolve(EXPLAINED, hold=hold, next_at=NEVER), SETTINGS)[-1].endswith("never by itself")


def test_instants_are_local() -> None:
    """Instants are shown by the clock of the zone that is given."""
    assert moment(NOON, zone("Asia/Tokyo")) == "Tue 2027-06-15 20:00:00 JST"
    assert hour(NOON, zone("Asia/Tokyo")) == "Tue 2027-06-15 20:00"
