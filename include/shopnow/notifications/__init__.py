"""Transports for mail and Slack, used by alerts, reports and the local stack's monitor.

This package knows nothing of alerts or reports: it takes a finished mail or Slack body.
"""
