"""Values that gitlab-runner refuses when a job runs are warnings here, and refuse nothing at load."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.config.load import parse_config
from pyrunner.config.model import Config

HEAD = """\
concurrent = 4
[[runners]]
name = "good"
url = "https://h/"
token = "t1"
request_concurrency = 2
executor = "shell"
[[runners]]
name = "bad"
url = "https://h/"
token = "t2"
request_concurrency = 2
executor = "docker"
[runners.docker]
"""


def _config(text: str) -> Config:
    return parse_config((HEAD + text).encode(), {}, Path("/etc/config.toml"))


@pytest.mark.parametrize(
    ("text", "place", "key", "words"),
    [
        ('memory = "12x"', "15:1", "memory", "Error parsing docker memory: invalid suffix: 'x'"),
        (
            'service_memory_swap = "x"',
            "15:1",
            "service_memory_swap",
            "Error parsing docker service_memory_swap: ",
        ),
        (
            'memory_reservation = "x"',
            "15:1",
            "memory_reservation",
            "Error parsing docker memory_reservation: ",
        ),
        ('cpus = "many"', "15:1", "cpus", "failed to parse many as a rational number"),
        ('service_cpus = "x"', "15:1", "service_cpus", "service nano cpus: failed to parse x as a rational"),
        ('gpus = "some"', "15:1", "gpus", 'parsing gpus string "some": invalid count'),
        ('service_gpus = "some"', "15:1", "service_gpus", 'parsing gpus string "some"'),
        ('isolation = "hyperv"', "15:1", "isolation", 'the isolation value "hyperv" is not valid'),
        ('mac_address = "zz"', "15:1", "mac_address", 'invalid MAC address "zz"'),
        ('dns = ["1.1.1.1", "x"]', "15:19", "dns", 'invalid DNS server address "x"'),
        ('devices = ["a:b:c:d"]', "15:12", "devices", 'failed to parse device string "a:b:c:d": too many'),
        ('pull_policy = "often"', "15:1", "pull_policy", 'unsupported pull_policy config: "often"'),
        (
            'allowed_pull_policies = ["x"]',
            "15:26",
            "allowed_pull_policies",
            "unsupported allowed_pull_policies",
        ),
        ('extra_hosts = ["db"]', "15:16", "extra_hosts", 'bad format for add-host: "db"'),
        ("shm_size = -1", "15:1", "shm_size", "-1 is not between 0 and"),
        ("network_mtu = -5", "15:1", "network_mtu", "-5 is not between 0 and"),
        ("oom_score_adjust = 2000", "15:1", "oom_score_adjust", "2000 is not between -1000 and 1000"),
        ('ulimit = { nofile = "x" }', "15:12", "ulimit.nofile", "invalid soft limit value"),
        (
            'services_devices = { "a*" = ["1:2:3:4"] }',
            "15:30",
            "services_devices.a*",
            "failed to parse device string",
        ),
        ('log_options = { tag = "x" }', "15:1", "log_options", "creating docker log configuration: invalid"),
        ('volumes = ["/a", "x:y"]', "15:18", "volumes", 'invalid volume specification: "x:y"'),
        (
            'volumes = ["/a", "/b:/a/"]',
            "15:18",
            "volumes",
            'volume for container path "/a" is already defined',
        ),
        ('volumes = ["/x:/"]', "15:12", "volumes", "build directory needs to be a non-root path"),
        (
            'services = [{ name = "x", environment = ["healthcheck_tcp_port=http"] }]',
            "15:42",
            "services.environment",
            "invalid health check tcp port: http",
        ),
        ('services = [{ alias = "db" }]', "15:13", "services.name", "invalid service image name: "),
    ],
)
def test_a_bad_value_is_a_warning_with_its_place(text: str, place: str, key: str, words: str) -> None:
    """The file loads with all its runners; the warning names file, line, column, key and runner."""
    config = _config(text)
    assert [one.name for one in config.runners] == ["good", "bad"]
    told = [one for one in config.notices if one.level == "warning"]
    assert len(told) == 1, told
    (notice,) = told
    assert notice.text.startswith(f"/etc/config.toml:{place}: runners.docker.{key}: {words}"), notice.text
    assert notice.text.endswith("; jobs that need it will fail")
    assert notice.fields == {"runner": "t2", "runner_name": "bad"}
    assert notice.run_only


@pytest.mark.parametrize(
    "text",
    [
        "",
        'memory = "1g"\ncpus = "1/2"\ngpus = "all"\nmac_address = "92:d0:c6:0a:29:33"\nshm_size = 300000',
        'volumes = ["/cache", "/a/$X", "/a/$X", "/s:/d:ro,z"]\npull_policy = ["always", "never"]',
        'extra_hosts = ["db:10.0.0.1", "host:host-gateway"]\nulimit = { nofile = "1:2" }',
        'services = [{ name = "x", environment = ["HEALTHCHECK_TCP_PORT=$PORT"] }]',
        'log_options = { env = "A", labels = "b" }',
    ],
)
def test_good_values_say_nothing(text: str) -> None:
    """What only the job can know - a value with a variable in it - is no finding."""
    assert [one.text for one in _config(text).notices if one.level == "warning"] == []


def test_other_executors_do_not_read_the_table() -> None:
    """A table that nothing reads has nothing wrong."""
    text = (
        HEAD.replace('executor = "docker"', 'executor = "docker-windows"') + 'volumes = ["C:\\\\x:C:\\\\y"]'
    )
    assert [one for one in parse_config(text.encode(), {}).notices if one.level == "warning"] == []
