import pytest

import compute_kpis


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
    assert "expected an address such as hdfs://" in capsys.readouterr().err
