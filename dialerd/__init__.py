"""dialerd: an outbound telephony dialer."""

__version__ = "0.1.0"
