"""Scripts of prepare_script, user steps, after_script and clean-up (job-execution.md 4.11, 5.3, 5.6)."""

from __future__ import annotations

from pyrunner.build.context import BuildContext
from pyrunner.build.dependency_lib import write_dependency_lib
from pyrunner.build.exports import (
    EXTERNAL_GIT_CONFIG,
    GITLAB_ENV_FILE,
    GLOBAL_GIT_CONFIG,
    MASKING_FILE,
    export_variables,
)
from pyrunner.build.git_cleanup import write_git_cleanup, write_job_cleanup
from pyrunner.build.git_config import forget_credentials
from pyrunner.build.sources import OWNER_FILE
from pyrunner.protocol.job import Step
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.login_dump import dump_command

AFTER_SCRIPT = "after_script"


def write_prepare(writer: BashWriter, context: BuildContext) -> None:
    """Say where the job runs and begin with an empty ``GITLAB_ENV``."""
    via = f" via {context.host_name}" if context.host_name else ""
    writer.echo_expanded("Running on ", "hostname", f"{via}...")
    writer.remove_file(writer.temporary_file(GITLAB_ENV_FILE))
    writer.remove_file(writer.temporary_file(MASKING_FILE))
    # under xtrace the dump would show in the trace
    if context.login_dump is not None and not context.settings.debug_trace:
        writer.line(dump_command(context.login_dump))


def find_step(context: BuildContext, stage: str) -> Step | None:
    """Return the step that runs as ``stage``; the first one where names differ in case only."""
    return next((step for step in context.job.steps if f"step_{step.name.lower()}" == stage), None)


def write_step(writer: BashWriter, context: BuildContext, step: Step, variables: VariableSet) -> None:
    """Write a user's step between config's pre and post build scripts."""
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    write_dependency_lib(writer, context)
    if context.runner.pre_build_script:
        writer.user_commands("pre_build_script", [context.runner.pre_build_script])
    script = step.script
    if step.name == "release":
        # made by the coordinator from `release:`, where users expect variables to be replaced
        script = [variables.expand_value(one) for one in script]
    writer.user_commands("script_step", script)
    if context.runner.post_build_script:
        writer.user_commands("post_build_script", [context.runner.post_build_script])


def after_script_commands(context: BuildContext) -> list[str]:
    """Return the commands of after_script; empty when there are none."""
    return next((step.script for step in context.job.steps if step.name == AFTER_SCRIPT), [])


def write_after_script(writer: BashWriter, context: BuildContext, variables: VariableSet) -> None:
    """Write after_script; config's pre and post build scripts do not belong to it."""
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    write_dependency_lib(writer, context)
    writer.notice("Running after script...")
    writer.user_commands("after_script_step", after_script_commands(context))


def write_cleanup(writer: BashWriter, context: BuildContext, variables: VariableSet) -> None:
    """Remove file variables and everything that holds credentials."""
    export_variables(writer, context, variables, write_files=False)
    forget_credentials(writer, context)
    for name in (GITLAB_ENV_FILE, MASKING_FILE, EXTERNAL_GIT_CONFIG, GLOBAL_GIT_CONFIG):
        writer.remove_file(writer.temporary_file(name))
    for one in variables:
        if one.file:
            writer.remove_file(writer.temporary_file(one.key))
    if context.features.on("FF_ENABLE_JOB_CLEANUP"):
        write_job_cleanup(writer, context)
    write_git_cleanup(writer, context)
    writer.remove_file(f"{context.builds_dir}/{OWNER_FILE}")
