"""One function for each Kafka API: a request in, an answer out."""
