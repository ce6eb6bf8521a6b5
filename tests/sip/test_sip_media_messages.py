"""What the daemon and the media process say to each other: several commands in a message, none lost, none too long."""

from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media import messages
from dialerd_sip.media.sources import Symmetric

NEGOTIATED = Negotiated(host="192.0.2.1", port=4_000, codec=Codec.PCMA, payload=8, dtmf_payload=None, ptime_ms=30)


def test_commands_travel_together_in_order() -> None:
    """A message has all commands that wait, and is read as they were said."""
    said = [
        messages.Connect(7, NEGOTIATED, 500, Symmetric.ON),
        messages.Play(7, ["/a", "/b"], 3),
        messages.Close(7, True),
    ]
    pieces = messages.together([messages.encode(one) for one in said])
    assert messages.decode_commands(b"".join(pieces)) == said


def test_a_message_takes_a_bounded_number_of_commands() -> None:
    """The process looks at its streams' turns between messages, so that none may hold it up for long."""
    waiting = [messages.encode(messages.Stop(number)) for number in range(200)]
    read: list[int] = []
    while waiting:
        pieces = messages.together(waiting)
        assert 1 <= len(pieces) - 1 <= 64
        read += [command.id for command in messages.decode_commands(b"".join(pieces))]
        del waiting[: len(pieces) - 1]
    assert read == list(range(200))


def test_a_message_is_never_longer_than_a_socket_takes() -> None:
    """The longest command that may be said leaves alone, and the next one after it."""
    longest = messages.encode(messages.Play(1, ["x" * (messages.SIZE - messages.FRAME - 20)], 1))
    assert messages.SIZE - messages.FRAME - 20 < len(longest) <= messages.SIZE - messages.FRAME
    after = messages.encode(messages.Stop(2))
    assert messages.together([longest, after])[1:] == [longest]
    assert len(b"".join(messages.together([longest, after]))) <= messages.SIZE
    assert messages.together([after, longest])[1:] == [after]
