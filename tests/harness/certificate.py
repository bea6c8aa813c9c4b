"""Certificates made for a test, by the openssl program."""

import shutil
import ssl
import subprocess
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
KINDS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}


class Certificate:
    """A self-signed one with its key, in two files."""

    def __init__(self, folder, name="server", kind="ec", days=30):
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", *KINDS[kind], "-nodes", "-days", str(days), "-subj", "/CN=localhost"]
        subprocess.run([*command, "-addext", NAMES, "-keyout", self.key, "-out", self.cert], check=True, capture_output=True)

    @property
    def flags(self):
        return ["--tls-cert", self.cert, "--tls-key", self.key]

    def context(self):
        """Of a client that trusts this one and no other."""
        return ssl.create_default_context(cafile=str(self.cert))

    def become(self, other):
        """The files of this one get the other's contents, each in one step."""
        for mine, theirs in ((self.key, other.key), (self.cert, other.cert)):
            fresh = mine.with_suffix(".fresh")
            shutil.copy(theirs, fresh)
            fresh.rename(mine)
