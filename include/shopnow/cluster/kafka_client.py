"""How clients log in to Kafka. Imports only the standard library, as the health check uses it."""

from shopnow.cluster.secret_files import read_secret, secret_file

PORT = 9092


def login(user: str) -> dict[str, str]:
    """Return the options of librdkafka with which a user of `kafka_users` logs in over TLS.

    Raises:
        UserError: the user's password is not mounted in this container.
    """
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": read_secret(f"kafka_{user}_password"),
        "ssl.ca.location": str(secret_file("kafka_authority")),
    }
