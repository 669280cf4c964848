"""Build the mail of a day: read the figures, compose the report, render the documents."""

from datetime import UTC, date, datetime
from email.message import EmailMessage

from shopnow.broker.client import Conf
from shopnow.dates import end_of_day
from shopnow.errors import UserError
from shopnow.lake.lineage.freshness import lagging_topics
from shopnow.reports import mail, numbers, report


def build_mail(conf: Conf, lake: str, day: date, link: str, key: str) -> EmailMessage:
    """Build the report of a day from the current KPI tables, as a mail without addresses.

    Args:
        conf: confluent_kafka configuration.
        lake: the lake's address.
        link: address of the DAG in the Airflow UI.
        key: identity of the report, as for `mail.compose`.

    Raises:
        OSError: HDFS does not answer.
    """
    # Checked before the figures are read, so that the figures have at least what is not reported as missing.
    lag = _describe_lag(conf, lake, day)
    figures = numbers.read(lake, day, datetime.now(UTC))
    return mail.compose(report.compose(figures, lag), figures, link, key)


def _describe_lag(conf: Conf, lake: str, day: date) -> str:
    """Describe which topics have unprocessed records of the day; empty while the day is not over."""
    if end_of_day(day) > datetime.now(UTC):
        return ""
    try:
        topics = lagging_topics(conf, lake, end_of_day(day))
    except UserError:
        return "Completeness is unknown because Kafka did not answer: records of the day may be missing."
    return f"Some records of the day are not processed yet: {', '.join(topics)}." if topics else ""
