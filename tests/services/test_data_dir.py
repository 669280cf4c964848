"""The data directory is closed to other users by the first `up`, also one that was open before."""

import stat
from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import data_dir, stack
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_up_closes_a_data_directory_that_was_open(tmp_path):
    settings = settings_on_free_ports(tmp_path / "data")
    configuration = data_dir.configuration_file(settings)
    configuration.parent.mkdir(parents=True)
    configuration.touch()
    settings.data_dir.chmod(0o755)
    try:
        stack.up(settings, lambda subject, what: None, ["smtp"])
        assert mode(settings.data_dir) == 0o700
    finally:
        stack.down(settings)


def test_a_new_data_directory_is_closed_whatever_the_umask(tmp_path):
    settings = Settings(data_dir=tmp_path / "above" / "data")
    data_dir.make_private(settings)
    assert mode(settings.data_dir) == 0o700


@pytest.mark.parametrize("shared_mode", [0o755, 0o750, 0o1777])
def test_a_folder_with_files_of_others_stays_open(tmp_path, shared_mode):
    (tmp_path / "file of somebody else").touch()
    tmp_path.chmod(shared_mode)
    with pytest.raises(UserError, match="SHOPNOW_DATA_DIR"):
        data_dir.make_private(Settings(data_dir=tmp_path))
    assert mode(tmp_path) == shared_mode
