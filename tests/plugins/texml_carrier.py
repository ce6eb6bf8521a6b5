"""A carrier that speaks TeXML, as Telnyx documents it, over a real socket and on trio's clock; strict about requests.

Sources: Telnyx, "Initiate an outbound call", "Fetch a call", "Fetch multiple call resources", "Update call", "API error
codes".
"""

import json
import sys
import time
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl

import trio
from attrs import define, field

sys.path.append(str(Path(__file__).parents[1] / "twilio"))

from double_http import Answer, background, serve_http

ORGANIZATION = "61bf923e-5e4d-4595-a110-56190ea18a1b"
KEY = "KEY-made-up"
APPLICATION = "1293384261075731499"
ROOT = f"/v2/texml/Accounts/{ORGANIZATION}"
KNOWN = {"ApplicationSid", "To", "From", "Url", "UrlMethod", "Texml", "Timeout", "TimeLimit", "DetectionMode"}
KNOWN |= {"MachineDetection", "MachineDetectionTimeout", "MachineDetectionSilenceTimeout"}
KNOWN |= {"MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold"}
RANGES = {"Timeout": (5, 120), "TimeLimit": (30, 14_400), "MachineDetectionTimeout": (500, 60_000)}


def refused(status, code, title):
    """Return an error of Telnyx'."""
    errors = {"errors": [{"code": code, "title": title, "detail": "In more words."}]}
    return Answer(status=status, body=json.dumps(errors).encode())


@define(kw_only=True, eq=False)
class TexmlCarrier:
    """A carrier.

    Args:
        ring_s, talk_s: of each call; `talk_s` None = nobody hangs up.
        numbers: what becomes of calls to some numbers instead: a status of the end, `talks` for ever, HTTP 422 or
            429, or `lost`, where the call is created and not answered.
        with_id: whether the answer to a new call has its id; it is documented without.
        known_after_s: how long a new call is neither told nor listed, since both are consistent in the end only.
        answers: of the next requests, instead of what they ask for.
        asked: every request: method, target, body.
    """

    ring_s: float = 3
    talk_s: float | None = 10
    with_id: bool = True
    known_after_s: float = 0
    numbers: dict = field(factory=dict)
    answers: list = field(factory=list)
    asked: list = field(factory=list)
    calls: dict = field(factory=dict)
    zero: float = field(init=False)
    nursery: trio.Nursery = field(init=False)

    @asynccontextmanager
    async def serve(self):
        """Answer on loopback; yield the base URL of its API."""
        self.zero = time.time() - trio.current_time()
        async with background() as self.nursery, serve_http(self.answer, 0, self.nursery) as base_url:
            yield base_url + "/v2/texml"

    def tasks(self):
        """Return how many tasks are the carrier's."""

        def below(nursery):
            children = tuple(nursery.child_tasks)
            return len(children) + sum(below(inner) for child in children for inner in child.child_nurseries)

        return below(self.nursery)

    def now(self):
        """Return the wall clock's instant, in ms."""
        return int((self.zero + trio.current_time()) * 1_000)

    async def answer(self, asked):
        """Answer a request."""
        path, _, query = asked.target.partition("?")
        self.asked.append((asked.method, asked.target, asked.body))
        if self.answers:
            return self.answers.pop(0)
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return refused(401, "10009", "Authentication failed")
        what = path.removeprefix(ROOT).removesuffix(".json") if "Page=" in query else path.removeprefix(ROOT)
        sid = what.removeprefix("/Calls/")
        if asked.method == "POST" and what == "/Calls":
            return self._create(asked)
        if asked.method == "GET" and what == "/Calls":
            return self._list(dict(parse_qsl(query)))
        if sid not in self.calls or not self._known(self.calls[sid]):
            return refused(404, "10005", "Resource not found")
        if asked.method == "POST":
            return self._update(self.calls[sid], asked)
        return Answer(status=200, body=json.dumps(self._resource(self.calls[sid])).encode())

    def _create(self, asked):
        if asked.headers["content-type"] != "application/json":
            return refused(415, "10014", "Unsupported Media Type")
        fields = json.loads(asked.body)
        right = fields.keys() <= KNOWN and fields.get("ApplicationSid") == APPLICATION
        for name, (least, most) in RANGES.items():
            right = right and (name not in fields or least <= fields[name] <= most)
        if not right or ("Texml" in fields) == ("Url" in fields):
            return refused(422, "10015", "Bad Request")
        fate = self.numbers.get(fields["To"])
        if isinstance(fate, int):
            return refused(fate, "10011" if fate == 429 else "10002", "Refused")
        sid = f"v3:made-up_{len(self.calls)}"
        self.calls[sid] = {"sid": sid, "fate": fate, "at_s": trio.current_time(), "ended_s": None, **fields}
        told = {"from": fields["From"], "to": fields["To"], "status": "queued"}
        told |= {"call_sid": sid} if self.with_id else {}
        return None if fate == "lost" else Answer(status=200, body=json.dumps(told).encode())

    def _update(self, call, asked):
        form = dict(parse_qsl(asked.body.decode()))
        if not form.keys() <= {"Status", "Texml"} or form.get("Status", "completed") != "completed":
            return refused(422, "10015", "Bad Request")
        status = self._status(call)
        if "Status" in form and status in ("ringing", "in-progress"):
            call |= {"ended_s": trio.current_time(), "answered": status == "in-progress"}
        return Answer(status=200, body=json.dumps(self._resource(call)).encode())

    def _list(self, wanted):
        page, size = int(wanted.get("Page", 0)), 1
        found = [
            self._resource(call)
            for call in reversed(self.calls.values())
            if self._known(call) and wanted.get("To", call["To"]) == call["To"]
        ]
        more = len(found) > (page + 1) * size
        following = f"{ROOT}/Calls.json?Page={page + 1}&PageSize={size}&PageToken=MTY" if more else None
        body = {"calls": found[page * size :][:size], "page": page, "page_size": size, "next_page_uri": following}
        return Answer(status=200, body=json.dumps(body).encode())

    def _known(self, call):
        return trio.current_time() >= call["at_s"] + self.known_after_s

    def _status(self, call):
        up_s = trio.current_time() - call["at_s"]
        if call["ended_s"] is not None:
            return "completed" if call["answered"] else "canceled"
        ring_s = call["Timeout"] if call["fate"] == "no-answer" else self.ring_s
        if up_s < ring_s:
            return "ringing"
        if call["fate"] in ("busy", "no-answer", "failed"):
            return call["fate"]
        ends = self.talk_s is not None and call["fate"] != "talks"
        return "completed" if ends and up_s >= self.ring_s + self.talk_s else "in-progress"

    def _resource(self, call):
        def at(seconds):
            return formatdate(self.zero + seconds)

        status = self._status(call)
        resource = {
            "account_sid": ORGANIZATION,
            "answered_by": "human" if "MachineDetection" in call and status == "completed" else None,
            "sid": call["sid"],
            "status": status,
            "direction": "outbound",
            "from": call["From"],
            "to": call["To"],
            "date_created": at(call["at_s"]),
            "start_time": at(call["at_s"]),
        }
        if status == "completed":
            ended_s = call["ended_s"] or call["at_s"] + self.ring_s + self.talk_s
            up_s = ended_s - call["at_s"] - self.ring_s
            resource |= {"end_time": at(ended_s), "duration": str(int(up_s)), "price": "-0.002", "price_unit": "USD"}
        return resource
