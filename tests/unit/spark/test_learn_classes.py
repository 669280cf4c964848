"""learn_classes does what compute_kpis does, away from any lake, and tells the classpath."""

import learn_classes
from shopnow_spark import frames


def test_runs_on_a_lake_of_its_own(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "WORTH_COMPILING", frames.WORTH_COMPILING)  # put back afterwards
    assert learn_classes.main(tmp_path / "classpath") == 0
    assert "delta-spark" in (tmp_path / "classpath").read_text()
