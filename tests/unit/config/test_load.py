"""Reading config.toml."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyrunner.config.load import load_config, parse_config
from pyrunner.config.model import Config, RunnerConfig, UnknownKey
from pyrunner.errors import ConfigError


def _load(text: str, environ: dict[str, str] | None = None, for_run: bool = False) -> Config:
    return parse_config(text.encode(), environ or {}, Path("config.toml"), for_run=for_run)


def _runner(text: str) -> RunnerConfig:
    return _load("[[runners]]\n" + text).runners[0]


def test_empty_file_is_all_defaults() -> None:
    """An empty file is valid and has no runners."""
    config = _load("")
    assert (config.concurrent, config.runners, config.notices) == (1, [], [])
    assert (config.effective_check_interval, config.effective_shutdown_timeout) == (3.0, 30.0)
    assert (config.connection_max_age, config.session_server.effective_session_timeout) == (900.0, 1800)


def test_missing_file_is_for_the_caller(tmp_path: Path) -> None:
    """A missing file is no error of the file."""
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "config.toml", {})


def test_unreadable_file_names_the_reason(tmp_path: Path) -> None:
    """What is there and cannot be read is an error that says why."""
    with pytest.raises(ConfigError, match="cannot read the file: Is a directory"):
        load_config(tmp_path, {})


def test_keys_match_without_case_and_exact_wins() -> None:
    """Struct keys match exactly, else by case folding; the other spelling is then unknown."""
    config = _load(
        'Concurrent = 7\n[[RUNNERS]]\nNAME = "a"\n[runners.Cache]\ntype = "s3"\n'.replace(
            "runners.C", "RUNNERS.C"
        )
    )
    assert config.concurrent == 7
    assert (config.runners[0].name, config.runners[0].cache.type) == ("a", "s3")
    config = _load("CONCURRENT = 7\nconcurrent = 8\n")
    assert config.concurrent == 8
    assert config.unknown_keys == [UnknownKey("CONCURRENT", 1)]


def test_map_keys_keep_their_case() -> None:
    """Feature flags, labels and other maps are taken as written."""
    runner = _runner('feature_flags = { FF_X = true, ff_x = false }\nlabels = { Abc = "1", abc = "2" }\n')
    assert runner.feature_flags == {"FF_X": True, "ff_x": False}
    assert runner.labels == {"Abc": "1", "abc": "2"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('limit = "2"', "2:1: runners.limit: expected an integer, got a string"),
        ("limit = true", "2:1: runners.limit: expected an integer, got a boolean"),
        ("limit = 2.0", "2:1: runners.limit: expected an integer, got a number"),
        ("limit = 9223372036854775808", "2:1: runners.limit: the number does not fit into 64 bits"),
        ("name = 1", "2:1: runners.name: expected a string, got an integer"),
        ("environment = 'A=1'", "2:1: runners.environment: expected a list, got a string"),
        ('environment = ["A=1",\n 2]', "3:2: runners.environment: expected a string, got an integer"),
        ("[runners.ssh]\nport = 22", "3:1: runners.ssh.port: expected a string, got an integer"),
        ("[runners.docker]\n  cpus = 2", "3:3: runners.docker.cpus: expected a string, got an integer"),
        ("docker = { 'memory' = 5 }", "2:12: runners.docker.memory: expected a string, got an integer"),
        ('[runners.docker]\nprivileged = "true"', "3:1: runners.docker.privileged: expected true or false"),
        ("[runners.docker]\npull_policy = [1]", "3:16: runners.docker.pull_policy: expected a string"),
        ("[runners.docker]\nsysctls = { a = 1 }", "3:13: runners.docker.sysctls.a: expected a string"),
        ("[runners.docker.services]\n", "2:1: runners.docker.services: expected a list, got a table"),
        ('feature_flags = { FF_X = "true" }', "2:19: runners.feature_flags.FF_X: expected true or false"),
        ('prepare_timeout = "1 h 30 min"', '2:1: runners.prepare_timeout: invalid duration "1 h 30 min"'),
        ("prepare_timeout = 1.5", "2:1: runners.prepare_timeout: expected a duration as text or an integer"),
        ("token_expires_at = 5", "2:1: runners.token_expires_at: expected a time, got an integer"),
        ("[runners.kubernetes]\npoll_interval = '3'", "3:1: runners.kubernetes.poll_interval: expected an"),
        (
            "[runners.kubernetes.volumes]\nhost_path = 3",
            "3:1: runners.kubernetes.volumes.host_path: expected a list",
        ),
        (
            "[[runners.autoscaler.policy]]\nscale_factor = true",
            "3:1: runners.autoscaler.policy.scale_factor: ",
        ),
        ("[runners.tristan]\ndependency_lib = 3", "dependency_lib: expected true or false or a list, got an"),
        (
            "[runners.tristan]\nmin_free = '5 parsecs'",
            '3:1: runners.tristan.min_free: invalid size "5 parsecs"',
        ),
    ],
)
def test_wrong_type_refuses_the_file_with_its_place(text: str, place: str) -> None:
    """No coercion; the error names line, column and key, in executors' tables that do nothing too."""
    with pytest.raises(ConfigError) as caught:
        _runner(text)
    assert place in str(caught.value)
    assert str(caught.value).startswith("config.toml:")


