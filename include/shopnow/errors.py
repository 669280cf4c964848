"""Errors a person can mend."""


class UserError(Exception):
    """Something the user can put right; its text is one line that says what to do. Shown without a traceback."""
