"""What every test shares: quiet logs, patient examples, and servers for those that ask for them."""

import logging
import signal

import structlog
from hypothesis import settings

settings.register_profile("stepwell", deadline=None)  # a busy machine is no falsified property
settings.load_profile("stepwell")

# What a script starts in the background ignores these, and so would all that tests start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

pytest_plugins = ["tests.servers"]
