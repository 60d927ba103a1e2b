"""Ctrl-C is kept back where it could leave a lock taken, and not lost."""

import signal

import pytest

from stepwell.streams.cli.interrupts import Interrupts


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_what_may_block_is_interrupted_at_once():
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.allowed():
        press_ctrl_c()


def test_an_interrupt_waits_until_it_is_allowed():
    done = []
    with Interrupts() as interrupts:
        press_ctrl_c()
        done.append("went on")
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            done.append("too far")
    assert done == ["went on"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_tells_a_process_to_end_ends_it_in_order(number, code):
    with Interrupts() as interrupts:
        signal.raise_signal(number)
        with pytest.raises(SystemExit) as ended, interrupts.allowed():
            pytest.fail("it went on")
    assert ended.value.code == code


def test_a_second_signal_does_not_disturb_the_tidying_up():
    done = []

    def work(interrupts: Interrupts):
        with interrupts.allowed():
            try:
                press_ctrl_c()
            finally:
                press_ctrl_c()
                done.append("tidied up")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert done == ["tidied up"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_so(number):
    """`nohup`, and what a script starts in the background."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts, interrupts.allowed():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) is before
