"""Names of headers: how they are written, and their compact forms (RFC 3261 section 7.3.1 and 7.3.3).

Knows nothing of what stands behind the colon.
"""

from dialerd_sip.core.grammar import TOKEN

# RFC 3261 7.3.3 and, in this order, RFC 3841, 3892, 3515, 3891, 4028, 4474, 6665.
_COMPACT = {
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "s": "Subject",
    "t": "To",
    "v": "Via",
    "a": "Accept-Contact",
    "d": "Request-Disposition",
    "j": "Reject-Contact",
    "b": "Referred-By",
    "r": "Refer-To",
    "x": "Session-Expires",
    "y": "Identity",
    "o": "Event",
    "u": "Allow-Events",
}
_KNOWN = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Authentication-Info",
    "Authorization",
    "CSeq",
    "Call-Info",
    "Content-Disposition",
    "Content-Language",
    "Date",
    "Diversion",
    "Error-Info",
    "Expires",
    "In-Reply-To",
    "Info-Package",
    "MIME-Version",
    "Max-Forwards",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "P-Early-Media",
    "Path",
    "Privacy",
    "Priority",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "RSeq",
    "Reason",
    "Record-Route",
    "Recv-Info",
    "Replaces",
    "Reply-To",
    "Require",
    "Retry-After",
    "Route",
    "Server",
    "Service-Route",
    "Timestamp",
    "Unsupported",
    "User-Agent",
    "WWW-Authenticate",
    "Warning",
)
_BY_LOWER = {name.lower(): name for name in (*_KNOWN, *_COMPACT.values())} | _COMPACT
LONG = frozenset(_BY_LOWER.values())
# Spellings that are met every day are found at once; it never grows, or a hostile peer could make it grow.
SPELLINGS = (
    {name: name for name in _BY_LOWER.values()} | _BY_LOWER | {low.upper(): name for low, name in _BY_LOWER.items()}
)


def canonical(name: str) -> str:
    """Return the name as it is written here: the long form of a known one, an unknown one as it is.

    Raises:
        ValueError: it is no name of a header.
    """
    known = SPELLINGS.get(name)
    if known is not None:
        return known
    name = name.strip(" \t")
    if not TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header: it must be a token (RFC 3261 section 25.1)")
    return _BY_LOWER.get(name.lower(), name)
