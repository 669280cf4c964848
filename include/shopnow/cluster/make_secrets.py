"""Makes the secrets of a new cluster: prints them as docker-compose.yaml takes them from `.env`.

python -m shopnow.cluster.make_secrets > .env
"""

import secrets

from shopnow.cluster import certificates
from shopnow.cluster.airflow import USERS
from shopnow.cluster.kafka_users import USERS as KAFKA_USERS

PASSWORDS = (
    "database_password",
    "redis_password",
    "spark_secret",
    "fernet_key",
    "api_secret_key",
    "jwt_secret",
    "grafana_password",
    *(f"{user}_password" for user in USERS),
    *(f"kafka_{user}_password" for user in KAFKA_USERS),
)

BROKERS = [f"kafka-{id_}" for id_ in range(1, 10)]
"""Those there are, and those that may come: nobody keeps the authority's key to make another certificate."""


def made() -> dict[str, str]:
    """New ones, by name."""
    certificate, authority = certificates.make("kafka", BROKERS)
    return {
        **{name: secrets.token_hex(24) for name in PASSWORDS},
        "kafka_certificate": certificate,
        "kafka_authority": authority,
    }


if __name__ == "__main__":
    print("\n".join(f'SHOPNOW_{name.upper()}="{value}"' for name, value in made().items()))
