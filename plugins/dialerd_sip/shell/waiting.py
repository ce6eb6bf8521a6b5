"""Waiting for sockets that somebody else may close meanwhile. Knows nothing of what they are for.

Trio wakes who waits when it is told of the closing, but must not be asked to wait for what is closed already.
"""

import socket

import trio


async def readable(sock: socket.socket) -> None:
    """Wait until a socket has something to read.

    Raises:
        ClosedResourceError: it is closed, or was while it was waited for.
    """
    if sock.fileno() < 0:
        raise trio.ClosedResourceError("the socket is closed")
    await trio.lowlevel.wait_readable(sock)


async def writable(sock: socket.socket) -> None:
    """Wait until a socket takes something.

    Raises:
        ClosedResourceError: it is closed, or was while it was waited for.
    """
    if sock.fileno() < 0:
        raise trio.ClosedResourceError("the socket is closed")
    await trio.lowlevel.wait_writable(sock)


def close(sock: socket.socket) -> None:
    """Close a socket and wake whoever waits for it; a second time does nothing."""
    if sock.fileno() >= 0:
        trio.lowlevel.notify_closing(sock)
        sock.close()
