"""The daemon's settings, one frozen record a table of `dialerd.toml`. Reading the file is `dialerd.daemon`'s."""

from datetime import date, time
from pathlib import Path
from typing import Any

from attrs import field, frozen, validators

from dialerd.model.campaign import Pacing
from dialerd.model.instants import DAY, MINUTE, SECOND, Duration
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import ALL_WEEKDAYS, OnVoicemail, Weekday

_POSITIVE = validators.optional(validators.ge(1))


@frozen(kw_only=True)
class DaemonSettings:
    """`[daemon]`: places, defaults and the limits of the whole daemon.

    Args:
        state_dir: where the database lies.
        spool_dir: where `incoming/`, `accepted/`, `rejected/` and `reports/` lie.
        socket: Unix socket of the local API, for members of its directory's group.
        timezone: zone of campaigns whose own and whose agent's zone is not given, and of caller ids' daily caps.
        default_region: ISO 3166 country by which numbers without + are read; None = + is required.
        max_concurrent: calls in progress at once over all trunks.
        drain: how long a stop waits for live calls before it hangs them up.
    """

    state_dir: Path = Path("/var/lib/dialerd")
    spool_dir: Path = Path("/var/spool/dialerd")
    socket: Path = Path("/run/dialerd/dialerd.sock")
    timezone: str = "UTC"
    default_region: str | None = None
    max_concurrent: int = field(default=100, validator=[validators.ge(1), validators.le(100_000)])
    drain: Duration = field(default=5 * MINUTE, validator=validators.ge(0))


@frozen(kw_only=True)
class StoreSettings:
    """`[store]`: the database.

    Args:
        url: SQLAlchemy URL; None = `dialerd.db` in `state_dir`.
        keep: how long ended campaigns are kept before they are pruned; two weeks at least, because a person's
            weekly cap and cooldown are counted from their calls.
    """

    url: str | None = None
    keep: Duration = field(default=400 * DAY, validator=validators.ge(14 * DAY))


