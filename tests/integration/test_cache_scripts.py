"""What the cache stages say and call (job-execution.md 7.2, 7.3)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pyrunner.build import cache_scripts
from pyrunner.build.context import BuildContext
from pyrunner.build.exports import new_writer
from pyrunner.build.remote_handover import Handover, RemoteCache, find_remote_cache
from pyrunner.build.scripts import stage_script
from pyrunner.errors import PyrunnerError
from pyrunner.executors.traits import ExecutorTraits
from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable
from tests.support.scripts import ScriptRunner, green, yellow

pytestmark = pytest.mark.integration

#: Says how it was called, and succeeds for archives named in WORKS.
HELPER = """#!/bin/sh
[ "$1" = --version ] && exit
echo "call: $*" >&2
[ -z "$CACHE_METADATA" ] || echo "metadata: $CACHE_METADATA" >&2
while [ $# -gt 0 ]; do
  [ "$1" != --env-file ] || { ls -l "$2" | cut -c1-10; cat "$2"; } >&2
  [ "$1" != --file ] || case " $WORKS " in *" $2 "*) good=1;; esac
  shift
done
[ "$good" ]
"""


class World:
    """A job with caches, and a helper that records its calls."""

    def __init__(self, tmp_path: Path) -> None:
        self.helper = tmp_path / "the helper"
        self.helper.write_text(HELPER)
        self.helper.chmod(0o755)
        self.source = tmp_path / "source"
        (self.source / "app").mkdir(parents=True)
        self.runner = ScriptRunner(tmp_path / "home")

    def context(
        self, caches: list[dict[str, Any]], flags: dict[str, bool] | None = None, **variables: str
    ) -> BuildContext:
        """Return the context of a job with these caches."""
        sent = [variable(key, value) for key, value in variables.items()]
        traits = ExecutorTraits(
            "shell", True, False, False, False, False, False, helper_command=(str(self.helper), "-x")
        )
        self.helper.write_text(HELPER.replace('"$1" = --version', '"$2" = --version'))
        job = payload(cache=caches, variables=sent)
        return build_context(str(self.source), job=job, traits=traits, runner={"feature_flags": flags or {}})

    def run(self, context: BuildContext, stage: str, works: str = "", status: str = "running") -> list[str]:
        """Run a stage and return its lines, then those of the helper."""
        self.runner.environment["WORKS"] = works
        result = self.runner.stage(context, stage, status)
        assert result.code == 0, result.err
        self.calls = result.err.splitlines()
        return result.lines


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A job and a helper."""
    return World(tmp_path)


def cache(**changes: Any) -> dict[str, Any]:
    """Return one cache entry."""
    return {"key": "k", "paths": ["lib/"], **changes}


def archive(key: str) -> str:
    """Return the path of an archive."""
    return f"/cache/app/{key}/cache.zip"


def test_a_cache_is_restored(world: World) -> None:
    """The helper gets archive and timeout; restoring names no paths."""
    context = world.context([cache()], CACHE_REQUEST_TIMEOUT="7")
    lines = world.run(context, "restore_cache", archive("k"))
    assert lines == [green("Checking cache for k..."), green("Successfully extracted cache")]
    assert world.calls == [f"call: -x cache-extractor --file {archive('k')} --timeout 7"]


def test_keys_are_tried_in_order(world: World) -> None:
    """The entry's own, its fallback keys, CACHE_FALLBACK_KEY; after the first that extracts none."""
    context = world.context(
        [cache(fallback_keys=["f-$A", "", "..", "last"])], A="1", CACHE_FALLBACK_KEY="var-$A"
    )
    lines = world.run(context, "restore_cache", archive("var-1"))
    failed = yellow("Failed to extract cache")
    assert lines == [
        yellow('cache key ".." could not be sanitized'),
        green("Skipping cache extraction due to empty cache key"),
        green("Checking cache for k..."), failed,
        green("Checking cache for f-1..."), failed,
        green("Checking cache for last..."), failed,
        green("Checking cache for var-1..."), green("Successfully extracted cache"),
    ]  # fmt: skip
    world.run(context, "restore_cache", archive("k"))
    assert len(world.calls) == 1


def test_a_missing_cache_fails_nothing(world: World) -> None:
    """Whatever is not there."""
    lines = world.run(world.context([cache(), cache(key="l")]), "restore_cache")
    assert lines.count(yellow("Failed to extract cache")) == 2


