"""Every table of Airflow's metadata database has been considered.

A failure after an upgrade of Airflow names the new table: give it a rule, or list it here if it is bounded.
"""

import airflow.models
from airflow.models.dagrun import DagRun

from shopnow.history.airflow_database import RULES

BOUNDED = {
    # One row per DAG, asset, bundle and the like.
    *("asset", "asset_active", "asset_alias", "asset_alias_asset", "asset_state_store", "asset_watcher"),
    *(
        "dag",
        "dag_bundle",
        "dag_bundle_team",
        "dag_favorite",
        "dag_owner_attributes",
        "dag_tag",
        "dag_warning",
    ),
    *("dag_schedule_asset_alias_reference", "dag_schedule_asset_name_reference"),
    *("dag_schedule_asset_reference", "dag_schedule_asset_uri_reference"),
    *("task_inlet_asset_reference", "task_outlet_asset_reference", "log_template", "import_error", "team"),
    # Made by people.
    *("connection", "variable", "slot_pool", "connection_test_request"),
    # Deleted by Airflow when they are done.
    *("asset_dag_run_queue", "dag_priority_parsing_request", "trigger"),
    # Of features that ShopNow+ does not use: deadlines and partitioned assets.
    *("callback", "partitioned_asset_key_log", "asset_partition_dag_run"),
}


def test_every_table_has_a_rule_follows_one_or_is_bounded():
    airflow.models.import_all_models()
    tables = DagRun.metadata.tables
    covered = {rule.table for rule in RULES}
    while (
        deleted_with := {
            table.name
            for table in tables.values()
            for key in table.foreign_key_constraints
            if (key.ondelete or "").upper() == "CASCADE"
            and key.referred_table.name in covered
            and table.name not in covered
        }
        - BOUNDED
    ):
        covered |= deleted_with
    assert covered == set(tables) - BOUNDED
    assert set(tables) >= BOUNDED
