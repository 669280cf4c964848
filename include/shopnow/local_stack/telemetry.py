"""What Airflow tells a receiver of OpenTelemetry: its own metrics and traces, over OTLP/HTTP. Off unless a receiver is given.

Airflow switches both on by options of its own; where they go is said by the variables of the OpenTelemetry SDK.
"""

from shopnow.settings import Settings


def configuration(settings: Settings) -> dict[str, bool]:
    """The switches, by section and option of Airflow's configuration."""
    on = settings.otel_endpoint is not None
    return {"METRICS__OTEL_ON": on, "TRACES__OTEL_ON": on}


def variables(settings: Settings) -> dict[str, str]:
    """The SDK's environment variables; none when it is off."""
    if settings.otel_endpoint is None:
        return {}
    return {
        "OTEL_SERVICE_NAME": "shopnow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otel_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # Airflow takes the exporter of traces by this name, and would take the one for gRPC.
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
    }
