"""``python -m pyrunner``: the same as the ``pyrunner`` command."""

from pyrunner.cli.main import main

if __name__ == "__main__":
    main()
