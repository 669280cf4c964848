"""Settings of the stack on this machine: from the environment or `.env`, each with a default that works."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopnow.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
"""The project's root: the folder that holds `./shopnow`."""

Port = Annotated[int, Field(ge=1024, le=65535)]
Megabytes = Annotated[int, Field(ge=64, le=65536)]


class Settings(BaseSettings):
    """Every setting as `SHOPNOW_<NAME>`; ports move together with `SHOPNOW_PORT_OFFSET`."""

    model_config = SettingsConfigDict(
        env_prefix="SHOPNOW_", env_file=ROOT / ".env", extra="ignore", frozen=True
    )

    data_dir: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        ROOT / ".shopnow", description="where the services keep their data, configuration and logs"
    )
    port_offset: int = Field(
        0, ge=0, le=40000, description="added to every default port, so that two checkouts run side by side"
    )

    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    namenode_port: Port = 9820
    namenode_http_port: Port = 9870
    datanode_port: Port = 9866
    datanode_http_port: Port = 9864
    datanode_ipc_port: Port = 9867
    datanode_2_port: Port = 9876
    datanode_2_http_port: Port = 9874
    datanode_2_ipc_port: Port = 9877
    airflow_port: Port = 8080
    smtp_port: Port = 1025
    slack_port: Port = 1080

    kafka_heap_mb: Megabytes = 384
    hdfs_heap_mb: Megabytes = 256
    spark_driver_memory_mb: Megabytes = 896
    airflow_parallelism: int = Field(6, ge=2, le=32, description="tasks that run at once")
    topic_partitions: int = Field(4, ge=1, le=1000)
    landing_shares: int = Field(
        1, ge=1, le=1000, description="tasks that land one topic at once, each some of its partitions"
    )
    kafka_retention_days: int = Field(7, ge=1, le=3650, description="how long Kafka keeps events")
    raw_retention_days: int | None = Field(
        None, ge=1, description="how long the lake keeps raw records; for ever by default"
    )
    vacuum_hours: int = Field(
        168,
        ge=24,
        description="how long files stay that a table no longer holds, for those who still read them",
    )

    quarantine_limit: float = Field(
        0.25, ge=0, le=1, description="share of records that may be no valid events before landing stops"
    )
    service_level: float = Field(
        0.95, gt=0.5, lt=0.9999, description="chance that the stock lasts until a delivery"
    )
    lead_time_days: float = Field(2.0, gt=0, le=365, description="how long a supplier takes to deliver")
    traffic: Literal["on", "off"] = Field(
        "on", description="whether light traffic is generated on a schedule"
    )
    maven_mirror: str | None = Field(
        None, description="base address of a Maven repository to take the jars from instead of Central"
    )
    otel_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="base address of an OTLP/HTTP receiver for Airflow's metrics and traces; none by default",
    )
    openlineage: str | None = Field(
        None,
        pattern=r"^(https?:/)?/",
        description="absolute path of a file, or base address of an API, that gets lineage; none by default",
    )

    @classmethod
    def load(cls) -> "Settings":
        """The settings in force.

        Raises:
            UserError: a value is not of its kind; names the variable and the value.
        """
        try:
            settings = cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"SHOPNOW_{'_'.join(str(part) for part in first['loc'])}".upper()
            raise UserError(
                f"setting {name}={first['input']!r}: {first['msg']}; correct it in the environment or in .env"
            ) from None
        taken: dict[int, str] = {}
        for name, port in settings.ports.items():
            if port > 65535:
                raise UserError(
                    f"setting SHOPNOW_PORT_OFFSET={settings.port_offset}: moves {name} to {port}, past 65535"
                )
            if port in taken:
                raise UserError(
                    f"settings give {taken[port]} and {name} the same port {port}; change one of them"
                )
            taken[port] = name
        return settings

    @cached_property
    def ports(self) -> dict[str, int]:
        """Port by service name; `port_offset` moves those that were not set one by one."""
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
        """A short name for this data directory, to tell its processes and sockets from another checkout's."""
        return hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]
