"""Durable workflows on your own Kafka."""
