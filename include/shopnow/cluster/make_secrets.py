"""Generate the secrets of a new cluster and print them in the format of `.env`.

python -m shopnow.cluster.make_secrets > .env
"""

import secrets

from shopnow.cluster import certificates
from shopnow.cluster.airflow import USERS
from shopnow.cluster.kafka_users import USERS as KAFKA_USERS
from shopnow.cluster.redis_client import HOST as REDIS_HOST

PASSWORDS = (
    "database_password",
    "database_purge_password",
    "redis_password",
    "redis_monitor_password",
    "spark_secret",
    "fernet_key",
    "api_secret_key",
    "jwt_secret",
    "grafana_password",
    *(f"{user}_password" for user in USERS),
    *(f"kafka_{user}_password" for user in KAFKA_USERS),
)

BROKER_HOSTS = [f"kafka-{broker_id}" for broker_id in range(1, 10)]
"""Present and future brokers: the authority's key is discarded, so no certificate can be issued later."""


def generate_secrets() -> dict[str, str]:
    """Generate every secret of docker-compose.yaml, keyed by name."""
    kafka = certificates.issue_certificate("kafka", BROKER_HOSTS)
    redis = certificates.issue_certificate("redis", [REDIS_HOST])
    return {
        **{name: secrets.token_hex(24) for name in PASSWORDS},
        "kafka_certificate": kafka.certificate,
        "kafka_authority": kafka.authority,
        "redis_certificate": redis.certificate,
        "redis_authority": redis.authority,
    }


if __name__ == "__main__":
    print("\n".join(f'SHOPNOW_{name.upper()}="{value}"' for name, value in generate_secrets().items()))
