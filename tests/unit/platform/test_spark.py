import subprocess

from shopnow.platform import java, spark
from shopnow.settings import ROOT, Settings


def test_the_properties_file_holds_the_settings(tmp_path):
    settings = Settings(data_dir=tmp_path, spark_driver_memory_mb=777)
    spark.prepare(settings)
    spark.prepare(settings)
    lines = dict(line.split(" ", 1) for line in spark.properties_file(settings).read_text().splitlines())
    assert lines == spark.conf(settings)
    assert lines["spark.driver.memory"] == "777m"
    assert lines["spark.sql.session.timeZone"] == "UTC"
    assert [path.name for path in spark.properties_file(settings).parent.iterdir()] == [spark.properties_file(settings).name]


def test_the_class_archive_is_used_once_it_is_there(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert "SharedArchiveFile" not in spark.conf(settings)["spark.driver.extraJavaOptions"]
    spark.class_archive(settings).parent.mkdir(parents=True)
    spark.class_archive(settings).touch()
    assert f"-XX:SharedArchiveFile={spark.class_archive(settings)}" in spark.conf(settings)["spark.driver.extraJavaOptions"]


def test_an_archive_that_was_cut_off_is_not_usable(tmp_path):
    archive, home = tmp_path / "classes.jsa", java.java_home(tmp_path)
    assert not spark.usable(archive, home)
    subprocess.run([home / "bin" / "java", f"-XX:ArchiveClassesAtExit={archive}", "-version"], capture_output=True, check=True)
    assert spark.usable(archive, home)
    whole = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(whole[: len(whole) // 4])
    assert not spark.usable(archive, home)


def test_the_applications_are_where_submit_looks(tmp_path):
    for application in ("compute_kpis.py", "train_class_archive.py"):
        assert str(ROOT / "spark_apps" / application) in spark.submit(Settings(data_dir=tmp_path), application)
        assert (ROOT / "spark_apps" / application).is_file()
