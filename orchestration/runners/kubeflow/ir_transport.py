# SPDX-License-Identifier: Apache-2.0
"""How the compiled pipeline gets into the containers.

Kubeflow hands a container its arguments through several processes, each of which takes it
as one argument of its own, and Linux allows 128 KiB for one; all of them together have to
fit into one Kubernetes object of 1.5 MiB. Three ways, therefore:

    embed    compressed, as an argument of every container: nothing else is needed.
             11 nodes of a real pipeline with its user code: 54 KB, embedded 14 KB each.
    upload   a file named by its digest, in a folder that the containers can read
    image    a file in the image, put there when it is built

`auto` embeds what is small enough, and uploads the rest.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from typing import Literal

from ....utils import storage
from ....utils.errors import IRError
from ...ir import PipelineIR

Transport = Literal["auto", "embed", "upload", "image"]

#: Most that one container's argument may hold, in bytes.
LONGEST_ARGUMENT = 64 * 1024
#: Most that the arguments of all containers may hold together, in bytes.
LONGEST_TOGETHER = 512 * 1024

#: Where the compiled pipeline lies in an image that holds it.
IMAGE_PATH = "/opt/penstock/pipeline.json"


@dataclass(frozen=True)
class SentIR:
    """A compiled pipeline on its way into containers.

    Attributes:
        arguments: What containers are told of it.
        uri: Where it has to lie when they start; empty where the arguments hold it.
        data: The JSON text.
    """

    arguments: tuple[str, ...]
    uri: str
    data: bytes

    def upload(self) -> None:
        """Writes it where containers look for it, unless it is there already.

        Raises:
            StorageError: It cannot be written.
        """
        if self.uri and not storage.exists(self.uri):
            storage.write_bytes_atomic(self.uri, self.data)


def send(ir: PipelineIR, transport: Transport, folder: str, containers: int) -> SentIR:
    """Decides how the IR travels.

    Args:
        ir: The compiled pipeline.
        transport: Which way.
        folder: Where it is uploaded to.
        containers: How many containers need it.

    Raises:
        IRError: It is too large to be embedded, or there is no folder to upload it to.
    """
    data = ir.to_json().encode()
    digest = hashlib.sha256(data).hexdigest()
    if transport in ("auto", "embed"):
        # zlib rather than gzip: no time stamp, so equal pipelines give equal text.
        text = base64.b64encode(zlib.compress(data, 9)).decode()
        fits = len(text) <= LONGEST_ARGUMENT and len(text) * containers <= LONGEST_TOGETHER
        if fits:
            return SentIR(("--ir-data", text), "", data)
        if transport == "embed":
            raise IRError(
                f"pipeline {ir.name!r} is too large to travel in its containers' arguments",
                expected=f"{LONGEST_ARGUMENT} bytes each, {LONGEST_TOGETHER} together",
                got=f"{len(text)} bytes for each of {containers} containers",
                fix="ir='upload'",
            )
    if transport == "image":
        return SentIR(("--ir", IMAGE_PATH, "--ir-digest", digest), "", data)
    if not folder or (storage.is_local(folder) and not folder.startswith("/")):
        raise IRError(
            f"there is no place to upload pipeline {ir.name!r} to",
            expected="a URL or an absolute path that the containers can read",
            got=repr(folder),
            fix="ir_folder='s3://bucket/folder', or ir='image' with penstock image build --ir",
        )
    uri = storage.join(folder, f"{digest}.json")
    return SentIR(("--ir", uri, "--ir-digest", digest), uri, data)


def receive(data: str, uri: str, digest: str) -> bytes:
    """The JSON text in a container, from what it was told.

    Args:
        data: What `--ir-data` holds, if it was embedded.
        uri: Where it lies otherwise.
        digest: What the file there must have.

    Raises:
        StorageError: It cannot be read.
        IRError: It is not what was compiled.
    """
    if data:
        return zlib.decompress(base64.b64decode(data, validate=True))
    found = storage.read_bytes(uri)
    actual = hashlib.sha256(found).hexdigest()
    if digest and actual != digest:
        raise IRError(
            f"{uri} is not the pipeline that this task was compiled from",
            expected=f"sha256 {digest}",
            got=f"sha256 {actual}",
            fix="compile the pipeline again and upload both, or build the image again",
        )
    return found
