"""How far something is: a share, a speed, and how long it may still take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """So many of so many, since then; a total of None is not known."""

    done: int
    total: int | None
    elapsed_ms: int
    is_over: bool = False

    @property
    def percent(self) -> int | None:
        """Of 100; only what is over is all of it."""
        if self.total is None:
            return None
        if self.total == 0:
            return 100 if self.is_over else 0
        share = min(100, self.done * 100 // self.total)
        return share if self.is_over or self.done >= self.total else min(share, 99)

    @property
    def per_second(self) -> float | None:
        """How many a second; None: nothing was done yet."""
        if self.elapsed_ms <= 0 or not self.done:
            return None
        return self.done * 1000 / self.elapsed_ms

    @property
    def left_ms(self) -> int | None:
        """How long the rest takes at this speed."""
        speed = self.per_second
        if self.is_over or self.total is None or not speed:
            return None
        return round(max(0, self.total - self.done) / speed * 1000)

    @property
    def speed(self) -> str:
        """The speed in words."""
        found = self.per_second
        if found is None:
            return "–"
        return f"{found:.0f}/s" if found >= 10 else f"{found:.2g}/s"
