"""The states of campaigns, recipients and attempts, and the words for what became of a call.

The values are the strings that are stored, reported and accepted in files. Which state may follow which stands in
`dialerd.rules.lifecycle`.
"""

from enum import StrEnum


class CampaignState(StrEnum):
    """Where a campaign stands."""

    LOADING = "loading"  # its recipients are still being stored; invisible to the scheduler
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RecipientState(StrEnum):
    """Where a recipient stands."""

    PENDING = "pending"
    DIALING = "dialing"
    DONE = "done"


class Final(StrEnum):
    """What became of a recipient in the end."""

    SUCCEEDED = "succeeded"  # answered, or a voicemail message was left
    FAILED = "failed"  # ended with an outcome that is not tried again
    EXHAUSTED = "exhausted"  # every attempt was used up
    UNCERTAIN = "uncertain"  # nobody can tell whether the last attempt rang
    SUPPRESSED = "suppressed"  # a do-not-call entry came first
    EXPIRED = "expired"  # the campaign ended first
    CANCELLED = "cancelled"  # the campaign was cancelled first


class AttemptState(StrEnum):
    """Where an attempt stands."""

    CLAIMED = "claimed"  # durable; the provider may have heard of it
    PLACED = "placed"  # the provider accepted it
    RINGING = "ringing"
    ANSWERED = "answered"
    UNCERTAIN = "uncertain"  # it may have been placed; the provider is to be asked
    ENDED = "ended"


class Outcome(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    UNREACHABLE = "unreachable"
    CONGESTION = "congestion"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"


class AtFault(StrEnum):
    """Whose doing a failed call is."""

    CALLEE = "callee"
    TRUNK = "trunk"
    PROVIDER = "provider"
    US = "us"


class AnsweredBy(StrEnum):
    """Who or what answered. Unknown is treated as human."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


class Rotation(StrEnum):
    """How a campaign chooses among its caller ids."""

    RANDOM = "random"
    SEQUENTIAL = "sequential"  # the first until its limits are reached, then the next
    ROUND_ROBIN = "round_robin"
    STICKY = "sticky"  # one person sees one number over all retries


class Amd(StrEnum):
    """Whether the provider listens for an answering machine."""

    OFF = "off"
    DETECT = "detect"


class OnVoicemail(StrEnum):
    """What an agent does when a machine answers."""

    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"
    CONTINUE = "continue"


class Weekday(StrEnum):
    """A day of the week; `ALL_WEEKDAYS[date.weekday()]` is that date's."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


ALL_WEEKDAYS = tuple(Weekday)


class Rule(StrEnum):
    """The rule that holds or ends a recipient, in the order in which the gate asks."""

    # the recipient
    DONE = "done"  # it has a final state already
    DIALING = "dialing"  # its own call is in progress
    # the campaign
    DRAFT = "draft"
    PAUSED = "paused"
    CAMPAIGN_OVER = "campaign_over"  # completed or cancelled
    NOT_STARTED = "not_started"
    CAMPAIGN_END = "campaign_end"
    # the hour
    CALLING_WINDOW = "calling_window"
    HOLIDAY = "holiday"
    QUIET_HOURS = "quiet_hours"
    QUIET_HOLIDAY = "quiet_holiday"
    UNKNOWN_ZONE = "unknown_zone"
    PLACELESS_NUMBER = "placeless_number"
    CLOSING = "closing"  # it is open, but the ring timeout could outlast the close
    # the person
    SUPPRESSED = "suppressed"
    RETRY_DELAY = "retry_delay"
    LIVE_CALL = "live_call"  # the same number is in a call already
    COOLDOWN = "cooldown"
    PERSON_DAY_CAP = "person_day_cap"
    PERSON_WEEK_CAP = "person_week_cap"
    # the lines
    COUNTRY = "country"  # no trunk of the campaign may ring this country
    CAMPAIGN_DAY_CAP = "campaign_day_cap"
    CALLER_ID_DAY_CAP = "caller_id_day_cap"
    AGENT_GONE = "agent_gone"  # it is not configured any more