@pytest.mark.parametrize("key", ["x-protected", "x-protected. .", "x-protected/.."])
def test_a_variable_names_no_protected_cache(world: World, key: str) -> None:
    """Everybody who starts a job can set it (7.6)."""
    context = world.context([cache(fallback_keys=["y-protected"])], CACHE_FALLBACK_KEY=key)
    lines = world.run(context, "restore_cache")
    refused = [one for one in lines if "not allowed to end in" in one]
    assert len(refused) == (0 if key.endswith("..") else 1)
    assert all("CACHE_FALLBACK_KEY" in one and '"-protected"' in one for one in refused)
    assert green("Checking cache for y-protected...") in lines
    assert not any("x-protected" in one for one in world.calls)


@pytest.mark.parametrize(
    ("policy", "restored", "archived"),
    [("", True, True), ("pull-push", True, True), ("$POLICY", True, False), ("push", False, True)],
)
def test_policies(world: World, policy: str, restored: bool, archived: bool) -> None:
    """Empty is both ways; variables are expanded; what is not done is said."""
    context = world.context([cache(policy=policy)], POLICY="pull")
    lines = world.run(context, "restore_cache")
    assert (green("Not downloading cache k due to policy") in lines) is not restored
    assert bool(world.calls) is restored
    lines = world.run(context, "archive_cache")
    assert (green("Not uploading cache k due to policy") in lines) is not archived
    assert bool(world.calls) is archived


@pytest.mark.parametrize("stage", ["restore_cache", "archive_cache", "archive_cache_on_failure"])
def test_an_unknown_policy_fails_the_stage(world: World, stage: str) -> None:
    """A plain error; an entry whose key is unusable is skipped before its policy is looked at."""
    context = world.context([cache(policy="both", when="always")])
    with pytest.raises(PyrunnerError, match=r"^unknown cache policy both for k$"):
        stage_script(context, stage)
    assert stage_script(world.context([cache(key="..", policy="both", when="always")]), stage) is not None


def test_a_cache_is_saved(world: World) -> None:
    """Paths as they are, the other scheme's archive, limits from config, the key as metadata."""
    context = world.context([cache(key="k ä", paths=["lib/", "$HOME/a b"], untracked=True)])
    alternate = "29ef8a1dd9ae5ff7"
    lines = world.run(context, "archive_cache", archive("k ä"))
    assert lines[0] == green("Creating cache k ä...")
    call, metadata = world.calls
    assert call.startswith(f"call: -x cache-archiver --file {archive('k ä')} --alternate-file /cache/app/")
    assert call.endswith("/cache.zip --timeout 10 --path lib/ --path $HOME/a b --untracked")
    assert metadata == 'metadata: {"cachekey":"k \\u00e4"}'
    assert alternate not in call


def test_the_limit_of_uploads(world: World) -> None:
    """MaxUploadedArchiveSize, only when there is one."""
    context = build_context(
        job=payload(cache=[cache()]), runner={"cache": {"max_uploaded_archive_size": 1234}}
    )
    assert "--max-uploaded-archive-size 1234" in str(stage_script(context, "archive_cache"))
    assert "--max-uploaded" not in str(stage_script(world.context([cache()]), "archive_cache"))


def test_a_cache_that_cannot_be_saved_fails_nothing(world: World) -> None:
    """A yellow line, and on with the next."""
    lines = world.run(world.context([cache(), cache(key="l")]), "archive_cache", archive("l"))
    assert lines == [
        green("Creating cache k..."), yellow("Failed to create cache"),
        green("Creating cache l..."), green("Created cache"),
    ]  # fmt: skip


def test_keys_see_the_jobs_status(world: World) -> None:
    """From after_script on variables know how the job went."""
    context = world.context([cache(key="k-$CI_JOB_STATUS", when="always")])
    assert world.run(context, "restore_cache")[0] == green("Checking cache for k-running...")
    lines = world.run(context, "archive_cache_on_failure", status="failed")
    assert lines[0] == green("Creating cache k-failed...")


def test_a_failed_extraction_can_be_cleaned_up(world: World) -> None:
    """What was half extracted goes before the next key is tried."""
    (world.source / "app" / "lib").mkdir()
    context = world.context([cache(paths=["lib/", "a b"])], {"FF_CLEAN_UP_FAILED_CACHE_EXTRACT": True})
    lines = world.run(context, "restore_cache")
    assert lines[1:] == [
        yellow("Failed to extract cache"),
        "\033[0;mRemoving lib/",
        "\033[0;mRemoving a b",
    ]
    assert not (world.source / "app" / "lib").exists()


