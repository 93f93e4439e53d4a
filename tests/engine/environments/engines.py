"""Engines in containers: their options, their certificates, and what they are given."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tcunit import DockerContainer, wait
from tcunit._docker import Engine
from tcunit.images import with_prefix
from tcunit.settings import IMAGE_PREFIX, Settings
from tests.engine.helpers import engine
from tests.stand_ins.system import run

# Enough for an engine, and far less than --privileged.
RIGHTS: dict[str, Any] = {
    "cap_add": ["SYS_ADMIN", "NET_ADMIN"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
}
IMAGES = ("nginx:alpine", "redis:alpine")
ANSWERS = wait.for_log(r"API listen on \[::\]:237")


def engine_container(certificates: Path | None = None) -> DockerContainer:
    """An engine with a network namespace and a 172.17.0.1 of its own.

    It listens on port 2375, or with certificates on port 2376.
    """
    made = DockerContainer("docker:dind").with_kwargs(**RIGHTS).waiting_for(ANSWERS)
    if certificates is None:
        return made.with_env("DOCKER_TLS_CERTDIR", "")
    return made.with_volume_mapping(str(certificates), "/certs").with_env(
        "DOCKER_TLS_CERTDIR", "/certs"
    )


def give_images(*others: Engine, images: Sequence[str] = IMAGES) -> None:
    """Load images into engines, by default those that probes use."""
    prefix = Settings().get(IMAGE_PREFIX)
    names = [with_prefix(each, prefix) for each in images]
    with tempfile.NamedTemporaryFile() as archive:
        api = engine().client.api
        answer = api.get(f"{api.base_url}/images/get", params={"names": names}, stream=True)
        for chunk in answer.iter_content(1 << 20):
            archive.write(chunk)
        archive.flush()
        with ThreadPoolExecutor(len(others)) as workers:
            list(workers.map(lambda other: _load(other, archive.name), others))


def _load(other: Engine, archive: str) -> None:
    with open(archive, "rb") as content:
        list(other.client.api.load_image(content))


def make_certificates(folder: Path, *names: str) -> None:
    """Make an authority, a server's key for some names, and a client's key.

    ``server`` has what the engine takes, ``client`` what ``DOCKER_CERT_PATH`` has to name.
    """
    for each in ("ca", "server", "client"):
        (folder / each).mkdir()
    authority = folder / "ca"
    # Python takes no authority without this from 3.13 on.
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign",
             "-keyout", authority / "key.pem", "-out", authority / "ca.pem")  # fmt: skip
    _sign(folder, "server", "subjectAltName=" + ",".join(names))
    _sign(folder, "client", "extendedKeyUsage=clientAuth")


def _sign(folder: Path, who: str, extension: str) -> None:
    authority, own = folder / "ca", folder / who
    (own / "extensions").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={who}",
             "-keyout", own / "key.pem", "-out", own / "request.pem")  # fmt: skip
    _openssl("x509", "-req", "-in", own / "request.pem", "-out", own / "cert.pem", "-days", "2",
             "-CA", authority / "ca.pem", "-CAkey", authority / "key.pem", "-CAcreateserial",
             "-extfile", own / "extensions")  # fmt: skip
    (own / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())


def _openssl(*words: str | Path) -> None:
    run("openssl", *map(str, words))
