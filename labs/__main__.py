"""Run the check of one lab and print its requirements as JSON: `python -m labs add_a_kpi`.

It runs in a process of its own, on the code of the checkout as it is now. Whatever that code raises, such as
a syntax error of a half-done change, becomes a requirement that is not met.
"""

import importlib
import json
import sys
import traceback
from collections.abc import Iterator

from labs.requirement import Requirement


def check(lab: str) -> Iterator[Requirement]:
    """Yield the requirements of a lab in order, up to the first missing one, which the others build on."""
    count = 0
    try:
        for requirement in importlib.import_module(f"labs.{lab}.check").requirements():
            count += 1
            yield requirement
            if not requirement.is_met:
                return
    except Exception as error:
        yield Requirement("your code and the services answer the check", False, describe(error))
    else:
        if not count:
            yield Requirement("the check has requirements", False, f"correct labs/{lab}/check.py")


def describe(error: Exception) -> str:
    """Return the error in one line, with the place in the code if it is a programming error."""
    from shopnow.errors import UserError

    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, SyntaxError):
        place = f"{error.filename}, line {error.lineno}"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}, line {frame.lineno}"
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message} ({place}): correct it, then check again"


def _to_json(requirement: Requirement) -> dict[str, object]:
    text, is_met, next_step = requirement
    return {"text": text, "is_met": is_met, "next_step": None if is_met else next_step}


def main() -> None:
    results = list(check(sys.argv[1]))
    print(json.dumps([_to_json(requirement) for requirement in results]))
    sys.exit(0 if all(requirement.is_met for requirement in results) else 1)


if __name__ == "__main__":
    main()
