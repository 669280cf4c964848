"""Errors that the user can fix."""


class UserError(Exception):
    """An error the user can fix; its one-line text says how. It is shown without a traceback."""
