"""The provider `twilio`: places calls through the REST API of Twilio, or of a carrier that speaks it.

A call is one request; from then on it lives at the carrier, and this process only learns how it goes, by callbacks or
by asking. It goes on if this process dies, and is found again by its id, or by its numbers and time.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self

import structlog
import trio

from dialerd.model.call import (
    UNFIT_AGENT,
    UNFIT_CALL,
    AttemptRef,
    CallEnd,
    CannotTell,
    Cause,
    Reconciliation,
    WasNotPlaced,
    WasPlaced,
)
from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Instant
from dialerd.model.states import Amd, AtFault, OnVoicemail
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import CallOrder, MaybePlaced, NotPlaced, Report, Throttled, TrunkSite, Withdrawn
from dialerd.plugin.secrets import read_secret
from dialerd_twilio.answers import CarrierError, Lost, NewCall, Refused
from dialerd_twilio.board import Board
from dialerd_twilio.callbacks import DETECTION, KEYS, STATUS, Callbacks, callback_url
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.ends import end_of
from dialerd_twilio.finding import find
from dialerd_twilio.following import Bounds, Following
from dialerd_twilio.leg import Leg
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.pace import account_pace
from dialerd_twilio.script import Script, UnfitAgent, objection, write_script
from dialerd_twilio.verdicts import refusal

_log = structlog.get_logger()

_HUNG_UP_FIRST: Final = Cause(fault=AtFault.US, detail="hung up before it left")
_GONE: Final = Cause(fault=AtFault.PROVIDER, detail="the carrier's id of the call is not known")
_RING_S: Final = (1, 600)  # what Timeout takes: Twilio, "Create a Call resource"
_RECONCILED_AT_ONCE: Final = 50  # attempts that the carrier is asked about at once: it throttles who asks too much
_UNKNOWN_S: Final = 600.0  # how long an id that the carrier does not know is asked about


class Twilio:
    """A trunk over Twilio.

    Args:
        site: where it is put to work.
        options: its options.
        now: the wall clock; the system's unless a test has its own.
    """

    def __init__(self, site: TrunkSite, options: TwilioOptions, *, now: Callable[[], Instant] | None = None) -> None:
        self._site = site
        self._now = now or _system_now
        self._options = options
        self._board = Board()
        self._complaints = Complaints()
        self._reconciling = trio.CapacityLimiter(_RECONCILED_AT_ONCE)
        self._asked_s: dict[str, float] = {}  # since when it is asked about attempts without an id

    async def __aenter__(self) -> Self:
        """Read the secrets, and see whether the account may show the trunk's numbers.

        Raises:
            DialerdError: a secret cannot be read, the account is refused, or a number is not its own.
        """
        options, site = self._options, self._site
        username = options.account_sid if options.auth_token is not None else str(options.api_key)
        self._callbacks = self._make_callbacks()
        self._pace = account_pace(f"{options.base_url} {options.account}", options.account_cps)
        self._carrier = Carrier(options, username=username, secret=self._secret, now=self._now)
        try:
            if options.check_caller_ids:
                await self._check_caller_ids()
        except BaseException:
            await self._close()
            raise
        _log.info("twilio.entered", trunk=site.name, account=options.account, callbacks=self._callbacks is not None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; calls in progress go on at the carrier."""
        await self._close()

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """Place a call and stay with it until it is over; see `Provider.place`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if order.hangup.is_set():
            raise NotPlaced(_HUNG_UP_FIRST)
        base = self._base
        keys_url = None if base is None else callback_url(base, KEYS, order.attempt_id)
        presses = self._options.presses_keys
        try:
            script = write_script(order, keys_url, presses=presses)
        except UnfitAgent as error:
            always = objection(order.agent, callbacks=keys_url is not None, presses=presses) is not None
            code = UNFIT_AGENT if always else UNFIT_CALL
            raise NotPlaced(Cause(fault=AtFault.US, code=code, detail=str(error))) from error
        turn_s = await self._pace.turn()
        if script.is_needed_later:
            report.state(script.to_state())  # before it leaves: this process may end before the answer
        leg = self._board.open(order.attempt_id, script)
        certain = False  # that no call came of it
        try:
            ready = partial(self._pace.renew, turn_s)
            leg.known.take_answer(await self._carrier.create(self._new_call(order, script), order.leave, ready))
        except CarrierError as error:
            said = refusal(error)
            certain = not isinstance(said, MaybePlaced)
            if isinstance(said, Throttled) and said.retry_after is not None:
                self._pace.rest(said.retry_after)
            if certain or leg.known.sid is None:  # otherwise a callback was faster than the answer that was lost
                raise said from error
        except (Withdrawn, Throttled):
            certain = True
            raise
        finally:
            if certain:
                self._board.close(leg)  # what is doubtful stays: callbacks may tell what came of it
        bounds = Bounds(ring_timeout=order.ring_timeout, max_duration=order.max_duration)
        return await self._follow(leg, report, bounds, order.hangup)

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """Find out what became of an attempt; see `Provider.reconcile`.

        Raises:
            CarrierError: the carrier cannot be asked now.
        """
        async with self._reconciling:
            return await self._reconcile(attempt)

    async def _reconcile(self, attempt: AttemptRef) -> Reconciliation:
        leg = self._board.open(attempt.attempt_id, Script.from_state(attempt.state))
        sid = attempt.reference or leg.known.sid
        asked_s = self._asked_s.setdefault(attempt.attempt_id, trio.current_time())
        if sid is not None:
            call = await self._carrier.fetch(sid)
            if call is None:
                if trio.current_time() - asked_s < _UNKNOWN_S:
                    raise Lost(f"the carrier does not know the call {sid} (yet)", sent=True)
                return self._settled(leg, CannotTell(reason=f"the carrier knows no call {sid}"))
        else:
            proof_at_s = asked_s + self._options.late_creation / SECOND
            taken = partial(self._board.taken, attempt.attempt_id)
            found = await find(self._carrier, attempt, taken=taken, proof_at_s=proof_at_s)
            if leg.known.sid is not None:  # a callback came meanwhile, and knows best
                return await self._reconcile(attempt)
            if isinstance(found, WasNotPlaced | CannotTell):
                return self._settled(leg, found)
            call = found
        leg.known.take_answer(call)
        if not leg.known.over:
            return WasPlaced(end=None, reference=leg.known.sid)
        end = end_of(leg, ended_as=None, options=self._options, carrier=self._carrier)
        return self._settled(leg, WasPlaced(end=end, reference=leg.known.sid))

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """Stay with a call of a former life until it is over; see `Provider.follow`."""
        leg = self._board.open(attempt.attempt_id, Script.from_state(attempt.state))
        leg.known.sid = leg.known.sid or attempt.reference
        if leg.known.sid is None:
            raise MaybePlaced(_GONE)
        rung = min(max(self._now() - attempt.claimed_at, 0), attempt.ring_timeout)
        bounds = Bounds(ring_timeout=attempt.ring_timeout - rung, max_duration=attempt.max_duration)
        try:
            return await self._follow(leg, report, bounds, hangup)
        except MaybePlaced:
            self._board.close(leg)  # nobody asks about it again
            raise

    async def callback(self, request: CallbackRequest, /) -> CallbackAnswer:
        """Answer a request of the carrier; see `TakesCallbacks`."""
        if self._callbacks is None:
            return CallbackAnswer(status=404)
        return await self._callbacks.answer(request)

    @property
    def _base(self) -> str | None:
        """Public URL of the trunk's callbacks, where the carrier has one to ask."""
        return self._site.callbacks if self._callbacks is not None else None

    async def _follow(self, leg: Leg, report: Report, bounds: Bounds, hangup: HangUp) -> CallEnd:
        following = Following(
            self._carrier,
            self._options,
            leg,
            bounds=bounds,
            hangup=hangup,
            callbacks=self._callbacks,
            complaints=self._complaints,
        )
        leg.follow(report)
        try:
            if leg.opted_out:  # it was asked for before anybody followed the call
                await self._opt_out(leg, report)
            end = await following.run()
        finally:
            leg.release()  # a call that is left before its end stays on the board: it is asked about
        self._asked_s.pop(leg.attempt_id, None)
        self._board.close(leg)
        return end

    async def _opt_out(self, leg: Leg, report: Report) -> None:
        """Enter the number of a call whose person asked for it; what cannot be stored now goes with the call's end."""
        with suppress(DialerdError):
            await report.opt_out()
            leg.opted_out = False

    def _settled(self, leg: Leg, answer: Reconciliation) -> Reconciliation:
        """Let go of an attempt of which all is known that ever will be."""
        self._asked_s.pop(leg.attempt_id, None)
        self._board.close(leg)
        return answer

    def _new_call(self, order: CallOrder, script: Script) -> NewCall:
        base = self._base
        ring_s = (order.ring_timeout - self._options.ring_buffer) // SECOND
        detect = None
        if script.amd is Amd.DETECT:
            leaves = script.on_voicemail is OnVoicemail.LEAVE_MESSAGE
            detect = "DetectMessageEnd" if leaves else "Enable"
        beside = script.detects_beside(callbacks=base is not None)
        return NewCall(
            to=order.number,
            caller_id=order.caller_id,
            twiml=script.twiml,
            url=script.url,
            press=script.press,
            timeout_s=min(max(ring_s, _RING_S[0]), _RING_S[1]),
            time_limit_s=max(order.max_duration // SECOND, 1),
            detect=detect,
            status_callback=None if base is None else callback_url(base, STATUS, order.attempt_id),
            detection_callback=callback_url(base, DETECTION, order.attempt_id) if base and beside else None,
        )

    def _make_callbacks(self) -> Callbacks | None:
        """Return who answers the carrier, or None where it has no address to ask.

        Raises:
            SecretError: what it signs with cannot be read.
        """
        options, site = self._options, self._site
        token = options.signed_with
        if site.callbacks is None or not options.takes_callbacks:
            return None
        if token is None:
            _log.warning(
                "twilio.callbacks_unused",
                trunk=site.name,
                remedy="callbacks are signed with the account's auth token, also where an API key asks: name it in "
                "signing_token; meanwhile the carrier is asked about each call, and agents cannot have keys pressed",
            )
            return None
        setting = "signing_token" if options.signing_token else "auth_token"
        return Callbacks(
            site.callbacks,
            lambda: read_secret(token, setting),
            header=options.signature_header.lower(),
            board=self._board,
            trunk=site.name,
        )

    def _secret(self) -> str:
        """Return the secret by which the account asks.

        Raises:
            SecretError: it cannot be read.
        """
        options = self._options
        if options.auth_token is not None:
            return read_secret(options.auth_token, "auth_token")
        return read_secret(str(options.api_key_secret), "api_key_secret")

    async def _check_caller_ids(self) -> None:
        """Raise `DialerdError` where the account may not show one of the trunk's numbers."""
        if not self._site.caller_ids:
            return
        try:
            known = await self._carrier.caller_ids()
        except Refused as error:
            said = refusal(error)
            why = error if isinstance(said, MaybePlaced) else said  # no call was asked for that may have been placed
            raise DialerdError(
                f"the numbers of the account cannot be read: {why}; where the carrier has no such list, set "
                "check_caller_ids = false"
            ) from error
        if strange := [number for number in self._site.caller_ids if number not in known]:
            # numbers are masked in logs, and two may look alike there
            places = {number: at for at, number in enumerate(self._site.caller_ids, 1)}
            named = ", ".join(f"{number} (number {places[number]} of the trunk's {len(places)})" for number in strange)
            raise DialerdError(
                f"the account neither owns nor has verified {named}; buy or verify it in the carrier's console, "
                "correct [numbers], or set check_caller_ids = false"
            )

    async def _close(self) -> None:
        with trio.move_on_after(1) as scope:
            scope.shield = True
            await self._carrier.aclose()


def _system_now() -> Instant:
    return time.time_ns() // 1_000_000
