"""The watchdog: it barks when work waits and nothing moves, or when the loop stands still."""

from stepwell.streams.agents.watchdog import Watchdog


class Kennel:
    """A watchdog with a clock and a workload moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.finished = self.waiting = 0
        self.dog = Watchdog(
            60_000, lambda: (self.finished, self.waiting), monotonic_s=lambda: self.now_s
        )

    def seconds_pass(self, seconds: float, *, beating: bool = True) -> str | None:
        for _ in range(int(seconds)):
            self.now_s += 1
            if beating:
                self.dog.beat()
        return self.dog.check()


def test_an_idle_worker_is_left_alone() -> None:
    assert Kennel().seconds_pass(10_000) is None


def test_a_worker_that_makes_progress_is_left_alone() -> None:
    kennel = Kennel()
    kennel.waiting = 100
    for _ in range(10):
        kennel.finished += 1
        assert kennel.seconds_pass(50) is None


def test_work_that_waits_while_nothing_is_finished_is_noticed() -> None:
    kennel = Kennel()
    kennel.finished, kennel.waiting = 7, 100
    assert kennel.seconds_pass(55) is None
    assert kennel.seconds_pass(10) == "records wait and none was finished for 64 s"


def test_work_that_begins_to_wait_late_gets_its_full_time() -> None:
    kennel = Kennel()
    kennel.seconds_pass(1_000)
    kennel.waiting = 1
    assert kennel.seconds_pass(55) is None


def test_a_loop_that_stands_still_is_noticed() -> None:
    kennel = Kennel()
    problem = kennel.seconds_pass(61, beating=False)
    assert problem == "the event loop has not turned for 61 s"


async def test_a_running_watchdog_barks_once_from_its_own_thread() -> None:
    import asyncio

    barked = asyncio.Event()
    loop = asyncio.get_running_loop()
    dog = Watchdog(40, lambda: (0, 1), lambda _problem: loop.call_soon_threadsafe(barked.set))
    running = asyncio.create_task(dog.run())
    await barked.wait()
    running.cancel()
