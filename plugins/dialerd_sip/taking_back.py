"""What became of calls of a former life: they are taken back, and what that proves is said.

Nothing is followed: a call whose media died with its process has nothing to say. Whoever rings is cancelled, whoever
is up is hung up on, and only what the far end itself says counts as proof. What a crash took away of the state follows
from the attempt: every address of the trunk is asked to cancel.
"""

from collections.abc import Iterable
from typing import Final

import trio

from dialerd.model.call import AttemptRef, CannotTell, Reconciliation, WasPlaced
from dialerd.model.errors import DialerdError
from dialerd_sip.core.call_invite import via_of
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Event, FormerTold, Sent
from dialerd_sip.core.former import Former
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.identifiers import call_id_of, tag_of
from dialerd_sip.core.plan import Target
from dialerd_sip.core.via import Via
from dialerd_sip.identity import addresses_of
from dialerd_sip.options import Redirects, SipOptions
from dialerd_sip.shell.endpoint import LONGEST_DATAGRAM, Endpoint
from dialerd_sip.state import CallState, from_bytes
from dialerd_sip.trunk import NoTarget, Trunk
from dialerd_sip.verdicts import former_end

_CSEQS: Final = 3
"""How many INVITEs a target may have got within the moment for which nothing was durable: one, one more where it asked
for credentials, and one more where a nonce was stale or a session timer too short. Each target begins with CSeq 1."""

_SILENT_MOST: Final = 10
"""How often a far end that says nothing is asked before that is the answer; with the engine's pauses that is more than
half an hour, after which nothing rings any more. One that is there and drops a CANCEL has been heard: `core.former`."""


class FarEndSilent(DialerdError):
    """The far end cannot be asked now."""


class TakingBack:
    """Takes calls of former lives back.

    Args:
        options: the trunk's.
        endpoint: over which they went.
        trunk: where they went.
        credentials: what challenges are answered with, or None.
    """

    def __init__(self, options: SipOptions, endpoint: Endpoint, trunk: Trunk, credentials: Credentials | None) -> None:
        self._options = options
        self._endpoint = endpoint
        self._trunk = trunk
        self._credentials = credentials
        self._silent: dict[str, int] = {}  # how often nothing was heard, by attempt

    async def settle(self, attempt: AttemptRef) -> Reconciliation:
        """Take one call back, and say what that proved.

        Raises:
            FarEndSilent: nothing was heard; it is to be tried again.
        """
        former = await self._former(attempt)
        told = await self._take_back(former)
        if not told.heard and not self._given_up(attempt.attempt_id):
            raise FarEndSilent("the far end says nothing when a call of a former life is taken back; it is tried again")
        self._silent.pop(attempt.attempt_id, None)
        if told.ending is not None:
            return WasPlaced(end=former_end(told.ending), reference=former.call_id)
        if told.heard:
            return CannotTell(reason="what the far end still says of the call proves nothing")
        return CannotTell(reason="the far end said nothing, however often it was asked to take the call back")

    async def _with_streams(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Return targets with those over TCP that a long INVITE goes to instead: `Trunk.open_targets`."""
        if self._options.transport is not None:
            return targets
        streams = []
        for target in targets:
            flow = await self._endpoint.flow_for(target.flow, LONGEST_DATAGRAM + 1)
            if flow != target.flow:
                streams.append(self._trunk.target(flow, target.uri))
        return (*targets, *streams)

    def _given_up(self, attempt_id: str) -> bool:
        """Count that nothing was heard, and tell whether that is the answer."""
        silent = self._silent[attempt_id] = self._silent.get(attempt_id, 0) + 1
        return silent >= _SILENT_MOST

    async def _take_back(self, former: FormerCall) -> FormerTold:
        endpoint, key = self._endpoint, former.call_id
        for flow in {sent.flow for sent in former.sent}:
            try:
                await self._trunk.open(flow)
            except NoTarget:
                continue  # its CANCEL fails by itself, and the others' may not
        over = trio.Event()
        told: list[FormerTold] = []

        def take(event: Event) -> None:
            if isinstance(event, FormerTold):
                told.append(event)
                over.set()

        endpoint.listen(key, take)
        try:
            Former(endpoint.ua, former, endpoint.now)
            endpoint.pump()
            await over.wait()
        finally:
            endpoint.unlisten(key)
        return told[0]

    async def _former(self, attempt: AttemptRef) -> FormerCall:
        """Return what is known of an attempt's call, or follows from the attempt."""
        state = from_bytes(attempt.state)
        try:
            targets = await self._trunk.all_targets(addresses_of(self._options, attempt.number, attempt.caller_id).user)
        except NoTarget as error:
            if state is None:
                raise FarEndSilent(str(error)) from error
            targets = ()
        if state is None:
            addresses = addresses_of(self._options, attempt.number, attempt.caller_id)
            state = CallState(
                call_id=call_id_of(attempt.attempt_id, "dialerd"),
                from_=f"{addresses.from_};tag={tag_of(attempt.attempt_id)}",
                to=addresses.to,
                sent=(),
            )
        if not state.sent:
            targets = await self._with_streams(targets)
        here = self._trunk.target(state.sent[-1].flow if state.sent else targets[0].flow, "")
        return FormerCall(
            seed=attempt.attempt_id,
            call_id=state.call_id,
            from_=state.from_,
            to=state.to,
            sent=(*state.sent, *guessed(attempt.attempt_id, state.sent, targets)),
            contact=here.contact,
            sent_by=here.sent_by,
            dialog=state.dialog,
            answered=state.answered,
            credentials=self._credentials,
            redirects=self._options.redirects is Redirects.FOLLOW,
        )


def guessed(seed: str, sent: Iterable[Sent], targets: Iterable[Target]) -> list[Sent]:
    """Return the INVITEs that may have left, though no state of them was kept.

    Args:
        seed: the attempt's id.
        sent: those of which there is one.
        targets: where it may have been tried.
    """
    known = {Via.parse(one.via).branch: one for one in sent}
    found = []
    for target in targets:
        last = max((one.cseq for one in known.values() if one.flow == target.flow), default=0)
        for cseq in range(1, max(_CSEQS, last + 1) + 1):
            branch, via = via_of(seed, cseq, target)
            if branch not in known:
                found.append(Sent(cseq=cseq, uri=target.uri, via=via, flow=target.flow, routes=target.routes))
    return found
