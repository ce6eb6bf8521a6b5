"""SIP messages: a tolerant parser, a writer, headers read when they are asked for (RFC 3261 sections 7, 18.3, 20).

Knows nothing of transactions and of where messages come from and go to.
"""

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.fields import Fields
from dialerd_sip.core.grammar import TOKEN
from dialerd_sip.core.parsing import LONGEST, VERSION, body_of, head_of, read_headers, request_line, status_line
from dialerd_sip.core.uri import NameAddr
from dialerd_sip.core.via import CSeq, Via

__all__ = ["BadMessage", "CSeq", "Message", "Request", "Response", "Via", "parse_message"]


class Message(Fields):
    """A message; headers keep their order and their text, typed values are read at the first use and remembered.

    Names are compared without regard to case, compact forms are the same as long ones.
    """

    __slots__ = ()

    @property
    def branch(self) -> str | None:
        """Branch of the topmost Via, or None where it has none; cheaper than `via.branch`."""
        text = self.first("Via")
        if text is not None and '"' not in text and "," not in text:
            before, found, rest = text.partition(";branch=")
            if found and "branch" not in before.lower():
                return rest.partition(";")[0].strip(" \t\r\n")
        return self.via.branch

    @property
    def from_tag(self) -> str | None:
        """Tag of From, or None; cheaper than `from_.tag`."""
        tag = _tag(self.only("From"))
        return tag if tag is not None else self.from_.params.get("tag")

    @property
    def to_tag(self) -> str | None:
        """Tag of To, or None; cheaper than `to.tag`."""
        tag = _tag(self.only("To"))
        return tag if tag is not None else self.to.params.get("tag")

    def start_line(self) -> str:
        """Return its first line."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return it as it is sent; Content-Length is written from the body.

        Raises:
            ValueError: there is a line break where none may be.
        """
        lines = [self.start_line()]
        lines += [f"{name}: {value}" for name, value in self.pairs if name != "Content-Length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        head = "\r\n".join(lines)
        breaks = len(lines) + 1
        if head.count("\n") != breaks or head.count("\r") != breaks:
            raise ValueError("a line break in the start line or a header: take it out")
        return head.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A request: `Request(method, uri, headers, body)`; headers are pairs of name and value."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    @classmethod
    def of_ours(cls, method: str, uri: str, pairs: list[tuple[str, str]], body: bytes = b"") -> "Request":
        """Return a request of headers that have their long names; a line break in them is found when it is written."""
        request = cls.__new__(cls)
        request._hold(pairs, body)
        request.method, request.uri = method, uri
        return request

    def start_line(self) -> str:
        """Return its first line."""
        return f"{self.method} {self.uri} {VERSION}"


class Response(Message):
    """An answer: `Response(status, phrase, headers, body)`."""

    __slots__ = ("phrase", "status")

    def __init__(self, status: int, phrase: str, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.phrase = phrase

    def start_line(self) -> str:
        """Return its first line."""
        return f"{VERSION} {self.status} {self.phrase}"

    @classmethod
    def to_request(
        cls, request: Request, status: int, phrase: str, *, to_tag: str | None = None, body: bytes = b""
    ) -> "Response":
        """Return the answer to a request: Via, From, To, Call-ID, CSeq and Record-Route copied (RFC 3261, 8.2.6.2).

        Record-Route is copied where the answer can make a dialog (12.1.1), Timestamp into a 100 (8.2.6.1). A request
        of which only a part could be read is answered with what there is.

        Args:
            request: what is answered.
            status: status code.
            phrase: reason phrase.
            to_tag: tag that is added to To where it has none yet.
            body: body of the answer.
        """
        copied: list[tuple[str, str]] = []
        dialog = 100 < status < 300
        for pair in request.pairs:
            name = pair[0]
            if name in _COPIED or (name == "Record-Route" and dialog) or (name == "Timestamp" and status == 100):
                copied.append(pair)
            elif name == "To":
                copied.append((name, f"{pair[1]};tag={to_tag}") if to_tag and not _has_tag(pair[1]) else pair)
        answer = cls.__new__(cls)
        answer._hold(copied, body)
        answer.status, answer.phrase = status, phrase
        return answer


def _tag(address: str) -> str | None:
    """Return the tag where it can be seen without reading the whole; None says nothing."""
    before, found, tag = address.partition(";tag=")
    return tag if found and TOKEN.fullmatch(tag) and "tag" not in before.lower() else None


_COPIED = frozenset(("Via", "From", "Call-ID", "CSeq"))


def _has_tag(to: str) -> bool:
    try:
        return "tag" in NameAddr.parse(to).params
    except BadMessage:
        return False


def parse_message(data: bytes) -> Request | Response:
    """Read one message from a datagram, or one that a stream's framing has cut out.

    A message that is shorter than its Content-Length says is bad; what is beyond it is dropped (RFC 3261, 18.3).
    Lines may end in LF alone, and empty lines may stand before the first one. In an answer a line that is no header is
    left out; a request with one is refused.

    Raises:
        BadMessage: it is none. Of a request it holds as much as could be read.
    """
    if len(data) > LONGEST:
        raise BadMessage("a message that is too long")
    lines, body_at = head_of(data)
    first = lines[0].rstrip()
    message: Request | Response
    problem: tuple[int, str] | None = None
    if first.startswith("SIP/") or first[:4].upper() == "SIP/":
        message = Response.__new__(Response)
        message.status, message.phrase = status_line(first)
    else:
        message = Request.__new__(Request)
        message.method, message.uri, problem = request_line(first)
    pairs: list[tuple[str, str]] = []
    message._hold(pairs, b"")
    try:
        read_headers(lines, pairs, isinstance(message, Response))
        message.body = body_of(data, body_at, message.all("Content-Length"))
    except BadMessage as bad:
        problem = problem or (400, bad.reason)
    if problem is None:
        return message
    if isinstance(message, Response):
        raise BadMessage(problem[1])
    raise BadMessage(problem[1], problem[0], message)
