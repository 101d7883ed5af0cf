"""Images, as far as they can be proven without building them: what each imports, and where its bases come from."""

import re
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import click
import httpx
import pytest
from packaging.requirements import Requirement

from deploy.images import pin, requirements

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"
NAMES = ("api", "pipeline", "gpu")
_METADATA = {"METADATA", "PKG-INFO"}
"""Of a wheel, and of a checkout that is installed as it lies."""
_DIGEST = "sha256:" + "5a" * 32


@pytest.fixture(scope="module")
def api_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a clean environment with what `api/requirements.txt` brings, the package, and nothing else."""
    folder = tmp_path_factory.mktemp("api")
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    wanted = [Requirement(line) for line in _lines(requirements.WRITTEN)]
    for name in requirements.closure(wanted):
        for file in distribution(name).files or ():
            if ".." not in file.parts:
                _link(packages, Path(distribution(name).locate_file("")), file.parts)
    (packages / "clip_platform").symlink_to(ROOT / "clip_platform")
    metadata = next(file for file in distribution("clip-platform").files or () if file.name in _METADATA)
    (packages / metadata.parent.name).symlink_to(Path(metadata.locate()).parent)
    return folder / "bin" / "python"


def _link(packages: Path, installed: Path, parts: tuple[str, ...]) -> None:
    """The largest part of a file's way that is one distribution's own: folders without `__init__.py` are shared."""
    for depth in range(1, len(parts) + 1):
        way = Path(*parts[:depth])
        if depth == len(parts) or (installed / way / "__init__.py").exists() or way.suffix in (".dist-info", ".libs"):
            if not (packages / way).exists():
                (packages / way).parent.mkdir(parents=True, exist_ok=True)
                (packages / way).symlink_to(installed / way)
            return


def test_the_api_image_installs_what_the_api_imports() -> None:
    """Stale when a route begins to import something else."""
    text = requirements.WRITTEN.read_text().splitlines()[1:]

    assert text == [str(one) for one in requirements.needed(requirements.imported_modules())]


def test_a_module_that_no_dependency_brings_is_an_error() -> None:
    with pytest.raises(click.ClickException, match="pytest: imported by the API"):
        requirements.needed({"httpx", "pytest"})


def test_the_api_starts_where_nothing_else_is_installed(api_python: Path, tmp_path: Path) -> None:
    """Its OpenAPI document is what the whole app gives, so all of it was put together."""
    proof = [api_python, "-BP", IMAGES / "prove.py", IMAGES / "api" / "imports.toml"]

    proven = subprocess.run(proof, capture_output=True, text=True, check=False)
    describe = [api_python, "-BP", "-m", "clip_platform", "openapi", tmp_path / "openapi.json"]
    described = subprocess.run(describe, capture_output=True, text=True, check=False, cwd="/")

    assert proven.returncode == 0, proven.stderr
    assert described.returncode == 0, described.stderr
    assert (tmp_path / "openapi.json").read_text() == (ROOT / "docs" / "openapi.json").read_text()


def test_an_environment_with_too_much_is_not_kept() -> None:
    """This one, which has Dagster."""
    proof = [sys.executable, "-P", IMAGES / "prove.py", IMAGES / "api" / "imports.toml"]

    proven = subprocess.run(proof, capture_output=True, text=True, check=False)

    assert proven.returncode == 1
    assert "dagster: not to be here" in proven.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_built_in_stages_on_a_pinned_base_and_runs_as_nobody_in_particular(name: str) -> None:
    text = (IMAGES / name / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]

    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert "ARG PYTHON_IMAGE\n" in text, "a default would be a base without digest"
    assert len(re.findall(r"^FROM ", text, re.MULTILINE)) == 2
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert f"deploy/images/install {name} /opt/clip-platform" in text
    assert not re.search(r"pip install|curl|wget|ADD ", last), "the last stage installs nothing but Debian's packages"


def test_only_images_that_decode_have_ffmpeg() -> None:
    has = {name: "--no-install-recommends ffmpeg" in (IMAGES / name / "Dockerfile").read_text() for name in NAMES}

    assert has == {"api": False, "pipeline": True, "gpu": True}


@pytest.mark.parametrize(
    ("arguments", "message"), [(("api", "."), "is not empty"), (("web", "new"), "web is no image")]
)
def test_the_install_script_refuses_what_it_cannot_do(arguments: tuple[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = subprocess.run([IMAGES / "install", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ended.returncode, message in ended.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("text", ["python:3.11", "docker.io/library/python:latest", "docker.io/library/python", ""])
def test_a_base_names_registry_and_version(text: str) -> None:
    with pytest.raises(click.ClickException, match="expected registry/repository:version"):
        pin.Image.parse(text)


def test_the_bases_name_registry_and_version() -> None:
    assert [str(pin.Image.parse(value)) for value in pin.read_images(pin.BASES).values()]


def test_a_digest_is_the_registrys_own(registry: str) -> None:
    with httpx.Client() as client:
        digest = pin.digest_of(pin.Image(registry, "library/python", "3.11"), client)

    assert digest == _DIGEST


@pytest.mark.parametrize(("tag", "message"), [("3.99", "404"), ("odd", "gave 'md5:1'")])
def test_no_digest_is_made_up(tag: str, message: str, registry: str) -> None:
    with httpx.Client() as client, pytest.raises(click.ClickException, match=message):
        pin.digest_of(pin.Image(registry, "library/python", tag), client)


@pytest.fixture
def registry() -> Iterator[str]:
    """Anonymous tokens and two manifests, as the OCI distribution specification has it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert self.path == "/token?service=here&scope=repository%3Alibrary%2Fpython%3Apull"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "secret"}')

    def do_HEAD(self) -> None:
        digests = {"/v2/library/python/manifests/3.11": _DIGEST, "/v2/library/python/manifests/odd": "md5:1"}
        if self.headers.get("Authorization") != "Bearer secret":
            self.send_response(401)
            address = f"http://127.0.0.1:{self.server.server_port}/token"  # type: ignore[attr-defined]
            scope = 'scope="repository:library/python:pull"'
            self.send_header("WWW-Authenticate", f'Bearer realm="{address}",service="here",{scope}')
        elif self.path in digests and "oci.image.index" in self.headers["Accept"]:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", digests[self.path])
        else:
            self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
