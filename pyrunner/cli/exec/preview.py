"""``--preview``: the configuration as one file, includes and extends resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pyrunner.ci.configuration import read_configuration
from pyrunner.ci.locations import IncludeContext


class _Dumper(yaml.SafeDumper):
    """Writes scripts as blocks, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything in full."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def preview(text: str, file: str, context: IncludeContext, inputs: Mapping[str, Any]) -> str:
    """Return the merged configuration as YAML.

    :raises PipelineError: for one that GitLab would refuse.
    """
    found = read_configuration(text, file, context, inputs)
    if errors := found.findings.errors:
        raise errors[0].error()
    tree = _plain(found.tree)
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100).rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
