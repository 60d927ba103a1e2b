"""What every test shares: quiet logs, patient examples, and servers for those that ask for them."""

import logging

import structlog
from hypothesis import settings

settings.register_profile("stepwell", deadline=None)  # a busy machine is no falsified property
settings.load_profile("stepwell")

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

pytest_plugins = ["tests.servers"]
