"""Keys are made once, wrapped by a master, bound to what they seal, and gone when they are erased."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clip_platform.encryption.keys import Keys
from clip_platform.encryption.opening import keys_at
from clip_platform.errors import CorruptArtifact, InvalidSetting


def keys_in(folder: Path, master: str = "master.json", **options: object) -> Keys:
    return keys_at((folder / master).as_uri(), (folder / "keys").as_uri(), make=True, **options)  # type: ignore[arg-type]


def test_a_sealed_column_opens_in_its_own_place_only(tmp_path: Path):
    columns = keys_in(tmp_path).columns
    sealed = columns.seal("acme", "members.email", "mem_1", "ada@example.org")

    assert columns.open("acme", "members.email", "mem_1", sealed) == "ada@example.org"
    assert b"ada" not in sealed
    for place in (
        ("globex", "members.email", "mem_1"),
        ("acme", "members.subject", "mem_1"),
        ("acme", "members.email", "mem_2"),
    ):
        with pytest.raises(CorruptArtifact, match="cannot be opened"):
            columns.open(*place, sealed)


def test_an_index_is_the_same_for_the_same_text_and_no_other(tmp_path: Path):
    columns = keys_in(tmp_path).columns

    index = columns.index("", "members.subject", "ada")

    assert index == keys_in(tmp_path).columns.index("", "members.subject", "ada")
    others = [("", "members.subject", "adb"), ("acme", "members.subject", "ada"), ("", "members.email", "ada")]
    assert index not in [columns.index(*other) for other in others]
    assert len(index) == 32


def test_another_process_opens_what_the_first_one_sealed(tmp_path: Path):
    sealed = keys_in(tmp_path).tenants.stream_cipher("acme").seal_part("acme/x/y", 0, 1, b"words")

    assert keys_in(tmp_path).tenants.stream_cipher("acme").open_part("acme/x/y", 0, 1, sealed) == b"words"


def test_of_many_who_make_a_tenants_key_at_once_all_get_the_same(tmp_path: Path):
    keys_in(tmp_path)  # the master is there
    openers = [keys_in(tmp_path) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda keys: keys.tenants.stream_cipher("acme").seal_part("k/k", 0, 1, b"x"), openers))

    opener = keys_in(tmp_path).tenants.stream_cipher("acme")
    assert [opener.open_part("k/k", 0, 1, one) for one in sealed] == [b"x"] * 8


def test_with_its_key_erased_a_tenants_bytes_are_gone_and_others_stay(tmp_path: Path):
    keys = keys_in(tmp_path)
    sealed = {name: keys.tenants.stream_cipher(name).seal_part("k/k", 0, 1, b"x") for name in ("acme", "globex")}

    keys.tenants.erase("acme")

    with pytest.raises(CorruptArtifact):
        keys_in(tmp_path).tenants.stream_cipher("acme").open_part("k/k", 0, 1, sealed["acme"])
    assert keys_in(tmp_path).tenants.stream_cipher("globex").open_part("k/k", 0, 1, sealed["globex"]) == b"x"


def test_the_use_of_a_tenants_key_is_told_once_a_process(tmp_path: Path):
    told: list[tuple[str, str]] = []
    keys = keys_in(tmp_path, on_use=lambda tenant_id, purpose: told.append((tenant_id, purpose)))

    for _ in range(3):
        keys.tenants.stream_cipher("acme")

    assert told == [("acme", "objects")]


def test_keys_wrapped_with_another_master_are_refused_by_name(tmp_path: Path):
    keys_in(tmp_path).tenants.stream_cipher("acme")

    with pytest.raises(CorruptArtifact, match=r"tenants/acme cannot be unwrapped .* CLIP_PLATFORM_MASTER_KEY"):
        keys_in(tmp_path, "other.json").tenants.stream_cipher("acme")


def test_a_wrapped_key_moved_to_another_tenant_does_not_unwrap(tmp_path: Path):
    keys_in(tmp_path).tenants.stream_cipher("acme")
    (tmp_path / "keys/tenants/acme.json").rename(tmp_path / "keys/tenants/globex.json")

    with pytest.raises(CorruptArtifact, match="tenants/globex"):
        keys_in(tmp_path).tenants.stream_cipher("globex")


def test_the_master_is_for_this_user_alone_and_never_made_where_it_was_named(tmp_path: Path):
    keys_in(tmp_path)
    path = tmp_path / "master.json"

    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(found.name for found in tmp_path.iterdir()) == ["keys", "master.json"]
    path.chmod(0o644)
    with pytest.raises(InvalidSetting, match="chmod 600"):
        keys_in(tmp_path)
    path.unlink()
    with pytest.raises(InvalidSetting, match="is not there; restore it"):
        keys_at(path.as_uri(), (tmp_path / "keys").as_uri())


@pytest.mark.parametrize("address", ["", "master.json", "file://host/x", "gcp-kms://x", "file:relative"])
def test_an_address_that_names_no_master_is_refused(tmp_path: Path, address: str):
    with pytest.raises(InvalidSetting, match="master key"):
        keys_at(address, (tmp_path / "keys").as_uri())


def test_a_damaged_master_is_named(tmp_path: Path):
    (tmp_path / "master.json").write_text("{}")
    (tmp_path / "master.json").chmod(0o600)

    with pytest.raises(InvalidSetting, match="no keyset that can be read"):
        keys_in(tmp_path)


def test_a_derived_secret_is_the_same_everywhere_and_differs_by_purpose(tmp_path: Path):
    assert keys_in(tmp_path).secret("urls") == keys_in(tmp_path).secret("urls")
    assert keys_in(tmp_path).secret("urls") != keys_in(tmp_path).secret("cookies")
