"""A stream of events is read as browsers read it."""

from dialerd.cli.events import Event, read


def test_events_are_read() -> None:
    """Comments are passed over, lines of data are joined, the id stays until another is given, if by itself."""
    lines = [
        ": hello",
        "retry: 1000",
        "",
        "id: 7",
        "event: call.ended",
        'data: {"a":',
        "data: 1}",
        "",
        "event: campaign.running",
        'data:{"b": 2}',
        "",
        "id: 9",
        "",
        "event: torn",
        'data: {"c": 3}',
    ]
    assert list(read(lines)) == [
        Event(id="7", kind="call.ended", data={"a": 1}),
        Event(id="7", kind="campaign.running", data={"b": 2}),
        Event(id="9", kind="", data={}),
    ]
