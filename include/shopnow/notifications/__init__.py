"""Transports for mail and Slack on the hooks of Airflow's providers, used by alerts and reports.

This package knows nothing of alerts or reports: it takes a finished mail or Slack body. The local stack's
service monitor must work while Airflow is down, so it sends by `shopnow.local_stack.direct_notify` instead;
it shares only the escaping of Slack texts.
"""
