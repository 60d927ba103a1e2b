"""Embedding models: pull, export, tokenise, batch, run. Knows nothing of Kafka or workflows."""
