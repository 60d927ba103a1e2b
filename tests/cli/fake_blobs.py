"""The part of `FakeApp` that knows the files of blobs."""

from collections.abc import Callable
from dataclasses import replace

from stepwell.streams.blob_files import BlobPruning, FileCount
from stepwell.streams.settings import Settings

PRUNING = BlobPruning(
    directory="/srv/blobs\x1b[31m",
    blobs=FileCount(6, 600),
    too_young=FileCount(1, 100),
    referenced=FileCount(3, 300),
    unreferenced=FileCount(2, 200),
    parts=FileCount(1, 7),
)


class FakeBlobs:
    """Has two files that nothing names, and a part that was left over."""

    stop_pruning_after = 0

    async def plan_pruning(self, settings: Settings, older_than_ms: int) -> BlobPruning:
        self._answer(settings, "plan", older_than_ms)
        return PRUNING

    async def prune_blobs(
        self, settings: Settings, older_than_ms: int, report: Callable[[int], None]
    ) -> BlobPruning:
        self._answer(settings, "prune", older_than_ms)
        for files in (1, 2, 3):
            report(files)
            if files == self.stop_pruning_after:
                raise KeyboardInterrupt
        return replace(PRUNING, deleted=FileCount(3, 207))

    def _answer(self, settings: Settings, *asked: object) -> None:
        raise NotImplementedError
