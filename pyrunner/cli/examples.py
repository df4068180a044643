"""An example or two of each command, as the help pages and the manual page show them.

A test makes sure that every command has one, and that its flags exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple


class Example(NamedTuple):
    """What to type, and what it is for."""

    line: str
    purpose: str


EXAMPLES: Final[Mapping[str, Sequence[Example]]] = {
    "abort": (
        Example("pyrunner abort 4711 --reason 'wrong branch'", "stop one job, and say why in its log"),
        Example("pyrunner abort --all", "stop all jobs of this machine"),
    ),
    "artifacts-downloader": (
        Example(
            "CI_JOB_TOKEN=… pyrunner artifacts-downloader --url https://gitlab.example.com --id 4711",
            "what a job's script calls",
        ),
    ),
    "artifacts-uploader": (
        Example(
            "CI_JOB_TOKEN=… pyrunner artifacts-uploader --url https://gitlab.example.com --id 4711 --path o",
            "what a job's script calls",
        ),
    ),
    "cache-archiver": (
        Example("pyrunner cache-archiver --file cache.zip --path .venv", "what a job's script calls"),
    ),
    "cache-extractor": (Example("pyrunner cache-extractor --file cache.zip", "what a job's script calls"),),
    "completion": (
        Example('eval "$(pyrunner completion bash)"', "for this shell"),
        Example(
            "pyrunner completion bash > /etc/bash_completion.d/pyrunner",
            "for every bash of this machine",
        ),
        Example(
            "pyrunner completion fish > ~/.config/fish/completions/pyrunner.fish", "for fish, from now on"
        ),
    ),
    "coordinator": (Example("pyrunner coordinator --port 8080", "a GitLab for tests, on loopback"),),
    "demo": (Example("pyrunner demo --quiet", "only the closing table"),),
    "doctor": (
        Example("sudo pyrunner doctor", "examine the machine's runner"),
        Example("pyrunner doctor --json --config ./config.toml", "for a program"),
    ),
    "exec": (
        Example("pyrunner exec", "run the whole pipeline of this working copy"),
        Example("pyrunner exec test --no-needs", "one job, with the artifacts of the last run"),
        Example("pyrunner exec --list", "see the jobs, and run none"),
    ),
    "gc": (
        Example("pyrunner gc --dry-run", "see what would go"),
        Example("pyrunner gc", "make room now"),
    ),
    "install": (
        Example("sudo pyrunner install --user ci", "a service of the machine, whose shell jobs run as ci"),
        Example("pyrunner install --user-service", "a service of your own"),
    ),
    "lint": (
        Example("pyrunner lint .gitlab-ci.yml", "what GitLab would refuse, offline"),
        Example("pyrunner lint --format gcc .gitlab-ci.yml", "for an editor"),
        Example("pyrunner lint --config /etc/gitlab-runner/config.toml", "gitlab-runner's own lint"),
    ),
    "lint-config": (
        Example("pyrunner lint-config", "examine the file that run would take"),
        Example("pyrunner lint-config --json ./config.toml", "for a program"),
    ),
    "list": (Example("pyrunner list", "the runners of the file, with their full tokens"),),
    "logs": (
        Example("pyrunner logs --follow 4711", "what a job prints, until it has ended"),
        Example("pyrunner logs --follow", "what all running jobs print, with their ids"),
        Example("pyrunner logs --tail 20 --timestamps 4711", "the end of a job's log, with times"),
    ),
    "manual": (Example("pyrunner manual | man -l -", "read the manual page"),),
    "migrate": (
        Example("sudo pyrunner migrate --dry-run", "see what differs, and what would be done"),
        Example("sudo pyrunner migrate", "switch over, after gitlab-runner's jobs"),
        Example("sudo pyrunner migrate --back", "and back again"),
    ),
    "ps": (
        Example("pyrunner ps", "the jobs now on this machine"),
        Example("pyrunner ps --all --json", "also those whose result GitLab does not have yet"),
    ),
    "register": (
        Example("pyrunner register", "asks for what it needs"),
        Example(
            "CI_SERVER_TOKEN=glrt-… pyrunner register --non-interactive --url https://gitlab.example.com "
            "--executor shell --name build-1",
            "asks nothing, and leaves the token out of the list of processes",
        ),
    ),
    "reset-token": (Example("pyrunner reset-token --name build-1", "a new token for one runner"),),
    "restart": (Example("sudo pyrunner restart", "take up new settings of the unit; jobs go on"),),
    "run": (
        Example("pyrunner run", "in the foreground, until Ctrl-C"),
        Example("pyrunner run --config ./config.toml --working-directory /srv/ci", "with files elsewhere"),
    ),
    "run-single": (
        Example(
            "pyrunner run-single --runner build-1 --config ./config.toml --max-builds 1", "one job, then exit"
        ),
        Example(
            "CI_SERVER_TOKEN=glrt-… pyrunner run-single --url https://gitlab.example.com --executor shell "
            "--wait-timeout 60",
            "without a file, until no job has come for a minute",
        ),
    ),
    "start": (Example("sudo pyrunner start", "start the machine's service"),),
    "status": (Example("pyrunner status --service pyrunner", "exit code 0 when it runs"),),
    "stop": (
        Example("sudo pyrunner stop", "jobs go on, and the next start takes them up"),
        Example("sudo pyrunner stop --wait", "wait for the jobs first"),
    ),
    "supervise": (
        Example("pyrunner supervise …/build/4711", "drive one job in the foreground, to look into a problem"),
    ),
    "top": (
        Example("pyrunner top", "what running jobs do and use, until Ctrl-C"),
        Example("pyrunner top --json", "the same once, for programs"),
    ),
    "uninstall": (Example("sudo pyrunner uninstall", "remove the unit"),),
    "unregister": (
        Example("pyrunner unregister --name build-1", "take one runner off GitLab and out of the file"),
        Example("pyrunner unregister --all-runners", "all of them"),
    ),
    "verify": (
        Example("pyrunner verify", "ask GitLab about each runner of the file"),
        Example("pyrunner verify --delete", "drop those that GitLab does not know"),
    ),
}


def help_text(name: str) -> str:
    """Return the end of a help page; empty for a command without examples."""
    examples = EXAMPLES.get(name, ())
    if not examples:
        return ""
    lines = ["Examples:" if len(examples) > 1 else "Example:"]
    for one in examples:
        lines += [f"  # {one.purpose}", f"  {one.line}"]
    return "\n".join(lines)
