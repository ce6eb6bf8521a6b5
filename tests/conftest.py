"""What all tests share: how properties are searched, and quiet logs."""

import logging
import os
from collections.abc import Iterator, MutableMapping
from typing import Any

import hypothesis
import pytest
import structlog

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that start daemons: they take longest, and who waits for one leaves a processor to others."""
    items.sort(key=lambda item: item.path.parent.name != "system")


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Return the events that are logged, from `info` on, as they come."""
    former = structlog.get_config()
    capture = structlog.testing.LogCapture()
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(processors=[capture], wrapper_class=wrapper, cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**former)
