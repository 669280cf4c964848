"""Damage of the lake's files, named by the audit and repaired by the DAG `repair_lake`."""

import pytest

from shopnow.drills.file_damage import DAMAGES, Files
from shopnow.lake.delta import file_swap
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api

DAMAGED = {"raw/stock": "flip", "events/payments": "truncate", "kpi/sales_daily": "remove"}


@pytest.fixture(scope="module")
def repaired(api, ends, settings, broken_checks) -> list[str]:
    """Damage a file of each layer, and run the DAG; returns what `verify` said of the damage.

    No customer was erased from these tables: what an erasure wrote is beyond repair.
    """
    files = Files(settings.lake_uri)
    for table, kind in DAMAGED.items():
        file = file_swap.data_files(Table(settings.lake_uri, table).open())[0]
        DAMAGES[kind](files, f"{table}/{file.path}")
    named = [check.detail for check in broken_checks() if check.check == "files = log"]
    assert ends("repair_lake", airflow_api.trigger(api, "repair_lake", {})) == "success"
    return named


def test_verify_names_the_damaged_tables(repaired):
    [detail] = repaired
    assert all(f"{table}: file " in detail for table in DAMAGED)


def test_the_dag_restores_every_row(repaired, broken_checks, shopnow):
    assert broken_checks() == []
    assert "Every file of the lake is intact" in shopnow("repair").stdout
