"""How every stage script begins: the job's variables and GITLAB_ENV (job-execution.md 5.3)."""

from __future__ import annotations

from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.bash import BashWriter, ShellOptions

#: Files of the temp dir that are the runner's own (2.4).
GITLAB_ENV_FILE: Final = "gitlab_runner_env"
MASKING_FILE: Final = "masking.db"
GIT_TEMPLATE: Final = "git-template"
EXTERNAL_GIT_CONFIG: Final = ".gitlab-runner.ext.conf"
GLOBAL_GIT_CONFIG: Final = ".glr.gconf"


def new_writer(context: BuildContext) -> BashWriter:
    """Return the writer of one stage script."""
    features = context.features
    options = ShellOptions(
        shell=context.shell,
        xtrace=context.settings.debug_trace,
        posix_quoting=features.on("FF_POSIXLY_CORRECT_ESCAPES"),
        check_exit_codes=features.on("FF_ENABLE_BASH_EXIT_CODE_CHECK"),
        legacy_eval=features.on("FF_USE_LEGACY_BASH_EVAL"),
        script_sections=features.on("FF_SCRIPT_SECTIONS") and context.job.features.trace_sections,
    )
    return BashWriter(context.temporary_dir, options)


def export_variables(
    writer: BashWriter, context: BuildContext, variables: VariableSet, write_files: bool = True
) -> None:
    """Export the variables, then what earlier stages left in ``GITLAB_ENV``.

    :param write_files: write the contents of file variables; without it only their paths are exported.
    """
    for one in variables:
        if one.file and not write_files:
            writer.export(one.key, writer.temporary_file(one.key))
        else:
            writer.variable(one)
    file = writer.temporary_file(GITLAB_ENV_FILE)
    writer.export("GITLAB_ENV", file)
    writer.source_environment(file)
    if context.features.on("FF_GIT_URLS_WITHOUT_TOKENS"):
        writer.export("GIT_CONFIG_GLOBAL", writer.temporary_file(GLOBAL_GIT_CONFIG))
