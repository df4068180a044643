"""``$VAR`` in ``url`` and ``token`` (config-and-commands.md 1.2, last paragraph).

Where systemd has handed credentials to the service (``LoadCredential``, systemd.exec(5)), ``$NAME`` also
means the content of the one called NAME: a token then stands neither in config.toml nor in a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyrunner.errors import ConfigError

#: Names the folder of the credentials.
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"

# In the order in which they are tried: a name in braces, one special character in braces or bare,
# a name, an empty or unclosed brace (vanishes), any other dollar sign (stays).
_REFERENCE: Final = re.compile(
    r"\$(?:\{(?P<braced>[^}]+)\}|(?P<special>[*#$@!?0-9-])|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<broken>\{\}|\{))"
)


_CREDENTIAL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: Bytes; systemd itself takes a megabyte, no token or URL has as much.
_LONGEST_CREDENTIAL: Final = 1 << 16


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$name`` and ``${name}`` as gitlab-runner does; an unset variable gives nothing.

    :raises ConfigError: when a credential of this name is there but cannot be read.
    """

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["special"] or match["name"] or ""
        found = environ.get(name)
        return _credential(name, environ) if found is None else found

    return _REFERENCE.sub(value, text)


def _credential(name: str, environ: Mapping[str, str]) -> str:
    """Return the content of a credential without the line feed it may end in; empty when there is none."""
    folder = environ.get(CREDENTIALS_VARIABLE, "")
    if not folder or not _CREDENTIAL_NAME.match(name):
        return ""
    path = Path(folder) / name
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_CREDENTIAL + 1)
        if len(data) > _LONGEST_CREDENTIAL:
            raise ConfigError(f"credential {name} is longer than {_LONGEST_CREDENTIAL} bytes", str(path))
        return data.decode().rstrip("\r\n")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"credential {name} cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"credential {name} is not UTF-8 text", str(path)) from None
