"""`clip-platform` and `python -m clip_platform`."""

from clip_platform.cli.commands import main

if __name__ == "__main__":
    main()
