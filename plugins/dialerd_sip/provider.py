"""The provider `sip`: places calls over a SIP trunk, as a user agent of its own.

A call lives in this process: its signalling in the user agent of the trunk's bind address, its sound in the media
process. What a crash leaves behind at the far end is taken back by the next life, see `dialerd_sip.taking_back`.
"""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
import trio
from attrs import evolve

from dialerd.model.call import UNFIT_AGENT, UNFIT_CALL, AttemptRef, CallEnd, Cause, Reconciliation
from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Duration
from dialerd.model.states import AtFault
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import CallOrder, MaybePlaced, NotPlaced, Report, TrunkSite
from dialerd.plugin.secrets import read_secret
from dialerd_sip.conversation import Conversation
from dialerd_sip.core.digest import Credentials, NonceCache
from dialerd_sip.core.identifiers import call_id_of, tag_of
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.sdp import LocalMedia
from dialerd_sip.core.timing import Timing
from dialerd_sip.identity import Headers, Identity, identity_of, signed
from dialerd_sip.leg import Leg
from dialerd_sip.media.contract import Media, MediaError, Session
from dialerd_sip.media.shared import media_at
from dialerd_sip.options import EarlyMedia, Redirects, SipOptions
from dialerd_sip.registering import registered
from dialerd_sip.shell.endpoint import endpoint_at
from dialerd_sip.shell.errors import BindError
from dialerd_sip.shell.resolving import Resolver
from dialerd_sip.shell.tls import Security
from dialerd_sip.speech.unfit import UnfitAgent
from dialerd_sip.studio import Studio
from dialerd_sip.taking_back import TakingBack
from dialerd_sip.trunk import NoTarget, Trunk
from dialerd_sip.verdicts import end_of

_log = structlog.get_logger()

_HUNG_UP_FIRST: Final = Cause(fault=AtFault.US, detail="hung up before it left")
_DEAF_AFTER: Final = 2 * SECOND  # of an answered call; one that is hung up at once may well have heard nothing
_COUNTING_S: Final = 2.0  # how long a trunk that leaves waits for what its media has counted
_GONE: Final = Cause(fault=AtFault.PROVIDER, detail="a call of a former life was hung up and cannot be followed")


