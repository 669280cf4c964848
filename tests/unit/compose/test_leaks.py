"""Leaked secrets are found anywhere in a text or image, and reported by name."""

import gzip
import io
import tarfile

import pytest

from compose import leaks
from shopnow.cluster import make_secrets


@pytest.fixture(scope="module")
def secrets():
    return make_secrets.generate_secrets()


def env_file(secrets: dict[str, str]) -> str:
    return "\n".join(f'SHOPNOW_{name.upper()}="{value}"' for name, value in secrets.items()) + "\n"


def test_every_secret_except_the_public_certificates_is_searched_for(secrets):
    assert set(leaks.needles(env_file(secrets))) == set(secrets) - {"kafka_authority", "redis_authority"}


@pytest.mark.parametrize("text", [b'a "b"@c', rb"a \"b\"@c", b"redis://:a%20%22b%22%40c@redis"])
def test_secret_is_found_as_spelled_in_json_and_urls(secrets, text):
    env = env_file(secrets).replace(f'"{secrets["redis_password"]}"', """'a "b"@c'""")
    assert leaks.search([text], leaks.needles(env)) == ["redis_password"]


def test_value_without_quotes_is_parsed(secrets):
    needles = leaks.needles(env_file(secrets).replace(f'"{secrets["redis_password"]}"', "guessed"))
    assert needles["redis_password"] == [b"guessed"]


def test_missing_secret_is_named_in_the_error(secrets):
    with pytest.raises(RuntimeError, match="SHOPNOW_REDIS_PASSWORD"):
        leaks.needles(env_file({name: value for name, value in secrets.items() if name != "redis_password"}))


def test_line_of_the_private_key_reveals_the_certificate(secrets):
    line = secrets["kafka_certificate"].splitlines()[2]
    assert leaks.search([f"x{line}y".encode()], leaks.needles(env_file(secrets))) == ["kafka_certificate"]
    public = secrets["kafka_certificate"].partition("-----END PRIVATE KEY-----")[2]
    assert leaks.search([public.encode()], leaks.needles(env_file(secrets))) == []


@pytest.mark.parametrize("cut", range(1, 10))
def test_secret_that_spans_two_chunks_is_found(cut):
    text = b"the password is seven, they say"
    assert leaks.search(
        [text[: 12 + cut], text[12 + cut :]], {"password": [b"is seven"], "other": [b"eight"]}
    ) == ["password"]


@pytest.mark.parametrize("encode", [bytes, gzip.compress])
def test_secret_in_a_layer_of_a_saved_image_is_found(encode):
    layer, archive = io.BytesIO(), io.BytesIO()
    for stream, name, content in (
        (layer, "etc/secret", b"password=seven"),
        (archive, "blobs/sha256/1", None),
    ):
        with tarfile.open(fileobj=stream, mode="w") as file:
            data = encode(layer.getvalue()) if content is None else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    archive.seek(0)
    assert leaks.search_image(archive, {"password": [b"seven"], "other": [b"eight"]}) == ["password"]
    assert archive.read() == b""
