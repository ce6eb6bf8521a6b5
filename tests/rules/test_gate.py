"""The gate: every rule in its order, and instants that are exact."""

import pytest
from attrs import evolve
from hypothesis import event, given
from hypothesis import strategies as st

from dialerd.model.instants import DAY, HOUR, MINUTE, NEVER, WEEK
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, RecipientState, Rule
from dialerd.rules.gate import STRANGER, Facts, Hold, Opening, PastCall, Person, gate

NOW = 1_800_000_000_000
OPEN = Opening(None, NOW - HOUR, NOW + HOUR)
FREE = Facts(recipient=RecipientState.PENDING, next_at=NOW, campaign=CampaignState.RUNNING, opening=OPEN)


def called(*calls, **person):
    """Return a person with calls that began and ended so many milliseconds ago; an end of None lasts."""
    past = (PastCall(NOW - began, None if ended is None else NOW - ended) for began, ended in calls)
    return Person(calls=tuple(past), **person)


CAPPED = PersonSettings(cooldown=0, calls_per_day=2, calls_per_week=3)


@pytest.mark.parametrize(
    ("changes", "hold"),
    [
        ({}, None),
        ({"campaign": CampaignState.SCHEDULED}, None),
        ({"next_at": 0}, None),
        ({"person": Person()}, None),
        # the recipient
        ({"recipient": RecipientState.DONE}, Hold(Rule.DONE, until=NEVER)),
        ({"recipient": RecipientState.DIALING}, Hold(Rule.DIALING)),
        # the campaign
        ({"campaign": CampaignState.LOADING}, Hold(Rule.DRAFT)),
        ({"campaign": CampaignState.DRAFT}, Hold(Rule.DRAFT)),
        ({"campaign": CampaignState.PAUSED}, Hold(Rule.PAUSED)),
        ({"campaign": CampaignState.COMPLETED}, Hold(Rule.CAMPAIGN_OVER, until=NEVER)),
        ({"campaign": CampaignState.CANCELLED}, Hold(Rule.CAMPAIGN_OVER, until=NEVER)),
        # the hour
        (
            {"opening": Opening(Rule.QUIET_HOURS, 1, NOW + 5, "Europe/London")},
            Hold(Rule.QUIET_HOURS, 1, NOW + 5, "Europe/London"),
        ),
        ({"opening": Opening(Rule.CAMPAIGN_END, 1, NEVER)}, Hold(Rule.CAMPAIGN_END, 1, NEVER)),
        # hours that are out of date let nobody through: closed meanwhile, or the clock was stepped back
        ({"opening": Opening(None, 0, NOW)}, Hold(Rule.CLOSING, detail="its hours are to be looked up again")),
        ({"opening": Opening(None, NOW + 1, NEVER)}, Hold(Rule.CLOSING, detail="its hours are to be looked up again")),
        ({"opening": Opening(None, NOW, NOW + 1)}, None),
        # the person
        ({"person": Person(suppressed_until=NEVER)}, Hold(Rule.SUPPRESSED, until=NEVER)),
        ({"person": Person(suppressed_until=NOW + 1)}, Hold(Rule.SUPPRESSED, until=NOW + 1)),
        ({"person": Person(suppressed_until=NOW)}, None),
        ({"next_at": NOW + 1}, Hold(Rule.RETRY_DELAY, until=NOW + 1)),
        ({"person": called((9, None))}, Hold(Rule.LIVE_CALL, NOW - 9)),
        ({"person": called((DAY, DAY), (9, None))}, Hold(Rule.LIVE_CALL, NOW - 9)),
        ({"person": called((2 * MINUTE, MINUTE - 1))}, Hold(Rule.COOLDOWN, NOW - MINUTE + 1, NOW + 1)),
        ({"person": called((2 * MINUTE, MINUTE))}, None),
        ({"person": called((DAY - 1, DAY - 1), (9, 9)), "limits": CAPPED}, Hold(Rule.PERSON_DAY_CAP, NOW - 9, NOW + 1)),
        ({"person": called((DAY, DAY), (9, 9)), "limits": CAPPED}, None),
        (
            {"person": called((WEEK - 1, WEEK - 1), (3 * DAY, 3 * DAY), (2 * DAY, 2 * DAY)), "limits": CAPPED},
            Hold(Rule.PERSON_WEEK_CAP, NOW - 2 * DAY, NOW + 1),
        ),
        ({"person": called((WEEK, WEEK), (3 * DAY, 3 * DAY), (2 * DAY, 2 * DAY)), "limits": CAPPED}, None),
        # more calls than the cap, because it was lowered since: the last two must leave the day
        (
            {
                "person": called((5 * HOUR, HOUR), (4 * HOUR, HOUR), (3 * HOUR, HOUR)),
                "limits": evolve(CAPPED, calls_per_week=9),
            },
            Hold(Rule.PERSON_DAY_CAP, NOW - 3 * HOUR, NOW + 20 * HOUR),
        ),
        # of several the one that lasts longest, because its end is the next instant at which it may be dialled
        (
            {"person": called((3 * DAY, 3 * DAY), (5, 5), (4, 4)), "limits": evolve(CAPPED, cooldown=MINUTE)},
            Hold(Rule.PERSON_WEEK_CAP, NOW - 4, NOW + 4 * DAY),
        ),
        # the lines
        ({"lines": Hold(Rule.COUNTRY, 1, 2, "503")}, Hold(Rule.COUNTRY, 1, 2, "503")),
    ],
)
def test_gate(changes, hold):
    """Each row is one change to a recipient that may be dialled, and what holds it then."""
    assert gate(evolve(FREE, **changes), NOW) == hold