@pytest.mark.parametrize(
    ("stage", "action"), [("restore_cache", "Extracting cache"), ("archive_cache", "Creating cache")]
)
def test_without_a_helper(world: World, stage: str, action: str) -> None:
    """A warning, and the job goes on (5.8)."""
    context = world.context([cache()])
    world.helper.unlink()
    assert world.run(context, stage) == [yellow(f"Missing {world.helper} -x. {action} is disabled.")]


def test_an_archive_that_cannot_be_named(world: World) -> None:
    """A relative builds directory and an absolute cache directory (2.1)."""
    context = build_context("builds/app", job=payload(cache=[cache()]))
    script = str(stage_script(context, "restore_cache"))
    assert "inability to make the cache file path relative to the build directory" in script


def test_another_environment_has_its_own_helper_and_folder() -> None:
    """Containers see the archives elsewhere; they all are in one folder there."""
    traits = ExecutorTraits(
        "docker", False, True, True, True, False, True,
        helper_command=("gitlab-runner-helper",), archives_dir="/archives",
    )  # fmt: skip
    job = payload(cache=[cache()], variables=[variable("GIT_STRATEGY", "empty")])
    script = str(stage_script(build_context(job=job, traits=traits), "restore_cache"))
    assert "gitlab-runner-helper cache-extractor --file /archives/k/cache.zip" in script
    assert sys.executable not in script
    assert sys.executable in str(stage_script(build_context(job=job, traits=DOCKER_LIKE), "restore_cache"))


class Remote:
    """A remote cache whose credentials are hard to write down."""

    environment: ClassVar = {"SECRET": 'a"b\\c$d`e\nf!', "OTHER": ""}

    def download(self, key: str, alternate: str = "") -> Handover:
        """Return the two names as flags."""
        return Handover(["--gocloud-url", f"s3://b/{key}/{alternate[:4]}"], self.environment)

    def upload(self, key: str, metadata: Mapping[str, str]) -> Handover:
        """Return name and metadata as flags."""
        return Handover(["--url", f"https://b/{key}", "--header", f"x: {metadata['cachekey']}"])


class BrokenRemote:
    """A remote cache that cannot be used."""

    def download(self, key: str, alternate: str = "") -> Handover:
        """Refuse."""
        raise PyrunnerError(f"no way to {key}")

    def upload(self, key: str, metadata: Mapping[str, str]) -> Handover:
        """Refuse."""
        raise PyrunnerError(f"no way to {key}")


def remote_script(world: World, remote: RemoteCache, stage: str) -> list[str]:
    """Run a cache stage with a remote cache and return its lines."""
    context = world.context([cache()])
    writer = new_writer(context)
    write = cache_scripts.write_restore if stage == "restore" else cache_scripts.write_archive
    write(writer, context, context.variables, cache_scripts.caches_to_restore(context), remote)
    result = world.runner.run(writer.finish())
    world.calls = result.err.splitlines()
    assert result.code == 0
    return result.lines


def test_a_remote_cache_is_handed_over(world: World) -> None:
    """Flags as they are; credentials in a private file that is gone afterwards, on no command line."""
    remote_script(world, Remote(), "restore")
    call, mode, *content = world.calls
    temporary = world.source / "app.tmp" / "gitlab_runner_cache_env"
    assert call.endswith(f"--gocloud-url s3://b/k/8254 --env-file {temporary}")
    assert mode == "-rw-------"
    assert content == ['SECRET="a\\"b\\\\c\\$d\\`e\\nf!"', 'OTHER=""']
    assert not temporary.exists()
    remote_script(world, Remote(), "archive")
    assert world.calls[0].endswith("--path lib/ --url https://b/k --header x: k")


def test_a_remote_cache_that_cannot_be_used(world: World) -> None:
    """The words of gitlab-runner, and the local cache goes on alone."""
    lines = remote_script(world, BrokenRemote(), "restore")
    assert lines[1] == yellow("Failed to obtain environment for cache k: no way to k")
    assert len(world.calls) == 1
    lines = remote_script(world, BrokenRemote(), "archive")
    assert lines[0] == yellow("Unable to generate cache upload environment: no way to k")
    assert world.calls[0].startswith("call: -x cache-archiver")


def test_an_unknown_type_of_cache_is_said_at_each_use() -> None:
    """The job goes on with the local cache."""
    context = build_context(runner={"cache": {"type": "ftp"}})
    remote = find_remote_cache(context)
    assert remote is not None
    with pytest.raises(PyrunnerError, match="ftp"):
        remote.download("k")
    assert find_remote_cache(build_context()) is None
