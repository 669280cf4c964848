import pytest

import compute_kpis
from shopnow_spark.jobs import Refreshed


def test_a_lake_out_of_reach_is_one_clear_line(capsys):
    assert compute_kpis.main(["--lake", "hdfs://127.0.0.1:1/shopnow"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("compute_kpis: the lake at hdfs://127.0.0.1:1/shopnow failed: ")
    assert "Connection refused" in output.err


def test_an_address_is_asked_for(capsys):
    with pytest.raises(SystemExit, match="2"):
        compute_kpis.main(["--lake", "shopnow"])
    assert "must be an address such as hdfs://" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (Refreshed("events/orders", 1200, 1100, ["2026-11-01"]), "events/orders: 1,200 new events, 1,100 rows written (2026-11-01)"),
        (
            Refreshed("kpi/sales_daily", None, 4, ["2026-11-01", "2026-11-02", "2026-11-04", "2026-11-09"]),
            "kpi/sales_daily: 4 rows written (4 dates, 2026-11-01 to 2026-11-09)",
        ),
        (Refreshed("kpi/stock_position", None, 42), "kpi/stock_position: 42 rows written"),
    ],
)
def test_summary(done, line):
    assert compute_kpis.summary(done) == line
