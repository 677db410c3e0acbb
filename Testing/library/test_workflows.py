"""GitHub's workflows and what they call: parsed, pinned, and tried on a made-up Slicer."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import io
import json
import re
import subprocess
import tarfile
import threading

import pytest
import yaml

from library.pages import ROOT

WORKFLOWS = {p.stem: p for p in sorted((ROOT / ".github/workflows").glob("*.yml"))}
MODULES = [p.parent.name for p in ROOT.glob("*/CMakeLists.txt")]


def script(name: str):
    """A file of Testing/in_slicer as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"Testing/in_slicer/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def steps(path) -> list[dict]:
    return [s for job in yaml.safe_load(path.read_text())["jobs"].values() for s in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS.values(), ids=WORKFLOWS)
def test_actions_are_pinned_and_rights_are_few(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) >= {"push", "pull_request"}  # YAML 1.1 reads `on` as true
    uses = [step["uses"] for step in steps(path) if "uses" in step]
    assert uses and all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", one) for one in uses)
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90


@pytest.mark.parametrize("path", WORKFLOWS.values(), ids=WORKFLOWS)
def test_scripts_are_bash_and_call_what_is_there(path):
    for step in steps(path):
        if "run" not in step:
            continue
        text = re.sub(r"\$\{\{.*?\}\}", "value", step["run"])
        done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        for name in re.findall(r"(?:Testing|\.ci)/[\w./]+", text):
            assert (ROOT / name).is_file(), name


def test_slicers_of_all_systems_run_all_modules():
    job = yaml.safe_load(WORKFLOWS["slicer"].read_text())["jobs"]["slicer"]
    matrix = job["strategy"]["matrix"]
    assert {one.partition("-")[0] for one in matrix["os"]} == {"ubuntu", "windows", "macos"}
    assert matrix["stability"] == ["release", "nightly"]
    [last] = [step["run"] for step in job["steps"] if step.get("name") == "Tests"]
    assert (
        set(MODULES) == set(script("run").MODULES) == set(re.findall(r"\w+", last)) & set(MODULES)
    )


@pytest.fixture
def server():
    """A server like Slicer's, with one package; its address and what was asked."""
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        for name in (
            "Slicer-5.12.2-linux-amd64/Slicer",
            "Slicer-5.12.2-linux-amd64/bin/PythonSlicer",
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode = 3, 0o755
            archive.addfile(info, io.BytesIO(b"#!\n"))
    data, asked = package.getvalue(), []
    record = {
        "download_url": "/bitstream/1",
        "version": "5.12.2",
        "revision": "34000",
        "sha512": hashlib.sha512(data).hexdigest(),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = self.path.startswith("/find")
            body = json.dumps(record).encode() if found else data
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http_server.server_port}", asked, record
    http_server.shutdown()
    http_server.server_close()


def test_a_slicer_is_found_downloaded_checked_and_unpacked(server, tmp_path, capsys, monkeypatch):
    address, asked, record = server
    install = script("install")
    monkeypatch.setattr(install.sys, "platform", "linux")
    options = ["--server", address, "--stability", "nightly", "--version", "5.12"]
    assert install.main([str(tmp_path / "a"), *options]) == 0
    program = tmp_path / "a/Slicer/Slicer-5.12.2-linux-amd64/Slicer"
    assert capsys.readouterr().out.splitlines() == ["Slicer 5.12.2 revision 34000", str(program)]
    assert asked == ["/find?os=linux&stability=nightly&version=5.12", "/bitstream/1"]
    assert script("packages").python_of(program) == program.parent / "bin/PythonSlicer"
    assert not (tmp_path / "a/Slicer.tar.gz").exists()
    record["sha512"] = "0" * 128
    with pytest.raises(ValueError, match="SHA-512"):
        install.main([str(tmp_path / "b"), "--server", address])
    del record["download_url"]
    with pytest.raises(LookupError, match="no such build"):
        install.main([str(tmp_path / "c"), "--server", address])


def test_the_packages_for_slicer_are_those_of_the_project():
    wanted = script("packages").requirements()
    assert {"numba>=0.60", "torch>=2.4", "av>=12"} <= set(wanted)
    assert not any(one.startswith(("meddl", "PySide6", "slicer-core")) for one in wanted)


def test_an_unknown_module_is_no_success(capsys):
    assert script("run").run(["NoModule"]) == 1
    assert "no module NoModule; there is: SlicerMedDL, DeepDRRModule" in capsys.readouterr().err