@pytest.mark.parametrize(
    "text", ["runners = 5", "[runners]", "runners = [5]", "[labels]\nx = 1", "concurrent = '1'"]
)
def test_wrong_type_at_the_top(text: str) -> None:
    """Global keys are as strict."""
    with pytest.raises(ConfigError, match="expected"):
        _load(text)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = \n", 2, 5),
        ('a = "', 1, 6),
        ("a = 1\na = 2\n", 2, 6),
        ("[a]\n[a]\n", 2, 3),
        ("x = {a = 1,\n}\ny = }", 3, 5),
    ],
)
def test_syntax_errors_have_a_place(text: str, line: int, column: int) -> None:
    """What is not TOML is refused with the line; so is a key given twice."""
    with pytest.raises(ConfigError) as caught:
        _load(text)
    assert caught.value.line == line
    assert abs(caught.value.column - column) <= 1


def test_text_that_is_not_utf8_has_a_place() -> None:
    """A file in another encoding is refused where the first odd byte stands."""
    with pytest.raises(ConfigError, match=r"config.toml:2:6: not UTF-8 text"):
        parse_config(b'a = 1\nb = "\xe9"\n', {}, Path("config.toml"))


def test_toml_11_is_read() -> None:
    """gitlab-runner reads TOML 1.1: line breaks and trailing commas in inline tables, short escapes."""
    runner = _runner('docker = {\n  image = "\\x61\\e", # why\n  volumes = ["/cache",],\n}\n')
    assert runner.docker
    assert (runner.docker.image, runner.docker.volumes) == ("a\x1b", ["/cache"])


def test_byte_order_mark_is_ignored() -> None:
    """Editors on Windows write one."""
    assert _load("\ufeffconcurrent = 2\n").concurrent == 2


def test_durations_are_text_or_nanoseconds() -> None:
    """An integer given for a duration means nanoseconds."""
    runner = _runner('prepare_timeout = "1m30s"\nget_sources_timeout = 1_500_000_000\n')
    assert (runner.prepare_timeout, runner.get_sources_timeout) == (90.0, 1.5)


def test_float_keys_take_integers_and_text_lists_take_text() -> None:
    """The two exceptions to strictness: floats, and pull_policy."""
    runner = _runner('[runners.docker]\npull_policy = "never"\n[runners.machine]\nIdleScaleFactor = 2\n')
    assert runner.docker
    assert runner.docker.effective_pull_policy == ["never"]
    assert runner.machine == {"IdleScaleFactor": 2.0}


def test_times() -> None:
    """Token times are points in time; text in RFC 3339 is taken too."""
    runner = _runner(
        'token_obtained_at = 2026-01-02T04:04:05+01:00\ntoken_expires_at = "2027-01-02T03:04:05Z"\n'
    )
    assert runner.token_obtained_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert runner.token_expires_at == datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_unknown_keys_are_collected_with_their_lines() -> None:
    """Unknown keys and tables have no effect and are reported by dotted path."""
    config = _load(
        'a = 1\n[[runners]]\n[runners.docker]\nimgae = "x"\n[runners.kubernetes]\nb = 1\n[c]\nd = 1\n'
    )
    assert config.unknown_keys == [
        UnknownKey("a", 1),
        UnknownKey("runners.docker.imgae", 4),
        UnknownKey("runners.kubernetes.b", 6),
        UnknownKey("c", 7),
    ]


