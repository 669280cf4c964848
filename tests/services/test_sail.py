"""Sail, which runs what anybody on this machine sends it, reaches no file but its own."""

import pytest
from pyspark.errors import PySparkException
from pyspark.sql.functions import udf

from shopnow.local_stack import file_confinement
from shopnow.settings import Settings
from shopnow_spark import connect
from support.spark_sessions import run_sail

pytestmark = pytest.mark.skipif(file_confinement.kernel_version() < 1, reason="this kernel has no Landlock")


@pytest.fixture(scope="module")
def sail(tmp_path_factory):
    """A session of Sail as the stack starts it."""
    with (
        run_sail(tmp_path_factory.mktemp("sail"), is_confined=True) as url,
        connect.session(url, Settings()) as sail,
    ):
        yield sail


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret.txt"
    file.write_text("not for others")
    return file


def test_a_query_cannot_read_the_files_of_its_user(sail, secret):
    assert sail.sql("SELECT 1 AS one").collect()[0].one == 1
    with pytest.raises(PySparkException, match="Permission denied"):
        sail.read.text(f"file://{secret}").collect()


def test_code_in_a_query_cannot_read_or_write_them(sail, secret):
    def read(name: str) -> str:
        with open(name) as file:  # noqa: PTH123  (runs in Sail)
            return file.read()

    def write(name: str) -> str:
        with open(name, "w") as file:  # noqa: PTH123
            return str(file.write("changed"))

    rows = sail.sql(f"SELECT '{secret}' AS name, '{secret.parent}/new' AS new")
    with connect.column_functions():
        assert rows.select(udf(lambda name: name.upper())("name")).collect()
        for function, column in ((read, "name"), (write, "name"), (write, "new")):
            with pytest.raises(PySparkException, match="PermissionError"):
                rows.select(udf(function)(column)).collect()
    assert secret.read_text() == "not for others"
