"""What is refused before anything runs (job-execution.md 1.1 step 0)."""

from __future__ import annotations

from pyrunner.build.payload_check import payload_error
from pyrunner.protocol.job import decode_job
from tests.support.contexts import payload, variable

RUN = '[{"name":"a","script":"true"}]'


def test_a_usual_payload_passes() -> None:
    """Known options in both tables are fine."""
    options = {"docker": {"platform": "linux/arm64", "user": 1000}, "kubernetes": {"user": "1"}}
    assert payload_error(decode_job(payload(image={"name": "x", "executor_opts": options}))) is None


def test_unknown_options_are_listed_one_line_a_table() -> None:
    """Texts as the trace shows them; services are called image, too."""
    job = decode_job(
        payload(
            image={"name": "x", "executor_opts": {"podman": {}, "docker": {"mount": 1, "cpus": 2}}},
            services=[{"name": "y", "executor_opts": {"kubernetes": {"group": 1}}}],
        )
    )
    error = payload_error(job)
    assert error is not None
    assert error.splitlines() == [
        'Unsupported "image" options [podman] for "executor_opts"; supported options are [docker kubernetes]',
        'Unsupported "image" options [cpus mount] for "docker executor"; '
        "supported options are [platform user]",
        'Unsupported "image" options [group] for "kubernetes executor"; supported options are [user]',
    ]


def test_run_excludes_script_and_the_variable_steps() -> None:
    """The two texts of illegal `run:` use; an empty script step is no script."""
    assert (
        payload_error(decode_job(payload(run=RUN)))
        == "the `run` and `script` keywords cannot be used together"
    )
    clash = payload(run=RUN, steps=[], variables=[variable("STEPS", "x")])
    assert (
        payload_error(decode_job(clash))
        == "the `run` keyword requires the exclusive use of the variable STEPS"
    )
    assert payload_error(decode_job(payload(run=RUN, steps=[{"name": "script", "script": []}]))) is None
