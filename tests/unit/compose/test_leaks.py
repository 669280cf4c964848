"""Secrets are found wherever they are, and told by name."""

import gzip
import io
import tarfile

import pytest

from compose import leaks
from shopnow.cluster import make_secrets


@pytest.fixture(scope="module")
def made():
    return make_secrets.made()


def written(secrets: dict[str, str]) -> str:
    return "\n".join(f'SHOPNOW_{name.upper()}="{value}"' for name, value in secrets.items()) + "\n"


def test_every_secret_is_looked_for_but_the_public_certificate(made):
    assert set(leaks.needles(written(made))) == set(made) - {"kafka_authority"}


def test_without_quotes_too(made):
    found = leaks.needles(written(made).replace(f'"{made["redis_password"]}"', "guessed"))
    assert found["redis_password"] == [b"guessed"]


def test_one_that_is_missing_is_named(made):
    with pytest.raises(RuntimeError, match="SHOPNOW_REDIS_PASSWORD"):
        leaks.needles(written({name: value for name, value in made.items() if name != "redis_password"}))


def test_a_line_of_the_certificates_key_betrays_it(made):
    line = made["kafka_certificate"].splitlines()[2]
    assert leaks.held([f"x{line}y".encode()], leaks.needles(written(made))) == ["kafka_certificate"]
    public = made["kafka_certificate"].partition("-----END PRIVATE KEY-----")[2]
    assert leaks.held([public.encode()], leaks.needles(written(made))) == []


@pytest.mark.parametrize("cut", range(1, 10))
def test_one_in_two_pieces(cut):
    text = b"the password is seven, they say"
    assert leaks.held(
        [text[: 12 + cut], text[12 + cut :]], {"password": [b"is seven"], "other": [b"eight"]}
    ) == ["password"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_layer_of_a_saved_image(pack):
    layer, saved = io.BytesIO(), io.BytesIO()
    for stream, name, content in ((layer, "etc/secret", b"password=seven"), (saved, "blobs/sha256/1", None)):
        with tarfile.open(fileobj=stream, mode="w") as file:
            data = pack(layer.getvalue()) if content is None else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    saved.seek(0)
    assert leaks.in_layers(saved, {"password": [b"seven"], "other": [b"eight"]}) == ["password"]
    assert saved.read() == b""