@frozen(kw_only=True)
class TrunkSettings:
    """`[trunks.NAME]`: one configured route of a provider.

    Args:
        provider: name under which a plugin offers its provider.
        max_concurrent: calls in progress at once.
        calls_per_second: calls started per second, evenly spaced; None = no limit.
        account: name under which the carrier counts its calls; trunks of one account share the pace, the least of
            theirs. None = what its provider says, if it does.
        countries: ISO 3166 countries it may ring; empty = the countries of its own numbers.
        options: the provider's own settings, read by the plugin.
    """

    provider: str
    max_concurrent: int = field(default=10, validator=[validators.ge(1), validators.le(100_000)])
    calls_per_second: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    account: str | None = field(default=None, validator=validators.optional(validators.min_len(1)))
    countries: tuple[str, ...] = ()
    options: dict[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class NumberSettings:
    """`[numbers."+44…"]`: one caller id.

    Args:
        trunk: the trunk that may show it.
        id: another name by which campaigns may ask for it.
        max_concurrent: calls in progress at once that show it; None = the trunk's limit.
        calls_per_day: calls started per day of the daemon's zone that show it; None = no limit.
    """

    trunk: str
    id: str | None = None
    max_concurrent: int | None = field(default=None, validator=_POSITIVE)
    calls_per_day: int | None = field(default=None, validator=_POSITIVE)


@frozen(kw_only=True)
class MenuChoice:
    """`[agents.NAME.menu]`: what follows when the called person presses a key; one of say, play, bridge and repeat.

    Args:
        say: text to speak, with `{variable}` places; then the call ends.
        play: sound to play; then the call ends.
        bridge: SIP URI or number to connect the call with.
        repeat: True says again what the agent said.
    """

    say: str | None = None
    play: str | None = None
    bridge: str | None = None
    repeat: bool = False


@frozen(kw_only=True)
class AgentSettings:
    """`[agents.NAME]`: what speaks when a call is answered; one of say, play, stream, bridge and twiml.

    Args:
        id: another name by which campaigns may ask for it.
        timezone: zone of its campaigns that give none.
        numbers: caller ids of its campaigns that give none, in order; empty = every configured number.
        max_concurrent: calls in progress at once that it serves; None = as many as the other limits allow.
        say: text to speak, with `{variable}` places.
        play: sound file to play.
        stream: WebSocket URL to stream the call to.
        bridge: SIP URI or number to connect the call with.
        twiml: URL from which a carrier that understands TwiML gets what is to be done; the recipient's variables are
            in its query.
        press: keys to press when the call is answered, before anything else: 0 to 9, `*`, `#`, A to D, `w` for half a
            second's pause and `W` for a whole one, with `{variable}` places; None = none.
        voice: voice that speaks, as the trunk's provider calls it; None = its own.
        language: language that is spoken, as in `en-GB`; None = the provider's own.
        menu: what follows when the called person presses a key, by key; of an agent that says or plays.
        opt_out: key by which the called person asks never to be called again; of an agent that says or plays.
        opt_out_say: what is said when that is done; None = nothing.
        on_voicemail: what to do when a machine answers.
    """

    id: str | None = None
    timezone: str | None = None
    numbers: tuple[str, ...] = ()
    max_concurrent: int | None = field(default=None, validator=_POSITIVE)
    say: str | None = None
    play: str | None = None
    stream: str | None = None
    bridge: str | None = None
    twiml: str | None = None
    press: str | None = None
    voice: str | None = None
    language: str | None = None
    menu: dict[str, MenuChoice] = field(factory=dict)
    opt_out: str | None = None
    opt_out_say: str | None = None
    on_voicemail: OnVoicemail = OnVoicemail.HANG_UP


@frozen(kw_only=True)
class PersonSettings:
    """`[person]`: what one called number may bear, over all campaigns.

    Args:
        cooldown: rest between the end of one call to a number and the start of the next.
        calls_per_day: calls to a number in any 24 hours; None = no limit.
        calls_per_week: calls to a number in any 7 times 24 hours; None = no limit.
    """

    cooldown: Duration = field(default=MINUTE, validator=[validators.ge(0), validators.le(7 * DAY)])
    calls_per_day: int | None = field(default=None, validator=_POSITIVE)
    calls_per_week: int | None = field(default=None, validator=_POSITIVE)


@frozen(kw_only=True)
class CountryHours:
    """`[quiet_hours.countries.XX]`: where a country departs from the general hours; None = as general.

    Args:
        start: local time from which calls are allowed.
        end: local time until which calls are allowed.
        days: weekdays on which calls are allowed.
        holidays: True forbids calls on the country's public holidays.
        dates: further days without calls.
        placeless: zone by which numbers without a place are judged, or `"refuse"`, or `"every_zone"`.
    """

    start: time | None = None
    end: time | None = None
    days: tuple[Weekday, ...] | None = field(default=None, validator=validators.optional(validators.min_len(1)))
    holidays: bool = False
    dates: tuple[date, ...] = ()
    placeless: str | None = None


@frozen(kw_only=True)
class QuietHours:
    """`[quiet_hours]`: when the called party may be rung, in every zone its number may lie in.

    Args:
        enabled: False turns quiet hours off altogether.
        start: local time from which calls are allowed.
        end: local time until which calls are allowed; equal to `start` = all day.
        days: weekdays on which calls are allowed.
        unknown_zone: zone by which a number of unknown place is judged, or `"refuse"`.
        placeless: zone by which numbers without a place (toll-free and the like) are judged, `"refuse"`,
            or `"every_zone"` of the number's country.
        countries: departures by ISO 3166 country.
    """

    enabled: bool = True
    start: time = time(8)
    end: time = time(21)
    days: tuple[Weekday, ...] = field(default=ALL_WEEKDAYS, validator=validators.min_len(1))
    unknown_zone: str = "refuse"
    placeless: str = "refuse"
    countries: dict[str, CountryHours] = field(factory=dict)


@frozen(kw_only=True)
class SpoolSettings:
    """`[spool]`: how dropped files are taken.

    Args:
        settle: how long a file must have been quiet before it is taken; a file renamed in whole looks the same,
            so this is also the least wait.
        rescan: how often the directory is read again, whatever its events say.
        status_every: how often the status files of running campaigns are rewritten.
    """

    settle: Duration = field(default=250, validator=[validators.ge(0), validators.le(MINUTE)])
    rescan: Duration = field(default=30 * SECOND, validator=[validators.ge(100), validators.le(60 * MINUTE)])
    status_every: Duration = field(default=2 * SECOND, validator=[validators.ge(100), validators.le(60 * MINUTE)])


@frozen(kw_only=True)
class ApiSettings:
    """`[api]`: the local API on `[daemon] socket`.

    Args:
        read_socket: Unix socket that answers, but changes nothing; None = beside `[daemon] socket`, its name ending in
            `-ro.sock`.
        group: group that may connect to both; None = that of the daemon.
        max_connections: connections at once over both; further ones are refused.
        patience: how long a client may take for a request's head, and between two pieces of what it sends or takes.
        events_keep: how long events are kept for followers that come back.
    """

    read_socket: Path | None = None
    group: str | None = None
    max_connections: int = field(default=1_000, validator=[validators.ge(1), validators.le(100_000)])
    patience: Duration = field(default=30 * SECOND, validator=[validators.ge(100), validators.le(60 * MINUTE)])
    events_keep: Duration = field(default=10 * MINUTE, validator=[validators.ge(SECOND), validators.le(7 * DAY)])


@frozen(kw_only=True)
class CallbackSettings:
    """`[callbacks]`: where carriers send what happens to their calls, through a reverse proxy that you keep.

    Args:
        listen: address and port, `127.0.0.1:8095` or `[::1]:8095`, or the path of a Unix socket; None = there is none.
        url: public URL that the reverse proxy passes on to `listen`; what follows it is passed on as it is.
        max_connections: connections at once; further ones are refused.
        patience: how long a client may take for a request's head, and between two pieces of what it sends or takes.
    """

    listen: str | None = None
    url: str | None = None
    max_connections: int = field(default=200, validator=[validators.ge(1), validators.le(100_000)])
    patience: Duration = field(default=10 * SECOND, validator=[validators.ge(100), validators.le(60 * MINUTE)])


@frozen(kw_only=True)
class DialectSettings:
    """`[dialects]`: requests written for other systems.

    Args:
        keys_file: file with one accepted key a line, `ID:SECRET` or a single word; None = no key is asked for, as the
            socket's permissions say who may.
        contacts_dir: directory with recipients' files that requests name instead of sending contacts; None = there is
            none.
    """

    keys_file: Path | None = None
    contacts_dir: Path | None = None


@frozen(kw_only=True)
class Settings:
    """The whole of `dialerd.toml`.

    Args:
        daemon: places, defaults and the limits of the whole daemon.
        store: the database.
        spool: how dropped files are taken.
        api: the local API.
        dialects: requests written for other systems.
        callbacks: where carriers send what happens to their calls.
        trunks: routes by name.
        numbers: caller ids by E.164 number.
        agents: voice agents by name.
        retry: policy of campaigns that give none.
        pacing: pacing of campaigns that give none.
        person: what one called number may bear.
        quiet_hours: when the called party may be rung.
    """

    daemon: DaemonSettings = DaemonSettings()
    store: StoreSettings = StoreSettings()
    spool: SpoolSettings = SpoolSettings()
    api: ApiSettings = ApiSettings()
    dialects: DialectSettings = DialectSettings()
    callbacks: CallbackSettings = CallbackSettings()
    trunks: dict[str, TrunkSettings] = field(factory=dict)
    numbers: dict[str, NumberSettings] = field(factory=dict)
    agents: dict[str, AgentSettings] = field(factory=dict)
    retry: RetryPolicy = RetryPolicy()
    pacing: Pacing = Pacing()
    person: PersonSettings = PersonSettings()
    quiet_hours: QuietHours = QuietHours()
