"""The tables, as SQLAlchemy Core sees them. Integer keys inside, UUIDs outside; instants are milliseconds.

A call costs four row writes: its recipient and its attempt, once when it is claimed and once when it ends; the
campaign's counters add one per campaign and transaction. What is not needed to decide the next call has no index.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from dialerd.model.states import Final, Outcome

metadata = MetaData()

_Key = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY is SQLite's rowid

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("uid", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("state", String, nullable=False),
    Column("spec", Text, nullable=False),  # the CampaignSpec as JSON
    Column("timezone", String, nullable=False),
    Column("start_at", BigInteger),
    Column("end_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("state_at", BigInteger, nullable=False),  # since when it is in its state
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("reported_at", BigInteger),
    Column("alias", String),  # the id by which the dialect that made it knows it
    Column("dialect", String),
    Column("extra", Text),  # JSON object: what the dialect keeps with it
    # recipients of a campaign in loading that are to be another's; set when they are whole, then moved bit by bit
    Column("adds_to", BigInteger),
    sqlite_autoincrement=True,  # a key is never given twice: what is on its way to a campaign must find no other
)
Index("campaigns_open", campaigns.c.state, sqlite_where=text("ended_at IS NULL"))
Index("campaigns_alias", campaigns.c.alias, unique=True, sqlite_where=text("alias IS NOT NULL"))
Index("campaigns_unreported", campaigns.c.id, sqlite_where=text("ended_at IS NOT NULL AND reported_at IS NULL"))

totals = Table(
    "totals",
    metadata,
    Column("campaign_id", _Key, ForeignKey("campaigns.id"), primary_key=True),
    Column("changed_at", BigInteger, nullable=False),
    Column("recipients", Integer, nullable=False, server_default="0"),
    *(Column(f"final_{final}", Integer, nullable=False, server_default="0") for final in Final),
    *(Column(f"outcome_{outcome}", Integer, nullable=False, server_default="0") for outcome in Outcome),
    Column("refunded", Integer, nullable=False, server_default="0"),
    Column("talk_ms", BigInteger, nullable=False, server_default="0"),
)

zone_groups = Table(
    "zone_groups",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("country", String, nullable=False),  # '' where the number's code is of no country
    Column("zones", Text, nullable=False),  # JSON array
    Column("placeless", Boolean, nullable=False),
    UniqueConstraint("country", "zones", "placeless"),
)

recipients = Table(
    "recipients",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("campaign_id", _Key, nullable=False),
    Column("group_id", _Key, nullable=False),
    Column("position", Integer, nullable=False),
    Column("number", String, nullable=False),
    Column("state", String, nullable=False),
    Column("final", String),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),  # consumed ones
    Column("refunds", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer),
    Column("caller_id", String),  # the one that a sticky campaign keeps
    Column("prompt", Text),
    Column("variables", Text),  # JSON object
    Column("metadata", Text),  # JSON object
)
# One index serves duplicates within a campaign and every look-up by number.
Index("recipients_number", recipients.c.number, recipients.c.campaign_id, unique=True)
# A page of a campaign's recipients is one seek, wherever they lie: those that were added later lie far from the first.
Index("recipients_campaign", recipients.c.campaign_id)
# The dispatcher's index: rows of closed groups, and rows that are not pending, are never touched.
Index(
    "recipients_due",
    recipients.c.campaign_id,
    recipients.c.group_id,
    recipients.c.next_at,
    recipients.c.id,
    sqlite_where=text("state = 'pending'"),
    postgresql_where=text("state = 'pending'"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("uid", String, nullable=False, unique=True),
    Column("recipient_id", _Key, nullable=False),
    Column("campaign_id", _Key, nullable=False),
    Column("number", String, nullable=False),
    Column("caller_id", String, nullable=False),
    Column("trunk", String, nullable=False),
    Column("state", String, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("ringing_at", BigInteger),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("outcome", String),
    Column("refunded", Boolean, nullable=False, server_default=text("0")),
    Column("reference", String),
    Column("provider_state", Text),  # base64: sets cross into SQL as JSON
    Column("cause", Text),  # JSON object: fault, q850, code, detail
    Column("answered_by", String),
    Column("digits", String),
    Column("detail", Text),  # JSON object
    Column("result", Text),  # JSON object: what the agent reported
)
Index("attempts_number", attempts.c.number, attempts.c.claimed_at)
Index(
    "attempts_open",
    attempts.c.campaign_id,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("number", String, primary_key=True),
    Column("scope", String, primary_key=True),  # 'all', 'agent:NAME' or 'campaign:UID'
    Column("reason", Text),
    Column("source", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # NEVER where it does not expire
    sqlite_with_rowid=False,
)

day_counts = Table(
    "day_counts",
    metadata,
    Column("key", String, primary_key=True),  # 'number:+44…' or 'campaign:7'
    Column("day", String, primary_key=True),  # local date of the zone that the cap is counted in
    Column("calls", Integer, nullable=False),
    sqlite_with_rowid=False,
)

notices = Table(
    "notices",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("kind", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("campaign", String, nullable=False),
    Column("body", Text, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice, so that a reader's place stays true
)

notice_places = Table(
    "notice_places",
    metadata,
    Column("reader", String, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
)

spool_files = Table(
    "spool_files",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("campaign_id", _Key, nullable=False, index=True),
    Column("taken_at", BigInteger, nullable=False),
    Column("moved", Boolean, nullable=False),
)
Index("spool_files_unmoved", spool_files.c.fingerprint, sqlite_where=text("NOT moved"))

answers = Table(
    "answers",
    metadata,
    Column("key", String, primary_key=True),  # the client's idempotency key
    Column("fingerprint", String, nullable=False),  # of the request
    Column("result", Text, nullable=False),  # JSON: what was created, stored in the transaction that created it
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("status", Integer),  # of the answer, once it was made
    Column("content_type", String),
    Column("body", Text),
)
