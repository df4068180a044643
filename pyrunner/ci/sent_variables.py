"""The variables of a payload: all layers in order, references followed (gitlab-ci-yml.md 5.1, 5.3)."""

from __future__ import annotations

import json

from pyrunner.ci.facts import JobFacts, RunnerFacts
from pyrunner.ci.layers import Layers
from pyrunner.ci.plan import PlannedJob
from pyrunner.ci.planning import environment_variables
from pyrunner.ci.predefined import job_variables
from pyrunner.ci.tree import as_text
from pyrunner.ci.variables import expanded
from pyrunner.protocol.variables import Variable


def payload_variables(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    """Return all layers in the order of the payload, references followed (5.1, 5.3)."""
    event = job.event
    layers = Layers(event, job.pipeline_name)
    environment = environment_variables(job.environment) if job.environment else []
    predefined = [*job_variables(job.instance, job.stage, job.when), *environment[:3]]
    scope = job.environment.name if job.environment else None
    below = [*layers.pipeline_layers(), *_runner_variables(facts.runner)]
    return expanded(
        [
            *_persisted(job, facts),
            *_id_tokens(job, facts),
            *predefined,
            *below,
            *job.variables.values(),
            *layers.user,
            *facts.dotenv,
            *event.secrets(scope),
            *event.pipeline_variables,
            *event.schedule_variables,
            *facts.manual_variables,
            *environment[3:],
        ]
    )


def _persisted(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    project = job.event.project
    url = project.url or f"{project.server_url}/{project.path}"
    public = {
        "CI_PIPELINE_ID": str(facts.pipeline_id),
        "CI_PIPELINE_URL": f"{url}/-/pipelines/{facts.pipeline_id}",
        "CI_JOB_ID": str(facts.job_id),
        "CI_JOB_URL": f"{url}/-/jobs/{facts.job_id}",
    }
    variables = [Variable(key, value, public=True) for key, value in public.items()]
    variables.append(Variable("CI_JOB_TOKEN", facts.token, masked=True, raw=True))
    if facts.started_at:
        variables.append(Variable("CI_JOB_STARTED_AT", facts.started_at, public=True))
    if project.registry:
        variables.append(Variable("CI_REGISTRY_USER", "gitlab-ci-token", public=True))
        variables.append(Variable("CI_REGISTRY_PASSWORD", facts.token, masked=True, raw=True))
    if facts.repo_url:
        variables.append(Variable("CI_REPOSITORY_URL", facts.repo_url, raw=True))
    return variables


def _id_tokens(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    declared = job.options.get("id_tokens") or {}
    return [
        Variable(name, facts.id_tokens[name], masked=True, raw=True)
        for name in map(as_text, declared)
        if name in facts.id_tokens
    ]


def _runner_variables(runner: RunnerFacts) -> list[Variable]:
    if not runner.id:
        return []
    pairs = {
        "CI_RUNNER_ID": str(runner.id),
        "CI_RUNNER_DESCRIPTION": runner.description,
        "CI_RUNNER_TAGS": json.dumps(list(runner.tags)),
        "CI_RUNNER_SHORT_TOKEN": runner.short_token,
    }
    return [Variable(key, value, public=True) for key, value in pairs.items()]
