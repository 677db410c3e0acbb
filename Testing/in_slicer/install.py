"""Downloads 3D Slicer and unpacks it: python Testing/in_slicer/install.py FOLDER.

``--stability release`` is the stable version, ``nightly`` the preview. The path of the program is
printed last, for the next step of a workflow. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from urllib.parse import urlencode, urljoin

SERVER = "https://download.slicer.org"
SYSTEMS = {"linux": "linux", "darwin": "macosx", "win32": "win"}
PROGRAMS = {"linux": "Slicer", "macosx": "Contents/MacOS/Slicer", "win": "Slicer.exe"}


def find(system: str, stability: str, version: str | None, server: str = SERVER) -> dict[str, str]:
    """What the server knows of the newest build: ``download_url``, ``version``, ``revision``, …

    Raises:
        LookupError: there is no such build.
    """
    query = {"os": system, "stability": stability} | ({"version": version} if version else {})
    url = f"{server}/find?{urlencode(query)}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        found = json.load(answer)
    if not found.get("download_url"):
        raise LookupError(f"{url} knows no such build: {str(found)[:200]}")
    return found


def download(url: str, path: Path) -> str:
    """Save a file; returns the SHA-512 of its bytes, in hexadecimal."""
    digest = hashlib.sha512()
    with urllib.request.urlopen(url, timeout=300) as source, path.open("wb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def unpack(package: Path, folder: Path, system: str) -> Path:
    """Unpack or install a package into ``folder``; returns the path of the program.

    Raises:
        LookupError: the package holds no program.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if system == "linux":
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
    elif system == "win":  # NSIS wants its folder last and unquoted
        subprocess.run(f'"{package}" /S /D={folder.resolve()}', check=True)
    else:
        mounted = folder / "mounted"
        attach = ["hdiutil", "attach", "-nobrowse", "-readonly", "-mountpoint", mounted, package]
        subprocess.run(attach, input=b"Y\n", check=True)  # agrees where a licence is shown
        try:
            [bundle] = mounted.glob("*.app")
            subprocess.run(["cp", "-R", bundle, folder], check=True)
        finally:
            subprocess.run(["hdiutil", "detach", mounted], check=True)
    programs = [*folder.glob(PROGRAMS[system]), *folder.glob(f"*/{PROGRAMS[system]}")]
    if not programs:
        raise LookupError(f"{package} holds no {PROGRAMS[system]}")
    return programs[0]


def main(arguments: list[str] | None = None) -> int:
    """Find, download, unpack; prints what was found and, last, the program's path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stability", choices=["release", "nightly"], default="release")
    parser.add_argument(
        "--version", help="5.12, 5.12.2: the newest of these, not the newest of all"
    )
    parser.add_argument("--server", default=SERVER)
    args = parser.parse_args(arguments)
    system = SYSTEMS[sys.platform]
    found = find(system, args.stability, args.version, args.server)
    print(f"Slicer {found.get('version')} revision {found.get('revision')}", flush=True)
    args.folder.mkdir(parents=True, exist_ok=True)
    package = args.folder / {"linux": "Slicer.tar.gz", "win": "Slicer.exe"}.get(
        system, "Slicer.dmg"
    )
    digest = download(urljoin(args.server, found["download_url"]), package)
    expected = found.get("sha512")  # old builds have none
    if expected and digest != expected:
        raise ValueError(f"{package} has SHA-512 {digest}, the server names {expected}")
    program = unpack(package, args.folder / "Slicer", system)
    package.unlink()
    print(program.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
