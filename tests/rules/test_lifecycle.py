"""The tables of states: every pair, the words of a refusal, the drawing."""

import pytest

from dialerd.model.errors import WrongState
from dialerd.model.states import AttemptState, CampaignState, RecipientState
from dialerd.rules.lifecycle import ATTEMPT, CAMPAIGN, RECIPIENT, check, diagram

# each allowed change, written by hand as old: new new …, so that a change of the tables shows here
ALLOWED = {
    CampaignState: """
        loading: draft scheduled running
        draft: scheduled running cancelled
        scheduled: running paused completed cancelled
        running: paused completed cancelled
        paused: scheduled running completed cancelled
        completed:
        cancelled:""",
    RecipientState: """
        pending: dialing done
        dialing: pending done
        done:""",
    AttemptState: """
        claimed: placed ringing answered uncertain ended
        placed: ringing answered uncertain ended
        ringing: answered uncertain ended
        answered: uncertain ended
        uncertain: placed ringing answered ended
        ended:""",
}


def pairs():
    """Return every pair of states of one thing, with whether it is allowed."""
    for kind, text in ALLOWED.items():
        rows = dict(line.strip().split(":") for line in text.strip().splitlines())
        for old in kind:
            for new in kind:
                yield pytest.param(old, new, new in rows[old].split(), id=f"{kind.__name__}-{old}-{new}")


@pytest.mark.parametrize(("old", "new", "allowed"), list(pairs()))
def test_every_pair(old, new, allowed):
    """Each change is allowed or refused as the table above says."""
    if allowed:
        check(old, new)
    else:
        with pytest.raises(WrongState, match=f"that is {old} cannot become {new}"):
            check(old, new)


@pytest.mark.parametrize(
    ("table", "kind"), [(CAMPAIGN, CampaignState), (RECIPIENT, RecipientState), (ATTEMPT, AttemptState)]
)
def test_tables_are_whole(table, kind):
    """Each state stands in its table, can be reached from the first, and can reach an end."""
    assert set(table) == set(kind)
    reached, wave = set(), {next(iter(table))}
    while wave:
        reached |= wave
        wave = {new for old in wave for new in table[old]} - reached
    assert reached == set(kind)
    ended = {state for state in kind if not table[state]}
    assert ended
    for _ in kind:
        ended |= {old for old in kind if table[old] & ended}
    assert ended == set(kind)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            CampaignState.DRAFT,
            CampaignState.PAUSED,
            "a campaign that is draft cannot become paused: "
            "from draft it can only become scheduled, running or cancelled",
        ),
        (
            CampaignState.COMPLETED,
            CampaignState.CANCELLED,
            "a campaign that is completed cannot become cancelled: completed is final",
        ),
        (
            AttemptState.RINGING,
            AttemptState.PLACED,
            "an attempt that is ringing cannot become placed: "
            "from ringing it can only become answered, uncertain or ended",
        ),
    ],
)
def test_words(old, new, message):
    """A refusal names the thing, the change, and what would be allowed, in the order of the table."""
    with pytest.raises(WrongState) as error:
        check(old, new)
    assert str(error.value) == message


def test_diagram():
    """The drawing has a beginning, an arrow for each allowed change, and an end for each final state."""
    assert diagram(RECIPIENT) == (
        "stateDiagram-v2\n"
        "    [*] --> pending\n"
        "    pending --> dialing\n"
        "    pending --> done\n"
        "    dialing --> pending\n"
        "    dialing --> done\n"
        "    done --> [*]\n"
    )
    arrows = diagram(CAMPAIGN).count("-->")
    assert arrows == 1 + sum(map(len, CAMPAIGN.values())) + 2
