"""Slack, through the hooks and connections of Airflow's Slack provider: as a bot, or by an incoming webhook."""

import http.client
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from shopnow.alerts.channels import Refused, Unavailable, Unconfirmed, importing
from shopnow.alerts.message import Message, slack

_silent = logging.getLogger(f"{__name__}.sdk")
_silent.setLevel(logging.CRITICAL)

# The SDK's own retries repeat without a question, and its log lines hold the webhook's address, which is a secret.
_QUIETLY: Mapping[str, Any] = {"retry_handlers": [], "logger": _silent}

_BUSY = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
}
_IN_DOUBT = {"fatal_error"}
_NOT_TO_BE_UPDATED = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Slack:
    """As the bot of the connection `bot` if there is one, otherwise by the incoming webhook of the connection `webhook`."""

    def __init__(self, webhook: str = "slack_default", bot: str = "slack_api_default") -> None:
        self.webhook, self.bot = Webhook(webhook), Bot(bot)

    def ready(self) -> None:
        self._way().ready()

    def send(self, message: Message) -> str | None:
        return self._way().send(message)

    def _way(self) -> "Webhook | Bot":
        return self.bot if self.bot.is_there() else self.webhook


class Webhook:
    """Every message is a new one."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        # Slack answers "no_text" to an empty message and posts nothing; any answer will do.
        with _unanswered_is_unavailable():
            self._post({})

    def send(self, message: Message) -> None:
        self._post(slack(message))

    def _post(self, body: dict[str, Any]) -> None:
        with importing:
            from airflow.exceptions import AirflowException
            from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        hook = SlackWebhookHook(slack_webhook_conn_id=self.conn_id, **_QUIETLY)
        with _failures(self.conn_id):
            try:
                response = _minding_no_proxy(hook.client).send_dict(body)
            except AirflowException:
                raise Refused(
                    f"connection {self.conn_id} is missing or has no webhook token as its password"
                ) from None
        _check(response.status_code, response.body, response.headers)


class Bot:
    """The first message about an alert is updated as the alert changes; only what fires is posted anew.

    Its connection's password is the bot's token, its extra holds `channel`, and `base_url` if Slack is not meant.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def is_there(self) -> bool:
        with importing:
            from airflow.exceptions import AirflowException, AirflowNotFoundException
            from airflow.providers.slack.hooks.slack import SlackHook
        try:
            SlackHook.get_connection(self.conn_id)
        except AirflowNotFoundException:
            return False
        except (OSError, AirflowException) as error:
            raise Unavailable(f"cannot look up connection {self.conn_id} ({type(error).__name__})") from None
        return True

    def ready(self) -> None:
        with _unanswered_is_unavailable():
            self._call("auth.test", {})

    def send(self, message: Message) -> str | None:
        """Updates first, as these can be repeated; then at most one new message.

        Returns:
            The channel and timestamp of the new message, as `chat.update` wants them; None if there is none.
        """
        updated = {
            first.message.dedup_key
            for first in message.firsts
            if self._update(first.reference, first.message)
        }
        told = tuple(alert for alert in message.alerts if alert.active or alert.thread not in updated)
        if not told:
            return None
        answer = self._call(
            "chat.postMessage", {"channel": self._channel(), **slack(message._replace(alerts=told))}
        )
        return f"{answer['channel']}/{answer['ts']}"

    def _update(self, reference: str, message: Message) -> bool:
        """Whether the message could be updated; it may have been deleted."""
        channel, _, ts = reference.partition("/")
        try:
            self._call("chat.update", {"channel": channel, "ts": ts, **slack(message)})
        except Refused as error:
            if str(error).rpartition(" ")[2] in _NOT_TO_BE_UPDATED:
                return False
            raise
        return True

    def _hook(self) -> Any:
        with importing:
            from airflow.providers.slack.hooks.slack import SlackHook
        return SlackHook(slack_conn_id=self.conn_id, **_QUIETLY)

    def _channel(self) -> str:
        channel = self._hook().get_connection(self.conn_id).extra_dejson.get("channel")
        if not channel:
            raise Refused(f'connection {self.conn_id} needs "channel" in its extra')
        return channel

    def _call(self, method: str, body: dict[str, Any]) -> Any:
        hook = self._hook()
        with importing:
            from airflow.exceptions import AirflowException
            from slack_sdk.errors import SlackApiError

        with _failures(self.conn_id):
            try:
                return _minding_no_proxy(hook.client).api_call(method, json=body)
            except AirflowException:
                raise Refused(f"connection {self.conn_id} has no bot token as its password") from None
            except SlackApiError as error:
                response, word = error.response, str(error.response.get("error", ""))[:100]
                if response.status_code != 200:
                    _check(response.status_code, word, response.headers)
                answer = f"Slack answers to {method}: {word}"
                if word in _IN_DOUBT:
                    raise Unconfirmed(answer) from None
                raise (Unavailable(answer) if word in _BUSY else Refused(answer)) from None


def _minding_no_proxy(client: Any) -> Any:
    from slack_sdk.proxy_env_variable_loader import load_http_proxy_from_env

    if client.proxy == load_http_proxy_from_env(_silent):
        client.proxy = (
            None  # urllib finds the environment's proxy itself, and minds NO_PROXY, as the SDK does not
        )
    return client


@contextmanager
def _failures(conn_id: str) -> Iterator[None]:
    try:
        yield
    except URLError as error:  # raised before the request is out
        raise Unavailable(
            f"cannot reach Slack by connection {conn_id} ({type(error.reason).__name__})"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unconfirmed(f"no answer from Slack ({type(error).__name__})") from None


@contextmanager
def _unanswered_is_unavailable() -> Iterator[None]:
    """For a question that posts nothing: any answer will do."""
    try:
        yield
    except Refused:
        return
    except Unconfirmed as error:
        raise Unavailable(str(error)) from None


def _check(status: int, body: str, headers: Any) -> None:
    if status == 200:
        return
    answer = f"Slack answers {status}: {body[:100]!r}"
    if status == 504:  # a gateway gave up waiting for Slack
        raise Unconfirmed(answer)
    if status == 429 or status >= 500:
        retry_after = next((value for name, value in headers.items() if name.lower() == "retry-after"), "0")
        raise Unavailable(answer, float(retry_after) if retry_after.isdigit() else 0)
    raise Refused(answer)
