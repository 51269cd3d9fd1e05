"""Which file systems are polled."""

import pytest

from producer.watch import file_system_of, hears_no_events

TABLE = """\
/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
nas:/films /mnt/nas nfs4 rw 0 0
//pc/share /mnt/my\\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
tmpfs /mnt/nas/fast tmpfs rw 0 0
broken
"""


@pytest.fixture
def table(tmp_path):
    there = tmp_path / "mounts"
    there.write_text(TABLE)
    return there


@pytest.mark.parametrize(
    ("path", "deaf", "kind"),
    [
        ("/home/me", False, "ext4"),
        ("/mnt/nas", True, "nfs4"),
        ("/mnt/nas/a/b", True, "nfs4"),
        ("/mnt/nasty", False, "ext4"),
        ("/mnt/my share/x", True, "cifs"),
        ("/mnt/ssh/x", True, "fuse.sshfs"),
        ("/mnt/nas/fast/x", False, "tmpfs"),
    ],
)
def test_the_longest_mount_point_decides(table, path, deaf, kind):
    assert hears_no_events(path, table) == (deaf, kind)


def test_without_a_table_nothing_is_known(tmp_path):
    assert file_system_of("/x", tmp_path / "none") == ""
