"""Kafka: clients, topics, an exact-range reader and a transactional producer."""
