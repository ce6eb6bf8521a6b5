"""Campaigns made of files on the caller's disk, step by step, so that a command that was cut short may come again."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from dialerd.cli import documents
from dialerd.cli.client import Client, path_of


def create(daemon: Client, document: documents.Document, *, draft: bool, start: bool, key: str) -> Any:
    """Create a campaign; one whose recipients come in a file of their own is a draft until they are all there.

    Without a key a draft that did not get its recipients is deleted. With one it stays, as the command may come again:
    it goes on where the last one came to, and leaves alone what was released then.

    Args:
        daemon: whom it is for.
        document: the campaign's file.
        draft: it is to stay a draft.
        start: it is launched at once.
        key: idempotency key, or empty; each step has one of its own, made of it.
    """
    whole = document.rows is None
    state = "draft" if draft or start or not whole else "scheduled"
    created = daemon.post("/v1/campaigns", {**document.data, "state": state}, key=key or str(uuid4()))
    path = path_of("campaigns", created["campaign"]["id"])
    if document.rows is not None:
        try:
            skip_invalid = bool(document.data.get("skip_invalid"))
            created["recipients"] = add(
                daemon, created["campaign"]["id"], document.rows, skip_invalid=skip_invalid, key=key and f"{key}/add"
            )
        except BaseException:  # an interrupt too
            if not key:
                daemon.delete(path)
            raise
    present = daemon.get(path)
    if state == present["state"] == "draft" and not draft:
        present = daemon.post(f"{path}/{'start' if start else 'schedule'}")
    created["campaign"] = present
    return created


def add(
    daemon: Client, campaign_id: str, rows: Path, *, form: str | None = None, skip_invalid: bool, key: str = ""
) -> Any:
    """Add the recipients of a file to a campaign.

    Args:
        daemon: whom it is for.
        campaign_id: of the campaign.
        rows: the file; `-` is the standard input.
        form: one of `documents.FORMATS`; None = by the file's ending.
        skip_invalid: the valid ones are added all the same.
        key: idempotency key, or empty.
    """
    kind = documents.media_type(rows, form)
    try:
        with click.open_file(str(rows), "rb") as file:
            query = {"skip_invalid": "true" if skip_invalid else None}
            return daemon.upload(path_of("campaigns", campaign_id, "recipients"), file, kind, query=query, key=key)
    except OSError as error:
        raise click.UsageError(f"{rows} cannot be read: {error.strerror}") from error
