"""Asks the registries for the digests of the images in `bases` and writes them to `bases.lock`; makes none up.

python -m deploy.images.pin [--check]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

FOLDER = Path(__file__).parent
BASES = FOLDER / "bases"
LOCK = FOLDER / "bases.lock"
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Image:
        """
        Raises:
            click.ClickException: not `registry/repository:tag`.
        """
        match = re.fullmatch(r"([\w.-]+(?::\d+)?)/([\w./-]+):([\w.-]+)", text)
        if match is None or match[3] == "latest":
            raise click.ClickException(f"{text}: expected registry/repository:version; latest is no version")
        return cls(*match.groups())

    @property
    def address(self) -> str:
        host = "registry-1.docker.io" if self.registry == "docker.io" else self.registry
        scheme = "http" if host.startswith("127.0.0.1:") else "https"
        return f"{scheme}://{host}/v2/{self.repository}/manifests/{self.tag}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


def read_images(path: Path) -> Mapping[str, str]:
    """`NAME=value` lines; the same file is read by the build script and by compose."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def digest_of(image: Image, client: httpx.Client) -> str:
    """As the registry gives it (OCI distribution spec 1.1, "Pulling manifests"), by its own way of anonymous tokens.

    Raises:
        click.ClickException: the registry does not answer, does not know the image, or names no digest.
    """
    try:
        answer = client.head(image.address, headers={"Accept": _MANIFESTS})
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = _token(answer.headers.get("WWW-Authenticate", ""), client)
            headers = {"Accept": _MANIFESTS, "Authorization": f"Bearer {token}"}
            answer = client.head(image.address, headers=headers)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise click.ClickException(f"{image}: {error}; is the version right and the registry reachable?") from error
    digest = answer.headers.get("Docker-Content-Digest", "")
    if not _DIGEST.fullmatch(digest):
        raise click.ClickException(f"{image}: the registry gave {digest!r} for a digest, expected sha256:…")
    return str(digest)


def _token(challenge: str, client: httpx.Client) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", None)
    if realm is None:
        raise click.ClickException(f"the registry wants a sign-in that is not Bearer: {challenge!r}")
    answer = client.get(realm, params=fields).raise_for_status().json()
    return str(answer.get("token") or answer.get("access_token"))


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when an image has no digest or another version has.")
def main(check: bool) -> None:
    bases = {name: Image.parse(value) for name, value in read_images(BASES).items()}
    if check:
        _check(bases)
        return
    with httpx.Client(timeout=30, follow_redirects=True) as client:
        digests = {name: digest_of(image, client) for name, image in bases.items()}
    text = "".join(f"{name}={bases[name]}@{digest}\n" for name, digest in digests.items())
    LOCK.write_text(f"# Written by: python -m deploy.images.pin\n{text}")


def _check(bases: Mapping[str, Image]) -> None:
    locked = read_images(LOCK) if LOCK.exists() else {}
    stale = [name for name, image in bases.items() if not locked.get(name, "").startswith(f"{image}@sha256:")]
    if stale or set(locked) != set(bases):
        raise click.ClickException(
            f"{LOCK.name} lacks {', '.join(stale) or 'nothing, but has more'}; run without --check"
        )


if __name__ == "__main__":
    main()
