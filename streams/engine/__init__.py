"""The pure engine: deterministic loop, fold, execution. No I/O, clock, randomness or Kafka."""
