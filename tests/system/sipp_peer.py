"""sipp as the callee, by scenarios of `tests/system/sipp`, and as the caller in tests of the lab itself.

What it counts is its own: each INVITE that begins a call, each end, is a line that sipp writes to its log.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from needs import program
from ports import free_port
from sip_lab import Peer, bound

SCENARIOS: Final = Path(__file__).parent / "sipp"

_MEDIA: Final = """Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=sipp 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [auto_media_port] RTP/AVP 0 101
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
      a=fmtp:101 0-15
      a="""

PIECES: Final = {
    # takes the INVITE that begins a call, says whose phone it is, and keeps what later answers to it need
    "INVITE": """<recv request="INVITE" rrs="true"><action>
      <ereg regexp="INVITE sip:([^@;]*)" search_in="msg" check_it="true" assign_to="line,number"/>
      <ereg regexp="(Via|Record-Route):[^[:cntrl:]]*([[:cntrl:]]+(Via|Record-Route):[^[:cntrl:]]*)*"
            search_in="msg" check_it="true" assign_to="vias"/>
      <ereg regexp="[0-9]+ INVITE" search_in="hdr" header="CSeq:" check_it="true" assign_to="cseq"/>
      <log message="called [$number] [call_id]"/></action></recv>
    <Reference variables="line,vias,cseq"/>""",
    # answers the INVITE, whatever has come since
    "HEAD": """[$vias]
      [last_From:]
      [last_To:];tag=[pid]-[call_number]
      [last_Call-ID:]
      CSeq: [$cseq]
      Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>""",
    # answers a request within the dialog, or a CANCEL
    "SAME": """[last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>""",
    # begins a request of ours within the dialog
    "OURS": """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      [routes]
      From: <[$us]
      To: <[$them]
      Call-ID: [call_id]
      Contact: <sip:callee@[local_ip]:[local_port];transport=[transport]>""",
    "SDP": f"{_MEDIA}sendrecv",
    "OFFER": f"{_MEDIA}@DIRECTION@",
    "NO_BODY": "Content-Length: 0\n",
    "RING": """<send><![CDATA[
      SIP/2.0 180 Ringing
      @HEAD@
      @NO_BODY@
    ]]></send>""",
    "ACK": """<recv request="ACK"><action>
      <ereg regexp="sip:.*" search_in="hdr" header="To:" check_it="true" assign_to="us"/>
      <ereg regexp="sip:.*" search_in="hdr" header="From:" check_it="true" assign_to="them"/>
      <log message="up [$number] [call_id]"/></action></recv>
    <Reference variables="us,them"/>""",
    "CANCEL_OK": """<send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]-[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      @NO_BODY@
    ]]></send>""",
    # a CANCEL was taken: it is answered, the INVITE is ended, its ACK is taken
    "CANCELLED": """@CANCEL_OK@
    <send retrans="500"><![CDATA[
      SIP/2.0 487 Request Terminated
      @HEAD@
      @NO_BODY@
    ]]></send>
    <recv request="ACK"><action><log message="ended [$number] [call_id]"/></action></recv>""",
    # the caller's BYE is taken, and ACKs of a 200 that was sent again
    "THEIR_BYE": """<label id="their_bye"/>
    <recv request="ACK" optional="true" next="their_bye"/>
    <recv request="BYE"><action><log message="ended [$number] [call_id]"/></action></recv>
    <send><![CDATA[
      SIP/2.0 200 OK
      @SAME@
      @NO_BODY@
    ]]></send>""",
    # the callee says BYE
    "OUR_BYE": """<send retrans="500"><![CDATA[
      BYE [next_url] SIP/2.0
      @OURS@
      CSeq: 9 BYE
      @NO_BODY@
    ]]></send>
    <recv response="200"><action><log message="ended [$number] [call_id]"/></action></recv>""",
}
"""What scenarios have in common, by the name between @ in their files; a piece may hold others."""

DEFAULTS: Final = {
    "RING_MS": "100",
    "TALK_MS": "200",
    "STATUS": "486 Busy Here",
    "HEADERS": "X-Lab: none",
    "DIRECTION": "sendrecv",
    "EXPIRES": "90;refresher=uac",
    "METHOD": "UPDATE",
    "USERNAME": "dialer",
    "PASSWORD": "only-for-the-lab",
    "SOUND": "",
}
"""What a test may set otherwise, by keyword."""


_OF_NO_CONCERN: Final = re.compile(r"Overload warning: [^\n]* trips remaining\.|jumping to label \d+")
"""The machine is busy, or a `recv` timed out, which is how scenarios wait."""


class Sipp(Peer):
    """A callee that does the same with every call.

    Args:
        scenario: name of a file in `tests/system/sipp`.
        folder: a folder of its own.
        host: address to be at.
        transport: udp or tcp.
        values: over `DEFAULTS`, in small letters.
    """

    def __init__(
        self, scenario: str, folder: Path, *, host: str = "127.0.0.1", transport: str = "udp", **values: object
    ) -> None:
        super().__init__(f"sipp {scenario}", folder)
        self.host, self.transport = host, transport
        self.place = f"{host}:{free_port(host)}"
        self.counted = folder / "calls"
        self.errors = folder / "errors"
        self.scenario = folder / f"{scenario}.xml"
        self.scenario.write_text(
            filled((SCENARIOS / f"{scenario}.xml").read_text(), {name.upper(): str(v) for name, v in values.items()})
        )

    def command(self) -> Sequence[str]:
        """Return the command line."""
        words = [program("sipp", "sip-tester"), "-sf", str(self.scenario), "-i", self.host, "-mi", self.host]
        words += ["-p", self.place.partition(":")[2], "-t", "u1" if self.transport == "udp" else "t1", "-nostdin"]
        words += ["-buff_size", "4000000", "-trace_logs", "-log_file", str(self.counted), "-skip_rlimit"]
        return [*words, "-trace_err", "-error_file", str(self.errors)]

    def ready(self) -> bool:
        """Return whether it is bound; it would take OPTIONS for a call."""
        return bound(self.place, transport=self.transport)

    def lines(self, event: str) -> list[tuple[str, str]]:
        """Return number and Call-ID of each call of which an event was counted: `called`, `up` or `ended`."""
        if not self.counted.exists():
            return []
        return re.findall(rf"^{event} (\S+) (\S+)$", self.counted.read_text(errors="replace"), re.MULTILINE)

    def placed(self) -> Counter[str]:
        """Return how many calls came, by number."""
        return Counter(number for number, _ in self.lines("called"))

    def open(self) -> set[str]:
        """Return the Call-IDs of the calls that have not ended: they ring or are up.

        What sipp aborted because something came that its scenario did not expect has ended too: it answers a BYE or
        CANCEL 200 then, and says BYE otherwise; `trouble` tells of it.
        """
        left = {call for _, call in self.lines("called")} - {call for _, call in self.lines("ended")}
        said = self.trouble()
        aborted = (
            "unexpected BYE for call: {}",
            "unexpected CANCEL for call: {}",
            "unexpected message for Call-Id '{}'",
        )
        return {call for call in left if not any(words.format(call) in said for words in aborted)}

    def trouble(self) -> str:
        """Return what came that its scenario did not expect, empty where all went as it should."""
        said = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        said = said.replace("The following events occurred:", "")
        events = re.split(r"(?=\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\.\d+\t)", said)  # many of them stand on one line
        return "".join(event for event in events if not _OF_NO_CONCERN.search(event)).strip()

    def tail(self) -> str:
        """Return the ends of its logs."""
        return f"{super().tail()[-1000:]}\n{self.trouble()[-3000:]}"


def filled(text: str, values: dict[str, str]) -> str:
    """Return a scenario with its pieces put in."""
    known = PIECES | DEFAULTS | values
    while (found := re.search(r"@([A-Z_]+)@", text)) is not None:
        text = text.replace(found[0], known[found[1]])
    return text


def call(
    place: str,
    folder: Path,
    number: str,
    *,
    scenario: str = "caller",
    calls: int = 1,
    rate: int = 10,
    transport: str = "udp",
    **values: object,
) -> "subprocess.CompletedProcess[str]":
    """Call a number by sipp and return when all calls are over.

    Args:
        place: host:port to call at.
        folder: where its logs go.
        number: user part of the Request-URI.
        scenario: name of a file in `tests/system/sipp`.
        calls, rate: how many, and how many a second.
        transport: udp or tcp.
        values: over `DEFAULTS`, in small letters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{scenario}.xml"
    upper = {name.upper(): str(value) for name, value in values.items()}
    file.write_text(filled((SCENARIOS / f"{scenario}.xml").read_text(), upper))
    words = [
        program("sipp", "sip-tester"),
        place,
        "-sf",
        str(file),
        "-s",
        number,
        "-i",
        "127.0.0.1",
        "-mi",
        "127.0.0.1",
    ]
    words += ["-p", str(free_port()), "-t", "u1" if transport == "udp" else "t1", "-m", str(calls), "-r", str(rate)]
    words += ["-nostdin", "-trace_err", "-error_file", str(folder / "errors"), "-skip_rlimit", "-timeout", "40s"]
    words += ["-au", "dialer", "-ap", "only-for-the-lab", "-buff_size", "4000000"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
