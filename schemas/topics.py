"""Topic facts as data: names, what the key is, how they are cleaned up. The prefix is a setting."""

from dataclasses import dataclass

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What must be true of a topic for Stepwell to be safe on it."""

    name: str
    partitions: int
    cleanup_policy: str
    retention_ms: int | None


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of one deployment. `events` and `journal` share their partition count."""

    prefix: str = "stepwell"
    app_id: str = "stepwell-worker"
    partitions: int = 8

    @property
    def events(self) -> str:
        """CloudEvents, keyed by subject."""
        return f"{self.prefix}.events"

    @property
    def journal(self) -> str:
        """Journal records, keyed by `workflow/instance`."""
        return f"{self.prefix}.journal"

    @property
    def dead_letters(self) -> str:
        """Records that could not be processed, as they came, with the reason in headers."""
        return f"{self.prefix}.dead-letters"

    @property
    def lifecycle(self) -> str:
        """One CloudEvent for each change of the status of an instance, for other systems."""
        return f"{self.prefix}.lifecycle"

    @property
    def instances_changelog(self) -> str:
        """Changelog of the instances table: one header row per instance."""
        return f"{self.app_id}-instances-changelog"

    @property
    def history_changelog(self) -> str:
        """Changelog of the history table: one row per journal record that matters."""
        return f"{self.app_id}-history-changelog"

    def facts(self) -> tuple[TopicFacts, ...]:
        """Every topic with what is required of it, in creation order."""
        count = self.partitions
        return (
            TopicFacts(self.events, count, "delete", 7 * DAY_MS),
            TopicFacts(self.journal, count, "delete", 30 * DAY_MS),
            TopicFacts(self.instances_changelog, count, "compact", None),
            TopicFacts(self.history_changelog, count, "compact", None),
            TopicFacts(self.dead_letters, count, "delete", 30 * DAY_MS),
            TopicFacts(self.lifecycle, count, "delete", 7 * DAY_MS),
        )
