"""Settings of the local stack and of the cluster's containers, read from the environment or `.env`.

Every one has a working default. `shopnow.cluster.settings` has those that only the containers use.
"""

import hashlib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopnow import paths
from shopnow.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
"""The project's root: the directory that holds `./shopnow`."""


def _check_folder(path: Path) -> Path:
    try:
        absolute = path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("the home folder that ~ stands for is unknown") from None
    if reason := paths.explain_unsupported(absolute):
        raise ValueError(reason)
    return absolute


Port = Annotated[int, Field(ge=1024, le=65535)]
Megabytes = Annotated[int, Field(ge=64, le=65536)]


class Settings(BaseSettings):
    """The settings; each is read from the variable `SHOPNOW_<NAME>`.

    The generated settings page (docs/settings.md) takes its texts from the fields' descriptions.
    """

    model_config = SettingsConfigDict(
        env_prefix="SHOPNOW_",
        env_file=ROOT / ".env",
        extra="ignore",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    data_dir: Annotated[Path, AfterValidator(_check_folder)] = Field(
        ROOT / ".shopnow", description="directory of the services' data, configuration and logs"
    )
    port_offset: int = Field(
        0,
        ge=0,
        le=40000,
        description="offset added to every default port, so that two checkouts run side by side",
    )

    kafka_port: Port = Field(9092, description="Kafka broker")
    kafka_controller_port: Port = Field(9093, description="Kafka controller (KRaft quorum)")
    namenode_port: Port = Field(9820, description="HDFS NameNode, RPC")
    namenode_http_port: Port = Field(9870, description="HDFS NameNode, web UI and WebHDFS")
    datanode_port: Port = Field(9866, description="HDFS DataNode, data transfer")
    datanode_http_port: Port = Field(9864, description="HDFS DataNode, web UI and WebHDFS")
    datanode_ipc_port: Port = Field(9867, description="HDFS DataNode, IPC")
    datanode_2_port: Port = Field(9876, description="second HDFS DataNode, data transfer")
    datanode_2_http_port: Port = Field(9874, description="second HDFS DataNode, web UI and WebHDFS")
    datanode_2_ipc_port: Port = Field(9877, description="second HDFS DataNode, IPC")
    postgres_port: Port = Field(5433, description="PostgreSQL, Airflow's metadata database")
    sail_port: Port = Field(15002, description="Sail, the engine of small changes (Spark Connect)")
    airflow_port: Port = Field(8080, description="Airflow web UI and API")
    smtp_port: Port = Field(1025, description="local SMTP test server")
    slack_port: Port = Field(1080, description="local Slack test server")

    kafka_heap_mb: Megabytes = Field(384, description="maximum JVM heap of the Kafka broker, MB")
    hdfs_heap_mb: Megabytes = Field(256, description="maximum JVM heap of each HDFS process, MB")
    spark_driver_memory_mb: Megabytes = Field(896, description="JVM heap of the Spark driver, MB")
    sail_memory_mb: Megabytes = Field(512, description="memory of Sail for the data of queries, MB")
    airflow_parallelism: int = Field(
        6, ge=2, le=32, description="maximum number of concurrently running tasks"
    )
    topic_partitions: int = Field(
        4, ge=1, le=1000, description="partitions of each event topic when it is created"
    )
    landing_shares: int = Field(
        1, ge=1, le=1000, description="parallel landing tasks per topic, each for a shard of its partitions"
    )
    kafka_retention_days: int = Field(
        7, ge=1, le=3650, description="retention of the event topics in Kafka, days"
    )
    raw_retention_days: int | None = Field(
        None, ge=1, description="retention of the lake's raw tables, days; unlimited by default"
    )
    vacuum_hours: int = Field(
        168,
        ge=24,
        description="age in hours from which VACUUM deletes files that a table no longer references",
    )

    history_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="how long finished DAG runs, their logs and filed delivery notes are kept, days",
    )

    quarantine_limit: float = Field(
        0.25,
        ge=0,
        le=1,
        description="share of invalid records in the newest landings from which on an alert fires",
    )
    event_time_skew_seconds: float = Field(
        300,
        ge=0,
        le=31 * 86400,
        description="how far an event may lie after the timestamp that the broker gave its record, seconds",
    )
    earliest_event_date: date = Field(
        date(1970, 1, 1),
        ge=date(1900, 1, 1),
        description="first date of events; records of earlier ones are quarantined",
    )
    service_level: float = Field(
        0.95, gt=0.5, lt=0.9999, description="target probability that stock lasts until the next resupply"
    )
    lead_time_days: float = Field(2.0, gt=0, le=365, description="minimum supplier lead time, days")
    traffic: Literal["on", "off"] = Field("on", description="scheduled generation of light traffic")
    maven_mirror: str | None = Field(
        None, description="base URL of a Maven repository to download jars from; Maven Central by default"
    )
    base_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] | None = Field(
        None,
        validation_alias="AIRFLOW__API__BASE_URL",
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="address at which users open Airflow, for example behind a proxy that serves it below a "
        "path; by default its port on this machine",
    )
    otel_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="base URL of an OTLP/HTTP receiver for Airflow's metrics and traces; none by default",
    )
    openlineage: str | None = Field(
        None,
        pattern=r"^(https?:/)?/",
        description="absolute file path or API base URL that receives OpenLineage events; none by default",
    )

    @classmethod
    def load(cls) -> "Settings":
        """Load and validate the effective settings.

        Raises:
            UserError: a value is invalid, or two services have the same port.
        """
        try:
            settings = cls()
        except ValidationError as error:
            details = error.errors()[0]
            name = variable_name(str(details["loc"][0]))
            problem = details["msg"].removeprefix("Value error, ")
            raise UserError(
                f"setting {name}={details['input']!r}: {problem}; correct it in the environment or in .env"
            ) from None
        port_names: dict[int, str] = {}
        for name, port in settings.ports.items():
            if port > 65535:
                raise UserError(
                    f"setting SHOPNOW_PORT_OFFSET={settings.port_offset} moves port {name} to {port}, "
                    "above 65535; choose a smaller offset"
                )
            if port in port_names:
                raise UserError(
                    f"settings give {port_names[port]} and {name} the same port {port}; change one of them"
                )
            port_names[port] = name
        return settings

    @cached_property
    def ports(self) -> dict[str, int]:
        """Effective port of each service; `port_offset` applies to ports that are not set explicitly."""
        names = [name for name in type(self).model_fields if name.endswith("_port")]
        offsets = {name: 0 if name in self.model_fields_set else self.port_offset for name in names}
        return {name.removesuffix("_port"): getattr(self, name) + offsets[name] for name in names}

    @property
    def lake_uri(self) -> str:
        return f"hdfs://127.0.0.1:{self.ports['namenode']}/shopnow"

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def key(self) -> str:
        """Short id of this data directory; separates its processes and sockets from another checkout's."""
        return hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]


def variable_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    aliases = {field.validation_alias for field in Settings.model_fields.values()}
    if setting in aliases:
        return setting
    field = Settings.model_fields.get(setting)
    return str(field.validation_alias) if field and field.validation_alias else f"SHOPNOW_{setting.upper()}"
