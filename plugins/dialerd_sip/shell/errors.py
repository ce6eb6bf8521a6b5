"""What goes wrong with sockets and names. Knows nothing of SIP."""

from dialerd.model.errors import DialerdError


class FlowError(DialerdError):
    """A flow cannot be opened; nothing was sent over it. The message says why."""


class BindError(DialerdError):
    """The address that messages leave from and come to cannot be used; the message says why and what to do."""


class ResolveError(DialerdError):
    """A server's name leads nowhere; the message says why."""
