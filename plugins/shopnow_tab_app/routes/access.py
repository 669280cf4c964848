"""Permissions: every user may read; writing requires permission to trigger the DAG that does the same."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, status

from shopnow import airflow_internals

CurrentUser = Annotated[Any, Depends(airflow_internals.current_user_dependency())]
"""Annotates a route's parameter: the logged-in user."""

HEADER = "X-ShopNow"
"""Sent by our pages with every request that writes; a form of another site cannot set it."""


def may_trigger(dag_id: str) -> list:
    """Return the checks of a route that does what a DAG does: permission to trigger it, and `same_site`."""
    return [Depends(airflow_internals.trigger_permission_check(dag_id)), Depends(same_site)]


def same_site(request: Request) -> None:
    """Reject requests that another site made the browser send with the user's cookie."""
    site, origin = request.headers.get("sec-fetch-site", "same-origin"), request.headers.get("origin")
    # Not `urlsplit`, which raises an error for a host with one bracket.
    is_foreign = site != "same-origin" or (
        origin is not None and origin.partition("://")[2] != request.headers.get("host")
    )
    if is_foreign or HEADER not in request.headers:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, f"the request comes from another site, or has no header {HEADER}"
        )


def allowed_to_trigger(dag_id: str) -> Callable[..., bool]:
    """Return a dependency whose value says whether the user may trigger a DAG."""

    def is_allowed(request: Request, user: CurrentUser) -> bool:
        try:
            airflow_internals.trigger_permission_check(dag_id)(request, user)
        except HTTPException:
            return False
        return True

    return is_allowed
