"""Imports what an image's `imports.toml` says it must, and looks that nothing is there that it must not have.

    python -P deploy/images/prove.py deploy/images/api/imports.toml

Run by the install script inside the new environment, so it knows nothing but the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import tomllib
from pathlib import Path


def problems(expected: dict[str, list[str]]) -> list[str]:
    """In words; none when the environment is as expected."""
    found = [f"{name}: not to be here" for name in expected["absent_modules"] if importlib.util.find_spec(name)]
    found += [f"{name}: not to be on PATH" for name in expected["absent_programs"] if shutil.which(name)]
    found += [f"{name}: not on PATH" for name in expected["programs"] if shutil.which(name) is None]
    for name in () if found else expected["modules"]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name}: {error}")
    return found


def main() -> None:
    path = Path(sys.argv[1])
    found = problems(tomllib.loads(path.read_text()))
    if found:
        sys.exit(f"{path} is not kept:\n" + "\n".join(f"  {line}" for line in found))
    sys.stdout.write(f"{path} is kept\n")


if __name__ == "__main__":
    main()
