"""`dialerd why`: says which rule holds a recipient, since when, and when it may be dialled, from the database alone.

What a running daemon knows besides is told by `dialerctl why`.
"""

import sqlite3

import click
from sqlalchemy.exc import DBAPIError

from dialerd.api.rendering import plain
from dialerd.cli import why_text
from dialerd.daemon.instance import store_url
from dialerd.engine.clock import SystemClock
from dialerd.model.errors import NotFound
from dialerd.model.reason import Reason
from dialerd.model.settings import Settings
from dialerd.operations.reasons import reason_of
from dialerd.operations.why import explanations
from dialerd.rules.numbers import parse_number
from dialerd.store.database import connect, database_path
from dialerd.store.database import explain as explained


def run(settings: Settings, campaign: str, number: str) -> int:
    """Print why a recipient is not being dialled.

    Args:
        settings: the settings in force.
        campaign: its id, its alias or its name; of several with one name each of them, latest first.
        number: the recipient's, in any form that a campaign file may use.

    Returns:
        The exit code, 0.

    Raises:
        NotFound: there is no such store, campaign or recipient.
        BadNumber: the number cannot be read.
        StoreError: the store cannot be read.
    """
    url = store_url(settings)
    path = database_path(url)
    if path is not None and not path.exists():
        raise NotFound(f"{path} does not exist: dialerd has not run with these settings yet")
    wanted = parse_number(number, settings.daemon.default_region).number
    engine = connect(url, read_only=True)
    try:
        with engine.connect() as connection, connection.begin():
            found = explanations(settings, wanted, campaign, connection, now=SystemClock().now())
    except (DBAPIError, sqlite3.Error) as error:
        raise explained(error) from error
    finally:
        engine.dispose()
    if len(found) > 1:
        click.echo(f"it is in {len(found)} campaigns named {campaign!r}; name one by its id to see it alone", err=True)
    for explanation in found:
        click.echo("\n".join(why_text.lines(plain(reason_of(explanation, settings), Reason))))
    return 0
