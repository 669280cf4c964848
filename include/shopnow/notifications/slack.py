"""Slack through Airflow's Slack provider: as a bot, or by an incoming webhook."""

import http.client
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from shopnow.notifications.airflow_imports import IMPORT_LOCK
from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed

_silent = logging.getLogger(f"{__name__}.sdk")
_silent.setLevel(logging.CRITICAL)

# The SDK's own retries could deliver twice, and its log lines hold the webhook's address, which is a secret.
_HOOK_OPTIONS: Mapping[str, Any] = {"retry_handlers": [], "logger": _silent}

_RETRYABLE_ERRORS = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
}
_AMBIGUOUS_ERRORS = {"fatal_error"}
_NOT_UPDATABLE_ERRORS = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Webhook:
    """An incoming webhook: posts messages, cannot update them."""

    def __init__(self, conn_id: str = "slack_default") -> None:
        self.conn_id = conn_id

    def ready(self) -> None:
        """Return if Slack answers; posts nothing. Raises `Unavailable`."""
        # Slack answers "no_text" to an empty message and posts nothing; any answer shows that it is up.
        with _any_answer_is_ready():
            self.post({})

    def post(self, body: dict[str, Any]) -> None:
        """Post a message. Raises `Unavailable`, `Refused` or `Unconfirmed`."""
        with IMPORT_LOCK:
            from airflow.exceptions import AirflowException
            from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        hook = SlackWebhookHook(slack_webhook_conn_id=self.conn_id, **_HOOK_OPTIONS)
        with _delivery_errors(self.conn_id):
            try:
                response = _with_no_proxy(hook.client).send_dict(body)
            except AirflowException:
                raise Refused(
                    f"connection {self.conn_id} is missing or has no webhook token as its password"
                ) from None
        _check_status(response.status_code, response.body, response.headers)


class Bot:
    """A bot, which can update the messages it posted.

    The connection's password is the bot's token; its extra holds `channel`, and `base_url` for a server other
    than Slack's.
    """

    def __init__(self, conn_id: str = "slack_api_default") -> None:
        self.conn_id = conn_id

    def is_configured(self) -> bool:
        """Return whether the connection exists. Raises `Unavailable` if it cannot be looked up."""
        with IMPORT_LOCK:
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
        """Return if Slack answers; posts nothing. Raises `Unavailable`."""
        with _any_answer_is_ready():
            self._call("auth.test", {})

    def post(self, body: dict[str, Any]) -> str:
        """Post a message.

        Returns:
            Its channel and timestamp, as `update` takes them.

        Raises:
            Unavailable, Refused, Unconfirmed: see `delivery_errors`.
        """
        answer = self._call("chat.postMessage", {"channel": self._channel(), **body})
        return f"{answer['channel']}/{answer['ts']}"

    def update(self, reference: str, body: dict[str, Any]) -> bool:
        """Replace a message that was posted before; idempotent.

        Returns:
            False if it can no longer be updated, for example because it was deleted.

        Raises:
            Unavailable, Refused, Unconfirmed: see `delivery_errors`.
        """
        channel, _, ts = reference.partition("/")
        try:
            self._call("chat.update", {"channel": channel, "ts": ts, **body})
        except Refused as error:
            if str(error).rpartition(" ")[2] in _NOT_UPDATABLE_ERRORS:
                return False
            raise
        return True

    def _hook(self) -> Any:
        with IMPORT_LOCK:
            from airflow.providers.slack.hooks.slack import SlackHook
        return SlackHook(slack_conn_id=self.conn_id, **_HOOK_OPTIONS)

    def _channel(self) -> str:
        channel = self._hook().get_connection(self.conn_id).extra_dejson.get("channel")
        if not channel:
            raise Refused(f'connection {self.conn_id} needs "channel" in its extra')
        return channel

    def _call(self, method: str, body: dict[str, Any]) -> Any:
        hook = self._hook()
        with IMPORT_LOCK:
            from airflow.exceptions import AirflowException
            from slack_sdk.errors import SlackApiError

        with _delivery_errors(self.conn_id):
            try:
                return _with_no_proxy(hook.client).api_call(method, json=body)
            except AirflowException:
                raise Refused(f"connection {self.conn_id} has no bot token as its password") from None
            except SlackApiError as error:
                response, code = error.response, str(error.response.get("error", ""))[:100]
                if response.status_code != 200:
                    _check_status(response.status_code, code, response.headers)
                answer = f"Slack answers to {method}: {code}"
                if code in _AMBIGUOUS_ERRORS:
                    raise Unconfirmed(answer) from None
                raise (Unavailable(answer) if code in _RETRYABLE_ERRORS else Refused(answer)) from None


def escape(text: str) -> str:
    """Escape text for Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _with_no_proxy(client: Any) -> Any:
    """Have urllib choose the environment's proxy, because the SDK ignores NO_PROXY."""
    from slack_sdk.proxy_env_variable_loader import load_http_proxy_from_env

    if client.proxy == load_http_proxy_from_env(_silent):
        client.proxy = None
    return client


@contextmanager
def _delivery_errors(conn_id: str) -> Iterator[None]:
    """Raise errors of the network as delivery errors."""
    try:
        yield
    except URLError as error:  # raised before the request is sent
        raise Unavailable(
            f"cannot reach Slack by connection {conn_id} ({type(error.reason).__name__})"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unconfirmed(f"no answer from Slack ({type(error).__name__})") from None


@contextmanager
def _any_answer_is_ready() -> Iterator[None]:
    """For a request that posts nothing: any answer, also a refusal, shows that Slack is up."""
    try:
        yield
    except Refused:
        return
    except Unconfirmed as error:
        raise Unavailable(str(error)) from None


def _check_status(status: int, body: str, headers: Any) -> None:
    if status == 200:
        return
    answer = f"Slack answers {status}: {body[:100]!r}"
    if status == 504:  # a gateway timed out waiting for Slack, which may have accepted the message
        raise Unconfirmed(answer)
    if status == 429 or status >= 500:
        retry_after = next((value for name, value in headers.items() if name.lower() == "retry-after"), "0")
        raise Unavailable(answer, float(retry_after) if retry_after.isdecimal() else 0)
    raise Refused(answer)
