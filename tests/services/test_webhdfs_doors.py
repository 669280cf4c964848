"""WebHDFS refuses what web pages of other sites send to it through the browser of a user of this machine."""

import os
import subprocess
import uuid
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hdfs import InsecureClient

from shopnow.local_stack import hdfs, jvm
from shopnow.settings import Settings

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
FOREIGN_HOST = {**BROWSER, "Host": "attacker.example:9870", "X-XSRF-HEADER": ""}
FOREIGN_ORIGIN = {**BROWSER, "Origin": "http://attacker.example", "X-XSRF-HEADER": ""}
CONTENT = b"row 1\nrow 2\n"

WEB_PAGES = pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(BROWSER, 400, id="without the header"),
        pytest.param(FOREIGN_HOST, 403, id="after DNS rebinding"),
        pytest.param(FOREIGN_ORIGIN, 403, id="of another origin"),
    ],
)


@pytest.fixture(scope="module")
def namenode(storage: Settings) -> str:
    return f"127.0.0.1:{storage.ports['namenode_http']}"


@pytest.fixture(scope="module")
def client(namenode: str) -> InsecureClient:
    return InsecureClient(f"http://{namenode}", user="shopnow")


@pytest.fixture
def file(client: InsecureClient) -> str:
    path = f"/doors/{uuid.uuid4()}"
    client.write(path, CONTENT)
    return path


def send(address: str, method: str, target: str, headers: dict[str, str], body: bytes | None = None) -> int:
    """Send a request with only these headers; returns the status."""
    connection = HTTPConnection(address, timeout=30)
    connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    with connection.getresponse() as response:
        return response.status


def webhdfs(path: str, operation: str) -> str:
    return f"/webhdfs/v1{path}?op={operation}&user.name=shopnow"


def datanode_of(namenode: str, path: str, method: str, operation: str) -> tuple[str, str]:
    """Return the DataNode to which the NameNode redirects a request, and the target there."""
    connection = HTTPConnection(namenode, timeout=30)
    connection.request(method, webhdfs(path, operation))
    with connection.getresponse() as response:
        assert response.status == 307
        location = urlsplit(response.headers["Location"])
    return location.netloc, f"{location.path}?{location.query}"


@WEB_PAGES
def test_a_web_page_cannot_truncate_a_file(client, namenode, file, headers, status):
    assert send(namenode, "POST", webhdfs(file, "TRUNCATE&newlength=0"), headers) == status
    with client.read(file) as reader:
        assert reader.read() == CONTENT


@WEB_PAGES
def test_a_web_page_cannot_write_to_a_datanode(client, namenode, file, headers, status):
    for method, operation in (("PUT", "CREATE&overwrite=true"), ("POST", "APPEND")):
        datanode, target = datanode_of(namenode, file, method, operation)
        assert send(datanode, method, target, headers, b"forged") == status
    with client.read(file) as reader:
        assert reader.read() == CONTENT


@pytest.mark.parametrize("headers", [FOREIGN_HOST, FOREIGN_ORIGIN], ids=["host", "origin"])
def test_a_web_page_reads_nothing(namenode, file, headers):
    datanode, target = datanode_of(namenode, file, "GET", "OPEN")
    assert send(datanode, "GET", target, headers) == 403
    for address in (namenode, datanode):
        for page in ("/jmx", "/conf", "/logs/"):
            assert send(address, "GET", page, headers) == 403
    assert send(namenode, "GET", webhdfs(file, "OPEN"), headers) == 403


def test_the_pages_of_hdfs_work_under_every_name_of_this_machine(namenode, file):
    port = urlsplit(f"//{namenode}").port
    page = {**BROWSER, "Origin": f"http://127.0.0.1:{port}"}
    datanode, target = datanode_of(namenode, file, "GET", "OPEN")
    assert send(datanode, "GET", target, page) == 200
    for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "192.0.2.1"):
        assert send(namenode, "GET", webhdfs(file, "GETFILESTATUS"), {**BROWSER, "Host": host}) == 200
    header = {**page, "X-XSRF-HEADER": '""'}
    assert send(namenode, "PUT", webhdfs("/doors/made", "MKDIRS"), header) == 200


def test_the_compiled_host_check_is_that_of_its_source(storage, tmp_path):
    compiler = jvm.java_home(storage.data_dir) / "bin" / "javac"
    if not compiler.exists():
        pytest.skip("this Java has no compiler")
    classpath = os.pathsep.join(map(str, hdfs.library_classpath()))
    source = hdfs.JAVA_CLASSES / "shopnow" / "HostCheck.java"
    subprocess.run(
        [compiler, "--release", "17", "-g:none", "-cp", classpath, "-d", tmp_path, source],
        check=True,
        capture_output=True,
    )
    assert contents(tmp_path / "shopnow") == contents(source.parent)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.class")}