class Sip:
    """A SIP trunk.

    Args:
        site: where it is put to work.
        options: its options.
        resolver: where names lead; the system's unless a test has its own.
        media: media of its calls; those of the media process unless a test has its own.
    """

    def __init__(
        self, site: TrunkSite, options: SipOptions, *, resolver: Resolver | None = None, media: Media | None = None
    ) -> None:
        self._site = site
        self._options = options
        self._resolver = resolver
        self._own_media = media
        self._nonces = NonceCache()
        self._complaints = Complaints()
        self._deaf = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open what is shared with other trunks, register, and see whether the server is there.

        Raises:
            DialerdError: a secret cannot be read, the address cannot be bound, or the registration is refused.
        """
        try:
            await self._enter()
        except ExceptionGroup as group:  # of the nursery: whoever reads the log wants the reason alone
            error: Exception = group
            while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            if isinstance(error, DialerdError):
                raise error from None
            raise
        _log.info("sip.entered", trunk=self._site.name, server=self._options.server, bind=self._options.bind)
        return self

    async def _enter(self) -> None:
        options = self._options
        self._credentials = self._read_credentials()
        security = Security(ca=options.tls_ca, certificate=options.tls_certificate, key=options.tls_key)
        async with AsyncExitStack() as stack:
            timing = Timing(t1=options.answer_timeout / SECOND)
            try:
                self._endpoint = await stack.enter_async_context(endpoint_at(options.bind, timing, security))
            except BindError as error:
                raise DialerdError(str(error)) from error
            self._media = await stack.enter_async_context(self._own_media or media_at(options.rtp_ports))
            if options.detector is not None:
                self._media.prepare(options.detector)
            self._studio = Studio(
                cache=Path(options.cache) if options.cache else cache_folder(),
                sounds=Path(options.sounds) if options.sounds else None,
                command=options.speech_command,
            )
            resolver = self._resolver or Resolver()
            self._trunk = Trunk(self._site, options, self._endpoint, resolver, security)
            self._taking_back = TakingBack(options, self._endpoint, self._trunk, self._credentials)
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel)  # its tasks never end by themselves
            await nursery.start(self._trunk.keep_looking)
            self._registration = await stack.enter_async_context(
                registered(self._site.name, options, self._endpoint, self._trunk, self._credentials)
            )
            self._stack = stack.pop_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """De-register, and let go of what is shared."""
        found = {**self._endpoint.counts, "calls_deaf": self._deaf}
        with trio.move_on_after(_COUNTING_S, shield=True):
            found |= await self._media.counts()
        counts = {name: count for name, count in found.items() if count}
        _log.info("sip.left", trunk=self._site.name, bind=self._options.bind, counts=counts)
        await self._stack.aclose()

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """Place a call and stay with it until it is over; see `Provider.place`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if order.hangup.is_set():
            raise NotPlaced(_HUNG_UP_FIRST)
        conversation = await self._prepare(order)
        identity = identity_of(self._options, order)
        headers = identity.headers + await signed(self._site, order)  # held for a minute by whoever checks it
        targets = await self._targets(identity, headers)
        session = await self._lease(targets[0])
        try:
            if self._options.detector is not None:
                session.detect(self._options.detector)
            plan = self._plan(order, identity, headers, targets, session)
            record = self._options.record
            leg = Leg(
                order,
                report,
                plan=plan,
                from_=f"{identity.from_};tag={tag_of(order.attempt_id)}",
                conversation=conversation,
                endpoint=self._endpoint,
                session=session,
                record=None if record is None else Path(record, f"{order.attempt_id}.wav"),
            )
            ending = await leg.run()
        finally:
            session.close()
        talked = leg.talked
        if session.deaf and talked is not None and talked >= _DEAF_AFTER:
            self._heard_nothing(order, talked)
            leg.found["heard_nothing"] = True
        end = end_of(
            ending,
            digits=leg.digits,
            opted_out=leg.opted_out,
            retry_after_most=self._options.retry_after_most,
            talked=talked,
        )
        return evolve(end, detail=end.detail | leg.found) if leg.found else end

    def _heard_nothing(self, order: CallOrder, talked: Duration) -> None:
        self._deaf += 1
        self._complaints.tell(
            _log.warning,
            "sip.nothing_heard",
            self._site.name,
            trunk=self._site.name,
            attempt=order.attempt_id,
            talk_s=talked / SECOND,
            remedy="compare media_address or public_address with the address that the trunk sees; open rtp_ports in "
            "the firewall; where the far end is behind NAT, or sends from elsewhere, look at symmetric_rtp",
        )

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """Take back what a former life left, and say what that proved; see `Provider.reconcile`."""
        return await self._taking_back.settle(attempt)

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """No call outlives its process: `reconcile` has ended it."""
        await trio.lowlevel.checkpoint()
        raise MaybePlaced(_GONE)

    async def _prepare(self, order: CallOrder) -> Conversation:
        try:
            return await self._studio.conversation(order)
        except UnfitAgent as error:
            code = UNFIT_AGENT if error.always else UNFIT_CALL
            raise NotPlaced(Cause(fault=AtFault.US, code=code, detail=str(error))) from error

    async def _targets(self, identity: Identity, headers: Headers) -> tuple[Target, ...]:
        """Return where a call is tried, with the way to the first of them open."""
        if self._registration is not None and (why := self._registration.hindrance) is not None:
            raise NotPlaced(_nowhere(why), trunk_down=True)
        try:
            return await self._trunk.open_targets(identity.user, headers)
        except NoTarget as error:
            raise NotPlaced(_nowhere(str(error)), trunk_down=True) from error

    async def _lease(self, target: Target) -> Session:
        host, _ = self._endpoint.local_address(target.flow)
        try:
            options = self._options
            return await self._media.lease(host, silence_ms=options.silence_timeout, symmetric=options.symmetric_rtp)
        except MediaError as error:
            raise NotPlaced(Cause(fault=AtFault.US, code="media", detail=str(error))) from error

    def _plan(
        self,
        order: CallOrder,
        identity: Identity,
        headers: Headers,
        targets: tuple[Target, ...],
        session: Session,
    ) -> CallPlan:
        options = self._options
        host = options.media_address or options.public_address or self._endpoint.local_address(targets[0].flow)[0]
        return CallPlan(
            seed=order.attempt_id,
            call_id=call_id_of(order.attempt_id, "dialerd"),
            from_=identity.from_,
            to=identity.to,
            headers=headers,
            targets=targets,
            media=LocalMedia(
                host=host,
                port=session.port,
                codecs=options.codecs,
                ptime_ms=options.ptime,
                session_id=session_id(order.attempt_id),
            ),
            credentials=self._credentials,
            nonces=self._nonces,
            ring_for=order.ring_timeout / SECOND,
            talk_for=order.max_duration / SECOND,
            session_expires=options.session_expires // SECOND,
            holds_ack=True,
            hear_early=options.early_media is EarlyMedia.HEAR,
            redirects=options.redirects is Redirects.FOLLOW,
        )

    def _read_credentials(self) -> Credentials | None:
        options = self._options
        if options.username is None or options.secret is None:
            return None
        return Credentials(
            username=options.username, password=read_secret(options.secret, "password"), realm=options.realm
        )


def _nowhere(why: str) -> Cause:
    """Return why a call has nowhere to go."""
    return Cause(fault=AtFault.TRUNK, q850=38, code="no target", detail=why)


def cache_folder() -> Path:
    """Return where prompts are kept unless an option says otherwise: systemd's CacheDirectory=, or the user's cache."""
    if service := os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]:  # systemd.exec(5): there may be several
        return Path(service) / "sip"
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "dialerd" / "sip"


def session_id(seed: str) -> int:
    """Return the number of a call's session, fixed by the attempt (RFC 8866 section 5.2: unique to its maker)."""
    return int(seed.replace("-", "")[-15:], 16)
