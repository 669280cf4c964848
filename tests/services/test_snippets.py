"""The snippets of docs/reading.md, run unchanged against tables on a real HDFS."""

import re

import pytest

from factories import kpi_sample
from shopnow.settings import ROOT

DOCUMENT = (ROOT / "docs" / "reading.md").read_text()
_PARTS = [part.partition("\n") for part in re.split(r"^## ", DOCUMENT, flags=re.M)]
SNIPPETS = {
    title: code
    for title, _, text in _PARTS
    for code in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
}
READ, *_ = SNIPPETS.values()


@pytest.fixture(scope="module")
def kpi_lake(storage) -> str:
    """A lake with KPI tables."""
    lake = f"{storage.lake_uri}/snippets"
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", "USD")))
    return lake


def run(title: str, **names: object) -> dict[str, object]:
    """Run the snippet below a heading; returns the names it defined."""
    exec(READ + SNIPPETS[title], names)  # noqa: S102
    return names


def test_there_is_a_snippet_for_each_tool():
    assert list(SNIPPETS)[1:] == ["DuckDB", "Polars", "pandas", "Spark SQL", "Time travel"]
    assert len(SNIPPETS) == DOCUMENT.count("```python")


def test_duckdb(kpi_lake, capfd):
    run("DuckDB", lake=kpi_lake)
    out = capfd.readouterr().out
    assert "59181.41" in out
    assert out.index("2026-11-24") < out.index("2026-11-17")


def test_polars(kpi_lake):
    top = run("Polars", lake=kpi_lake)["top"]
    assert top.rows()[0] == ("EUR", 1, 2, "Espresso Machine", 9000.0)
    assert len(top) == 2 * len(kpi_sample.PRODUCTS)


def test_pandas(kpi_lake, capsys):
    methods = run("pandas", lake=kpi_lake)["methods"]
    assert methods.loc["card"].to_dict() == {"attempts": 800, "failed": 40}
    assert "transfer" in capsys.readouterr().out


def test_spark_sql(kpi_lake, spark, capsys):
    run("Spark SQL", lake=kpi_lake, spark=spark)
    assert "Running Shoes" in capsys.readouterr().out


def test_as_it_was(kpi_lake):
    assert run("Time travel", lake=kpi_lake)["before"].num_rows == 0
