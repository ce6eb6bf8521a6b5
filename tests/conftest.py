"""What all tests share: how properties are searched, and quiet logs."""

import logging
import os

import hypothesis
import structlog

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
