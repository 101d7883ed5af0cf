"""One server: closed to the network, and without a secret that somebody else could know."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from clip_platform.database.roles import ROLES
from clip_platform.settings import Settings
from deploy.images import pin

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service or name in ("api", "code"), "those two have their image's"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "privileged" not in service


def test_no_secret_has_a_default() -> None:
    asked = re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", TEXT)

    assert asked
    assert [name for name, rest in asked if not rest.startswith(":?")] == []
    assert not re.search(r"PASSWORD\w*: (?!\"?\$\{)\S", TEXT)


def test_the_example_names_every_secret_and_gives_none() -> None:
    example = pin.read_images(ROOT / "deploy" / "compose.env.example")

    assert set(example) == set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert set(example.values()) == {""}


def test_every_role_gets_a_password() -> None:
    given = SERVICES["provision"]["environment"]

    assert {f"{role.upper()}_PASSWORD" for role in ROLES} <= set(given)


@pytest.mark.parametrize("name", SERVICES)
def test_settings_are_the_programs_own(name: str) -> None:
    if name == "provision":
        pytest.skip("reads passwords of roles, no settings")
    known = {f"CLIP_PLATFORM_{setting.upper()}" for setting in Settings.model_fields}

    given = {one for one in SERVICES[name].get("environment", {}) if one.startswith("CLIP_PLATFORM_")}
    assert given <= known


def test_images_of_others_are_the_pinned_ones() -> None:
    pinned = set(pin.read_images(pin.BASES).values())

    others = {service["image"] for service in SERVICES.values() if not service["image"].startswith("clip-platform/")}
    assert others <= pinned


def test_the_database_is_on_the_inner_network_alone() -> None:
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["inside"]
    assert yaml.safe_load(TEXT)["networks"]["inside"] == {"internal": True}
    assert "ports" not in SERVICES["postgres"]


def test_only_the_migration_is_the_owner() -> None:
    owners = [
        name for name, one in SERVICES.items() if "CLIP_PLATFORM_DATABASE_OWNER_PASSWORD" in one.get("environment", {})
    ]

    assert owners == ["migrate"]
