"""What tests of logging share."""

import logging

import pytest
import structlog

from dialerd.daemon.logging import flush


@pytest.fixture
def _former_logging():
    """Put the process' logging back as it was."""
    former, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    flush()
    structlog.configure(**former)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
