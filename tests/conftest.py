"""What every test shares: quiet logs, and the servers for those that ask for them."""

import logging

import structlog

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

pytest_plugins = ["tests.servers"]
