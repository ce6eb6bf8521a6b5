"""A name server in the event loop of the test, for answers that a well-behaved one does not give."""

import socket
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rrset
import trio


class NameServer:
    """Answers from a table of texts, `name TYPE` to lines `TTL rdata`; may be silent, or fail.

    Attributes:
        asked: what was asked, in order.
        silent: whether nothing is answered.
        broken: whether all is answered with SERVFAIL.
    """

    def __init__(self, zone: dict[str, list[str]]) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self.silent = self.broken = False
        self.port = 0

    async def serve(self, task_status: Callable[[], None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            await sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
            task_status.started()
            while True:
                data, address = await sock.recvfrom(4096)
                answer = self._answer(dns.message.from_wire(data))
                if not self.silent:
                    await sock.sendto(answer, address)

    def _answer(self, question: dns.message.Message) -> bytes:
        name, kind = question.question[0].name, question.question[0].rdtype
        key = f"{name.to_text(omit_final_dot=True)} {kind.name}"
        self.asked.append(key)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if self.broken:
            answer.set_rcode(2)
            return answer.to_wire()
        for _ in range(4):
            owner = key.split(maxsplit=1)[0]
            lines = self.zone.get(key)
            if lines is None and (alias := self.zone.get(f"{owner} CNAME")):
                target = alias[0].split()[1]
                answer.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", "CNAME", target))
                key = f"{target.rstrip('.')} {kind.name}"
                continue
            if lines:
                ttl = int(lines[0].split()[0])
                texts = [line.split(" ", 1)[1] for line in lines]
                answer.answer.append(dns.rrset.from_text(f"{owner}.", ttl, "IN", kind.name, *texts))
            break
        return answer.to_wire()
