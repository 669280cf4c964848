"""Who may do what: everybody who is logged in may look, and who may trigger a DAG may do what that DAG does."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, status

from shopnow import airflow_internals

CurrentUser = Annotated[Any, Depends(airflow_internals.current_user_dependency())]
"""Annotates a route's parameter: the user who is logged in."""

HEADER = "X-ShopNow"
"""Carried by every request of our own pages that changes something; a form of another site cannot set it."""


def may_trigger(dag_id: str) -> list:
    """Dependencies of a route that does what a DAG does: the right to trigger it, asked for by our own pages."""
    return [Depends(airflow_internals.trigger_permission_check(dag_id)), Depends(same_site)]


def same_site(request: Request) -> None:
    """Refuses what another site has a browser send with its user's cookie."""
    site, origin = request.headers.get("sec-fetch-site", "same-origin"), request.headers.get("origin")
    foreign = site != "same-origin" or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    )
    if foreign or HEADER not in request.headers:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, f"asked for by another site, or without the header {HEADER}"
        )


def allowed_to_trigger(dag_id: str):
    """A dependency that tells whether the user may trigger a DAG, for pages that show it."""

    def ask(request: Request, user: CurrentUser) -> bool:
        try:
            airflow_internals.trigger_permission_check(dag_id)(request, user)
        except HTTPException:
            return False
        return True

    return ask
