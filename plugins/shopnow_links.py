"""Links from Airflow's navigation to what stands beside it on this machine: the files on HDFS and what Slack was sent."""

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

LINKS = {"HDFS files": "hdfs_url", "Slack messages": "slack_url"}
"""Names of the links to names of the settings, in section `shopnow`, that hold their addresses; `up` sets them."""


class ShopNowLinks(AirflowPlugin):
    name = "shopnow_links"
    external_views = [  # noqa: RUF012  (as the base class has it)
        {"name": name, "href": conf.get("shopnow", option), "destination": "nav", "category": "browse"}
        for name, option in LINKS.items()
        if conf.has_option("shopnow", option)
    ]
