"""Whether this host treats the packets of containers otherwise than its own (docs/adr/0008).

A container's packets are forwarded (chains FORWARD, DOCKER-USER) or come in from a bridge (INPUT); those of
the sandbox leave as the host's own. Where an administrator has drawn a line there - metadata services,
internal networks, ports of the host - a sandbox would be on the wrong side of it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

#: Runs a program and returns what it printed; empty when it is missing or fails.
Run = Callable[[Sequence[str]], str]

_REFUSALS: Final = frozenset({"DROP", "REJECT"})
#: Written by iptables, and read through it; Docker's own with its nftables backend.
_READ_ELSEWHERE: Final = re.compile(
    r"(ip6?|bridge|arp|ebtables) (filter|nat|mangle|raw|security|docker-bridges)\Z"
)
_TABLE: Final = re.compile(r"^table (\S+ \S+) \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
_HOOK: Final = re.compile(r"\bhook (?:input|forward|prerouting)\b")


def run_program(words: Sequence[str]) -> str:
    """Run a firewall's program; see :data:`Run`."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def line_for_containers(run: Run = run_program) -> str:
    """Return where the firewall holds containers back, e.g. ``chain DOCKER-USER``; empty when nowhere."""
    return _in_iptables(run(["iptables", "-S"])) or _in_nftables(run(["nft", "list", "ruleset"]))


def _in_iptables(listing: str) -> str:
    rules: dict[str, list[list[str]]] = {}
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["-P"] and words[1] == "INPUT" and words[2] in _REFUSALS:
            return "policy of chain INPUT"
        if words[:1] == ["-A"]:
            rules.setdefault(words[1], []).append(words[2:])
    for start in ("DOCKER-USER", "INPUT"):
        if _refuses(start, rules, set()):
            return f"chain {start}"
    return ""


def _refuses(chain: str, rules: dict[str, list[list[str]]], seen: set[str]) -> bool:
    seen.add(chain)
    for rule in rules.get(chain, ()):
        target = _after(rule, "-j") or _after(rule, "-g")
        # Single strangers that are kept out (fail2ban), and packets that belong to no connection.
        if "-s" in rule or "INVALID" in rule:
            continue
        if target in _REFUSALS or (target and target not in seen and _refuses(target, rules, seen)):
            return True
    return False


def _after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _in_nftables(listing: str) -> str:
    for name, body in _TABLE.findall(listing):
        if not _READ_ELSEWHERE.match(name) and _HOOK.search(body) and re.search(r"\b(drop|reject)\b", body):
            return f"nftables table {name}"
    return ""
