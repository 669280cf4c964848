"""warm_class_list runs the code of compute_kpis on a temporary lake and writes the classpath."""

import warm_class_list
from shopnow_spark import lake_reader


def test_runs_on_a_lake_of_its_own(spark, tmp_path, monkeypatch):
    # The application sets the constant; monkeypatch restores it.
    monkeypatch.setattr(lake_reader, "CODEGEN_MIN_RECORDS", lake_reader.CODEGEN_MIN_RECORDS)
    assert warm_class_list.main(tmp_path / "classpath") == 0
    assert "delta-spark" in (tmp_path / "classpath").read_text()
