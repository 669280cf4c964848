"""Making the mail of a day: what is read, told and drawn, in this order."""

from datetime import UTC, date, datetime
from email.message import EmailMessage

from shopnow.broker.client import Conf
from shopnow.dates import end_of_day
from shopnow.errors import UserError
from shopnow.lake.lineage.freshness import lagging_topics
from shopnow.reports import mail, numbers, report


def make(conf: Conf, lake: str, day: date, link: str, key: str) -> EmailMessage:
    """The report of a day as it stands now, as a mail without addresses; `link` and `key` as for `mail.compose`.

    Raises:
        UserError: what commits say of restatements or losses is lost.
        OSError, DeltaError: HDFS does not answer, or a table is damaged.
    """
    # Asked first: what is read after it has at least all that was not lacking then.
    lacking = _lacking(conf, lake, day)
    found = numbers.read(lake, day, datetime.now(UTC))
    return mail.compose(report.compose(found, lacking), found, link, key)


def _lacking(conf: Conf, lake: str, day: date) -> str:
    """What came before the day's end and is not in the figures, in words; nothing of a day that is not over."""
    if end_of_day(day) > datetime.now(UTC):
        return ""
    try:
        topics = lagging_topics(conf, lake, end_of_day(day))
    except UserError:
        return "It is not known whether all that came before the day's end is in these figures: Kafka did not answer."
    return (
        f"Not all that came before the day's end is in these figures yet: {', '.join(topics)}."
        if topics
        else ""
    )
