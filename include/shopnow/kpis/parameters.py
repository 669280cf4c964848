"""Parameters of the KPIs, as properties of a Spark session."""

from shopnow.settings import Settings

SERVICE_LEVEL, LEAD_TIME_DAYS = "spark.shopnow.serviceLevel", "spark.shopnow.leadTimeDays"


def spark_properties(settings: Settings) -> dict[str, str]:
    """Return the properties with the values of the settings."""
    return {SERVICE_LEVEL: str(settings.service_level), LEAD_TIME_DAYS: str(settings.lead_time_days)}
