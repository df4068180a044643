"""Lines that an administrator has drawn for containers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pyrunner.executors.sandbox.firewall import line_for_containers

DOCKER = """-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-USER -j RETURN
"""
OWN_TABLES = "table ip filter {\n\tchain X { type filter hook forward priority 0; policy drop; }\n\tdrop\n}\n"


def line(iptables: str, nftables: str = "") -> str:
    """Look at a firewall."""

    def run(words: Sequence[str]) -> str:
        return iptables if words[0] == "iptables" else nftables

    return line_for_containers(run)


def test_dockers_own_rules_are_none() -> None:
    """They are what the sandbox's network imitates; iptables' own tables are not read twice."""
    assert line(DOCKER, OWN_TABLES) == ""
    assert line("", "") == ""


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("-A DOCKER-USER -d 169.254.169.254/32 -j DROP", "chain DOCKER-USER"),
        (
            "-N LIMITS\n-A DOCKER-USER -j LIMITS\n-A LIMITS -d 10.0.0.0/8 -j REJECT --reject-with icmp",
            "chain DOCKER-USER",
        ),
        ("-A INPUT -i docker0 -p tcp --dport 22 -j DROP", "chain INPUT"),
        ("-P INPUT DROP", "policy of chain INPUT"),
        ("-A INPUT -s 203.0.113.7/32 -j DROP", ""),
        ("-A INPUT -m conntrack --ctstate INVALID -j DROP", ""),
        ("-A INPUT -j LOOP\n-A LOOP -j INPUT", ""),
        ("-A OUTPUT -j DROP", ""),
    ],
)
def test_rules_of_the_administrator(rule: str, found: str) -> None:
    """What keeps a container's packets back, also through chains; single strangers and OUTPUT do not."""
    assert line(DOCKER + rule + "\n") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "table inet firewalld {\n\tchain i {\n\t\ttype filter hook input priority 0;\n\treject\n\t}\n}\n",
            True,
        ),
        (
            "table inet mine {\n\tchain o {\n\t\ttype filter hook output priority 0;\n\t\tdrop\n\t}\n}\n",
            False,
        ),
        (
            "table inet mine {\n\tchain i {\n\t\ttype filter hook input priority 0;\n\t\taccept\n\t}\n}\n",
            False,
        ),
    ],
)
def test_nftables(text: str, found: bool) -> None:
    """Tables of others count when they refuse what comes in or is forwarded."""
    assert line(DOCKER, OWN_TABLES + text) == ("nftables table inet firewalld" if found else "")
