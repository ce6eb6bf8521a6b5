"""The parts of a message: its lines, its first line, its headers, its body (RFC 3261 sections 7 and 18.3).

Knows nothing of the records that messages are.
"""

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import TOKEN, number
from dialerd_sip.core.names import SPELLINGS, canonical
from dialerd_sip.core.uri import NO_URI

LONGEST = 65_536  # bytes of a message; no UDP datagram is longer
MOST_HEADERS = 256
VERSION = "SIP/2.0"


def head_of(data: bytes) -> tuple[list[str], int]:
    """Return the lines of the head, and where the body begins.

    Raises:
        BadMessage: there is no empty line behind the head.
    """
    start = 0
    if data[:1] in (b"\r", b"\n"):
        start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\r\n\r\n", start)
    body_at = end + 4
    text = str(data[start : end if end >= 0 else len(data)], "utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if end >= 0 and text.count("\n") == len(lines) - 1:
        return lines, body_at
    # Some lines end in LF alone: the head may end sooner then.
    loose = data.find(b"\n\n", start, end if end >= 0 else len(data))
    if loose >= 0:
        end, body_at = loose, loose + 2
    if end < 0:
        raise BadMessage("no empty line behind the headers")
    text = str(data[start:end], "utf-8", "surrogateescape")
    return text.replace("\r\n", "\n").split("\n"), body_at


def read_headers(lines: list[str], pairs: list[tuple[str, str]], lenient: bool) -> None:
    """Read lines into pairs.

    Args:
        lines: of the head, the start line first.
        pairs: where headers go, names in their long forms.
        lenient: whether a line that is no header is left out.

    Raises:
        BadMessage: lines that are no headers, or too many; all else is in `pairs`.
    """
    known = SPELLINGS.get
    problem = None if len(lines) <= MOST_HEADERS + 1 else "too many headers"
    folded: list[str] = []
    for line in lines[1 : MOST_HEADERS + 1]:
        name, colon, value = line.partition(":")
        long = known(name)
        if long is None or not colon:
            if line[:1] in (" ", "\t"):  # folded: it goes on (RFC 3261 section 7.3.1)
                folded.append(line.replace("\r", " ").strip())
                continue
            try:
                long = canonical(name if colon else "")
            except ValueError:
                problem = problem or (None if lenient else "a line that is no header")
                continue
        if folded:
            _unfold(pairs, folded)
        if "\r" in line:  # written again it would be a line break to some
            problem = problem or "a carriage return within a header"
            continue
        pairs.append((long, value.strip()))
    if folded:
        _unfold(pairs, folded)
    if problem is not None:
        raise BadMessage(problem, 400)


def _unfold(pairs: list[tuple[str, str]], folded: list[str]) -> None:
    if pairs:
        name, value = pairs[-1]
        pairs[-1] = (name, " ".join(part for part in (value, *folded) if part))
    folded.clear()


def body_of(data: bytes, at: int, lengths: list[str]) -> bytes:
    """Return the body; without Content-Length it is all that is there (RFC 3261 section 18.3).

    Args:
        data: the message.
        at: where its body begins.
        lengths: values of its Content-Length headers.

    Raises:
        BadMessage: a length that is none, that another one contradicts, or that is not there.
    """
    if not lengths:
        return data[at:]
    length = number(lengths[0], LONGEST, "Content-Length")
    for other in lengths[1:]:
        if number(other, LONGEST, "Content-Length") != length:
            raise BadMessage("two Content-Lengths that differ", 400)
    if len(data) - at < length:
        raise BadMessage("a body that is shorter than Content-Length says", 400)
    return data[at : at + length]


def status_line(line: str) -> tuple[int, str]:
    """Return status and phrase of an answer's first line.

    Raises:
        BadMessage: it is none.
    """
    digits = line[8:11]
    if (
        line[:8].upper() != "SIP/2.0 "
        or line[11:12] not in ("", " ")
        or not (len(digits) == 3 and digits.isascii() and digits.isdigit())
        or not 100 <= (status := int(digits)) <= 699
        or "\r" in line
    ):
        raise BadMessage("a status line that cannot be read")
    return status, line[12:]


def request_line(line: str) -> tuple[str, str, tuple[int, str] | None]:
    """Return method and URI of a request's first line, and what is wrong with it: status and reason.

    Raises:
        BadMessage: it is none, and whoever sent it would not understand an answer.
    """
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if version[:4].upper() != "SIP/" or not TOKEN.fullmatch(method):
        raise BadMessage("bytes that are no SIP message")
    if version.upper() != VERSION:
        return method, uri, (505, "a version that is not spoken")
    if not uri or NO_URI.search(uri):
        return method, uri, (400, "a request line with blanks or brackets where none may be")
    return method, uri, None
