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


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) is before
