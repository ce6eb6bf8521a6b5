"""Pages of recipients: in order, each once, of a bounded number of rows, with their calls."""

import pytest
from stock import NOW, Stock, batch, ended, number

from dialerd.model.instants import HOUR
from dialerd.model.states import Final, Outcome, RecipientState
from dialerd.store import adding, recipient_pages
from dialerd.store.scanning import BadCursor


@pytest.fixture
def stock():
    """Return an empty store in memory."""
    found = Stock()
    yield found
    found.close()


def walk(stock, key, **wanted):
    """Return the numbers of every page."""
    pages, place = [], None
    while True:
        found, place = stock.do(recipient_pages.page, key, "c", after=place, **wanted)
        pages.append([one.view.number for one in found])
        if place is None:
            return pages


def test_pages_hold_everybody_once_and_in_order(stock):
    """Also those who were added when other campaigns had come between."""
    key = stock.campaign(5)
    stock.campaign(7, "other")
    stock.do(adding.add, key, [batch([(1, number(50)), (2, number(51))])], now=NOW)
    everybody = [number(i) for i in (0, 1, 2, 3, 4, 50, 51)]
    assert walk(stock, key, limit=3) == [everybody[:3], everybody[3:6], everybody[6:]]
    assert walk(stock, key, limit=7) == [everybody]


def test_a_page_looks_at_so_many_rows(stock, monkeypatch):
    """With a filter that suits few, pages are short and go on."""
    monkeypatch.setattr(recipient_pages, "SCANNED", 4)
    key = stock.campaign(10)
    stock.turn(ends=[ended(one, key) for one in stock.claim(key, 1).claimed])
    stock.run("UPDATE recipients SET state = 'done', final = 'succeeded' WHERE number = :n", n=number(9))
    wanted = {"final": Final.SUCCEEDED, "limit": 5}
    assert walk(stock, key, **wanted) == [[number(0)], [], [number(9)]]
    pages = walk(stock, key, state=RecipientState.PENDING, limit=5)
    assert [len(page) for page in pages] == [3, 4, 1]


def test_a_recipient_with_its_calls(stock):
    """Everything that is known of it, calls oldest first."""
    key = stock.begin("c")
    stock.add(key, [(1, number(0), 0, "say", 3, '{"a":1}', '{"b":[2]}')])
    stock.publish(key)
    (call,) = stock.claim(key).claimed
    stock.turn(ends=[ended(call, key, Outcome.BUSY, final=None, next_at=NOW + HOUR)])
    stored = stock.do(recipient_pages.one, key, "c", number(0))
    found = stored.view
    assert (found.number, found.campaign_id, found.position, found.state) == (number(0), "c", 1, "pending")
    assert (found.next_at, found.attempts, found.max_attempts, found.final) == (NOW + HOUR, 1, 3, None)
    assert (found.prompt, found.variables, found.metadata) == ("say", {"a": 1}, {"b": [2]})
    assert [(one.view.id, one.view.outcome) for one in stored.calls] == [(call.uid, Outcome.BUSY)]
    ((without,), _) = stock.do(recipient_pages.page, key, "c", limit=1)
    assert without.calls is None
    assert stock.do(recipient_pages.one, key, "c", number(1)) is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.2", "9" * 19, "\u0661"])
def test_a_cursor_that_no_page_gave(stock, cursor):
    """It is refused."""
    with pytest.raises(BadCursor):
        stock.do(recipient_pages.page, stock.campaign(1), "c", limit=1, after=cursor)


def test_pages_seek(stock):
    """A page of a campaign is one seek of an index, whatever else is stored."""
    dbapi = stock.connection.connection.driver_connection
    plan = " ".join(row[3] for row in dbapi.execute(f"EXPLAIN QUERY PLAN {recipient_pages._PAGE}", (1, 0)))
    assert "SEARCH recipients USING INDEX recipients_campaign (campaign_id=? AND rowid>?)" in plan
    assert "TEMP B-TREE" not in plan