def test_every_rule_of_the_gate_is_asked_in_its_order():
    """With everything against it the first rule answers; taking it away, the next, down to none."""
    facts = Facts(
        recipient=RecipientState.DONE,
        next_at=NOW + 1,
        campaign=CampaignState.PAUSED,
        opening=Opening(Rule.HOLIDAY, 0, NEVER),
        person=called((5, None), suppressed_until=NEVER),
        lines=Hold(Rule.AGENT_GONE),
    )
    steps = [
        ({"recipient": RecipientState.PENDING}, Rule.DONE),
        ({"campaign": CampaignState.RUNNING}, Rule.PAUSED),
        ({"opening": Opening(None, NOW, NOW)}, Rule.HOLIDAY),
        ({"opening": OPEN}, Rule.CLOSING),
        ({"person": called((5, None))}, Rule.SUPPRESSED),
        ({"next_at": 0}, Rule.RETRY_DELAY),
        ({"person": called((5, 5))}, Rule.LIVE_CALL),
        ({"person": STRANGER}, Rule.COOLDOWN),
        ({"lines": None}, Rule.AGENT_GONE),
    ]
    order = list(Rule)
    answers = []
    for change, rule in steps:
        answers.append(gate(facts, NOW).rule)
        assert answers[-1] is rule
        facts = evolve(facts, **change)
    assert gate(facts, NOW) is None
    assert answers == sorted(answers, key=order.index)


PAST = st.lists(st.tuples(st.integers(0, 8 * DAY), st.integers(0, 2 * HOUR)), max_size=8).map(
    lambda calls: tuple(
        PastCall(NOW - ago, NOW - ago + min(lasted, ago)) for ago, lasted in sorted(calls, reverse=True)
    )
)
LIMITS = st.builds(
    PersonSettings,
    cooldown=st.integers(0, 7 * DAY),
    calls_per_day=st.none() | st.integers(1, 4),
    calls_per_week=st.none() | st.integers(1, 6),
)


def worn(calls, limits, now):
    """Tell, rule by rule and counted plainly, whether past calls forbid another at `now`."""
    day = sum(1 for call in calls if call.started_at + DAY > now)
    week = sum(1 for call in calls if call.started_at + WEEK > now)
    return (
        any(now - call.ended_at < limits.cooldown for call in calls)
        or (limits.calls_per_day is not None and day >= limits.calls_per_day)
        or (limits.calls_per_week is not None and week >= limits.calls_per_week)
    )


@given(calls=PAST, limits=LIMITS)
def test_until_is_exact(calls, limits):
    """A person's rest ends at the instant that the gate names: held just before it, free at it."""
    facts = evolve(FREE, opening=Opening(None, 0, NEVER), person=Person(calls=calls), limits=limits)
    hold = gate(facts, NOW)
    assert (hold is not None) == worn(calls, limits, NOW)
    if hold is not None:
        assert hold.since <= NOW < hold.until
        assert worn(calls, limits, hold.until - 1)
        assert gate(facts, hold.until - 1) is not None
        assert gate(facts, hold.until) is None


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "recipient": st.sampled_from(RecipientState),
        "campaign": st.sampled_from(CampaignState),
        "opening": st.builds(
            lambda rule, span: Opening(rule, NOW + min(span), NOW + max(span)),
            st.none() | st.sampled_from([Rule.CALLING_WINDOW, Rule.QUIET_HOURS, Rule.CLOSING]),
            st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
        ),
        "next_at": st.integers(NOW - 2, NOW + 2),
        "person": st.builds(
            lambda until, calls, live: Person(
                suppressed_until=until, calls=(*calls, PastCall(NOW, None)) if live else calls
            ),
            st.none() | st.integers(NOW - 2, NOW + 2),
            PAST,
            st.booleans(),
        ),
        "limits": LIMITS,
        "lines": st.none() | st.just(Hold(Rule.COUNTRY)),
    },
)


@given(changes=CHANGES)
def test_open_only_when_nothing_objects(changes):
    """The gate is open if and only if each rule on its own lets the call pass."""
    facts = evolve(FREE, **changes)
    calls = facts.person.calls
    free = (
        facts.recipient == "pending"
        and facts.campaign in ("scheduled", "running")
        and facts.opening.rule is None
        and facts.opening.since <= NOW < facts.opening.until
        and facts.next_at <= NOW
        and (facts.person.suppressed_until or 0) <= NOW
        and all(call.ended_at is not None for call in calls)
        and not worn(calls, facts.limits, NOW)
        and facts.lines is None
    )
    event(f"open: {free}")
    hold = gate(facts, NOW)
    assert (hold is None) == free
    if hold is not None and hold.until is not None and hold.rule is not facts.opening.rule:
        assert hold.until > NOW
