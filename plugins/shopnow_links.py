"""Links in Airflow's navigation to the HDFS file browser and the local Slack messages."""

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

LINKS = {"HDFS files": "hdfs_url", "Slack messages": "slack_url"}
"""By link name, the option in section `shopnow` that has its address; `./shopnow up` sets them."""


class ShopNowLinks(AirflowPlugin):
    name = "shopnow_links"
    external_views = [  # noqa: RUF012  (as the base class has it)
        {"name": name, "href": conf.get("shopnow", option), "destination": "nav", "category": "browse"}
        for name, option in LINKS.items()
        if conf.has_option("shopnow", option)
    ]
