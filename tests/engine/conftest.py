"""What the engine's tests share."""

import logging

import pytest
import structlog


@pytest.fixture
def logged():
    """Return the events that are logged, as they come."""
    former = structlog.get_config()
    capture = structlog.testing.LogCapture()
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(processors=[capture], wrapper_class=wrapper, cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**former)