def test_only_url_and_token_are_expanded() -> None:
    """Other values keep their dollar signs for the job or the shell."""
    text = '[[runners]]\nurl = "https://$HOST/"\ntoken = "${T}"\nname = "$HOST"\nenvironment = ["A=$HOST"]\n'
    runner = _load(text, {"HOST": "h", "T": "secret"}).runners[0]
    assert (runner.url, runner.token, runner.name) == ("https://h/", "secret", "$HOST")
    assert runner.environment == ["A=$HOST"]


def test_labels_are_merged_under_the_runners_own() -> None:
    """Global labels are defaults, key by key."""
    text = '[labels]\nteam = "one"\nzone = "eu"\n[[runners]]\n[runners.labels]\nteam = "two"\n'
    assert _load(text).runners[0].labels == {"team": "two", "zone": "eu"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[labels]\nab = "1"', "2:1: labels.ab: invalid label key"),
        ('[labels]\n-abc = "1"', "invalid label key"),
        ('[labels]\nabc = "a b"', "invalid label value"),
        ('[labels]\nabc = ""', "invalid label value"),
        ('[labels]\nabc = "1\\n"', "invalid label value"),
        ('[[runners]]\n[runners.labels]\nab = "1"', "3:1: runners.labels.ab: invalid label key"),
        (
            "[labels]\n"
            + "".join(f'key{n} = "1"\n' for n in range(20))
            + "[[runners]]\n[runners.labels]\n"
            + "".join(f'own{n} = "1"\n' for n in range(13)),
            "more than 32 labels",
        ),
        ('[[runners]]\n[runners.machine]\nMachineOptionsWithName = ["x"]', "must contain %s"),
    ],
)
def test_bad_labels_and_options_refuse_the_file(text: str, message: str) -> None:
    """Labels are checked as GitLab checks them, the merged number too."""
    with pytest.raises(ConfigError, match=message):
        _load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('on_stop = "stay"', '3:1: runners.tristan.on_stop: "stay" is none of detach, wait, abort'),
        ('source_path = "tag"', "is none of branch, slot"),
        ('workspace = "host"', "is none of auto, sandbox, container"),
        ("keep_days = -1", "must not be negative"),
        ("disk_budget = -1", "must not be negative"),
        ('dependency_lib = ["java", "mvn"]', 'dependency_lib: "mvn" is none of java, maven'),
        ('root = "data"', "must be an absolute path"),
        ('business_id = "../x"', "becomes a folder's name"),
        ('business_id = ".."', "becomes a folder's name"),
        ('business_id = "a\\n"', "becomes a folder's name"),
    ],
)
def test_tristan_values_are_checked(text: str, message: str) -> None:
    """A word that is none, or a name that would leave its folder, is refused at load."""
    with pytest.raises(ConfigError, match=message):
        _runner("[runners.tristan]\n" + text)


def test_equal_business_ids_are_an_error() -> None:
    """Two runners cannot share a folder; written as text or number makes no difference."""
    text = '[[runners]]\ntristan.business_id = 1\n[[runners]]\n[[runners]]\ntristan.business_id = "1"\n'
    with pytest.raises(ConfigError, match=r'5:9: .*"1" is already that of .* entry 1'):
        _load(text)


def test_business_ids_that_differ_or_are_absent_are_fine() -> None:
    """Only explicit equal ids collide."""
    text = '[[runners]]\n[[runners]]\ntristan.business_id = "a"\n[[runners]]\ntristan.business_id = 2\n'
    assert [runner.tristan.business_id for runner in _load(text).runners] == ["", "a", "2"]


@pytest.mark.parametrize("text", ["concurrent = 0", 'log_level = "loud"', 'log_format = "JSON"'])
def test_what_run_cannot_use_is_refused_for_run_only(text: str) -> None:
    """Other commands take a file whose concurrent or log settings `run` refuses."""
    _load(text)
    with pytest.raises(ConfigError, match=r"config\.toml:1:1"):
        _load(text, for_run=True)


def test_log_level_is_any_case() -> None:
    """Levels match in any case, formats exactly."""
    assert _load('log_level = "WARN"\nlog_format = "json"', for_run=True).log_level == "WARN"


def test_sentry_comes_from_the_environment_only_where_the_file_has_none() -> None:
    """SENTRY_DSN counts even when empty; the file wins."""
    assert _load("", {"SENTRY_DSN": ""}).sentry_dsn == ""
    assert _load('sentry_dsn = "a"', {"SENTRY_DSN": "b"}).sentry_dsn == "a"
    assert _load("").sentry_dsn is None


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    """A file made to exhaust the stack is refused as any broken one."""
    with pytest.raises(ConfigError):
        _load("a = " + "[" * 100_000)
