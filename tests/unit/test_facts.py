"""What can be known about where the tests run."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

from tcunit.facts import holds, interface_address, own_container_ids

A, B, C = "a" * 64, "b1" * 32, "0123456789abcdef" * 4

DOCKER_MOUNTS = """\
810 672 0:49 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X
811 810 0:52 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
817 810 8:1 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw
818 810 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
819 810 8:1 /var/lib/docker/containers/{id}/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw
"""  # noqa: E501
HOST_MOUNTS = """\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
300 25 0:60 / /var/lib/docker/containers/{id}/mounts/shm rw,nosuid,nodev shared:9 - tmpfs shm rw
301 25 0:61 / /run/docker/containers/{id}/secrets rw - tmpfs tmpfs rw
"""
CGROUP_V1 = """\
12:memory:/docker/{id}
11:cpu,cpuacct:/docker/{id}
1:name=systemd:/docker/{id}
0::/system.slice/containerd.service
"""


class OwnContainerTest(unittest.TestCase):
    """Under which ids an engine may know the container we run in."""

    def ids(self, *, mounts: str | None = None, groups: str | None = None) -> list[str]:
        """The ids in a ``/proc`` with these two files."""
        with tempfile.TemporaryDirectory() as folder:
            itself = Path(folder, "self")
            itself.mkdir()
            for name, text in [("mountinfo", mounts), ("cgroup", groups)]:
                if text is not None:
                    (itself / name).write_text(text)
            return own_container_ids(Path(folder))

    def test_cgroup_v1(self) -> None:
        """The control group names the container, once."""
        self.assertEqual([A], self.ids(groups=CGROUP_V1.format(id=A)))

    def test_cgroup_v2(self) -> None:
        """The control group is ``/``, and the mounts name the container."""
        self.assertEqual([A], self.ids(mounts=DOCKER_MOUNTS.format(id=A), groups="0::/\n"))

    def test_systemd_and_kubernetes_spellings(self) -> None:
        """The id is found within the words of other drivers."""
        for line in (
            f"0::/system.slice/docker-{B}.scope",
            f"5:cpu:/kubepods/burstable/pod0a1b/{B}",
            f"0::/kubepods.slice/cri-containerd-{B}.scope",
        ):
            with self.subTest(line=line):
                self.assertEqual([B], self.ids(groups=line))

    def test_a_rootless_engine(self) -> None:
        """The engine's folder may be anywhere."""
        line = f"9 8 8:1 /home/u/.local/share/docker/containers/{A}/hosts /etc/hosts rw - ext4 x rw"
        self.assertEqual([A], self.ids(mounts=line))

    def test_podman(self) -> None:
        """Podman's folder for containers has a name in front."""
        line = f"92 82 254:0 /run/overlay-containers/{A}/userdata/hosts /etc/hosts rw - ext4 x rw"
        self.assertEqual([A], self.ids(mounts=line))

    def test_none(self) -> None:
        """On a machine without containers, and where nothing can be read, there is no id."""
        for files in (
            {},
            {"mounts": "", "groups": ""},
            {"mounts": HOST_MOUNTS.splitlines()[0], "groups": "0::/user.slice/user-1000.slice\n"},
            {"groups": f"0::/docker/{A[:63]}\n"},
            {"mounts": DOCKER_MOUNTS.format(id="no-id")},
        ):
            with self.subTest(files=files):
                self.assertEqual([], self.ids(**files))

    def test_the_host_is_in_none_of_its_containers(self) -> None:
        """The host sees mounts of the containers that it runs, and takes none for its own."""
        self.assertEqual([], self.ids(mounts=HOST_MOUNTS.format(id=A), groups="0::/\n"))

    def test_mounts_come_first(self) -> None:
        """Where both name a container, the mounts are the surer sign; no id comes twice."""
        mounts = DOCKER_MOUNTS.format(id=A)
        self.assertEqual([A, B], self.ids(mounts=mounts, groups=CGROUP_V1.format(id=B)))
        self.assertEqual([A], self.ids(mounts=mounts, groups=CGROUP_V1.format(id=A)))

    def test_nested_engines(self) -> None:
        """A path of ids names the innermost container last, and that one is tried first."""
        groups = f"4:cpu:/docker/{A}/docker/{B}/docker/{C}\n"
        self.assertEqual([C, B, A], self.ids(groups=groups))

    def test_odd_bytes(self) -> None:
        """Bytes that are no UTF-8 do no harm."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "self").mkdir()
            Path(folder, "self/cgroup").write_bytes(b"1:x:/\xff\n2:y:/docker/" + A.encode())
            self.assertEqual([A], own_container_ids(Path(folder)))

    def test_dockerenv_means_nothing(self) -> None:
        """``/.dockerenv`` is in virtual machines, too: only ids count."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, ".dockerenv").touch()
            Path(folder, "proc/self").mkdir(parents=True)
            Path(folder, "proc/self/cgroup").write_text("0::/\n")
            self.assertEqual([], own_container_ids(Path(folder, "proc")))


@unittest.skipUnless(sys.platform == "linux", "interfaces are looked up on Linux only")
class InterfaceTest(unittest.TestCase):
    """Interfaces of our network namespace."""

    def test_loopback(self) -> None:
        """Loopback has its address, and holds that one only."""
        self.assertEqual("127.0.0.1", interface_address("lo"))
        actual = [holds("lo", address) for address in ("127.0.0.1", "127.0.0.2", "")]
        self.assertEqual([True, False, False], actual)

    def test_an_interface_that_is_not_here(self) -> None:
        """It has no address and holds none, the empty one included."""
        self.assertEqual("", interface_address("br-000000000000"))
        actual = [holds("br-000000000000", address) for address in ("127.0.0.1", "")]
        self.assertEqual([False, False], actual)
