"""What GitLab refuses inside each keyword, in its words (gitlab-ci-yml.md 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.ci.files import Folder
from pyrunner.ci.finding import Finding
from pyrunner.ci.lint import lint
from pyrunner.ci.locations import IncludeContext

JOB = [
    ("image: 5", "jobs:j:image config should be a hash or a string"),
    ("image: {entrypoint: [a]}", "jobs:j:image name can't be blank"),
    ("image: {name: x, entrypoint: a}", "jobs:j:image entrypoint should be an array of strings"),
    ("image: {name: x, ports: [80]}", "jobs:j:image config contains disallowed keys: ports"),
    ("image: {name: x, foo: 1}", "jobs:j:image config contains unknown keys: foo"),
    ("image: {name: x, pull_policy: foo}", "jobs:j:image:pull_policy config is not included in the list"),
    (
        "image: {name: x, pull_policy: [always, foo]}",
        "jobs:j:image:pull_policy config contains unknown values: foo",
    ),
    ("services: x", "jobs:j:services config should be an array"),
    ("services: [{alias: a}]", "jobs:j:services:service name can't be blank"),
    (
        "services: [{name: x, command: a}]",
        "jobs:j:services:service command should be an array of strings",
    ),
    (
        "services: [{name: x, variables: [a]}]",
        "jobs:j:services:service:variables config should be a hash",
    ),
    ("cache: x", "jobs:j:caches config can only be a hash or an array"),
    (
        "cache: [{}, {}, {}, {}, {}]",
        "jobs:j:caches config no more than 4 caches can be created",
    ),
    ("cache: {key: a/b}", 'jobs:j:cache:key config cannot contain the "/" character'),
    ("cache: {key: a%2Fb}", 'jobs:j:cache:key config cannot contain the "/" character'),
    ("cache: {key: ..}", 'jobs:j:cache:key config cannot be "." or ".."'),
    ("cache: {key: 5}", "jobs:j:cache:key should be a hash, a string or a symbol"),
    (
        "cache: {key: {prefix: x}}",
        "jobs:j:cache:key config must use exactly one of these keys: files, files_commits",
    ),
    (
        "cache: {key: {files: [a, b, c]}}",
        "jobs:j:cache:key:files config has too many items (maximum is 2)",
    ),
    ("cache: {paths: x}", "jobs:j:cache:paths config should be an array of strings"),
    ("cache: {policy: x}", "jobs:j:cache policy should be a variable or one of: pull-push, push, pull"),
    (
        "cache: {fallback_keys: [a, b, c, d, e, f]}",
        "jobs:j:cache fallback keys has to many entries (maximum 5)",
    ),
    ("cache: {untracked: 'yes'}", "jobs:j:cache:untracked config should be a boolean value"),
    ("artifacts: x", "jobs:j:artifacts config should be a hash"),
    ("artifacts: {paths: x}", "jobs:j:artifacts paths should be an array of strings"),
    ("artifacts: {expire_in: 5}", "jobs:j:artifacts expire in should be a duration"),
    ("artifacts: {when: never}", "jobs:j:artifacts when should be one of: on_success, on_failure, always"),
    (
        "artifacts: {expose_as: x, paths: ['*']}",
        "jobs:j:artifacts paths can't contain '*' when used with 'expose_as'",
    ),
    (
        "artifacts: {public: true, access: all}",
        "jobs:j:artifacts config these keys cannot be used together: public, access",
    ),
    ("artifacts: {reports: {foo: x}}", "jobs:j:artifacts:reports config contains unknown keys: foo"),
    (
        "artifacts: {reports: {junit: 1}}",
        "jobs:j:artifacts:reports junit should be an array of strings or a string",
    ),
    (
        "artifacts: {reports: {coverage_report: {coverage_format: x, path: y}}}",
        "jobs:j:artifacts:reports:coverage_report coverage format must be one of supported formats: "
        "cobertura, jacoco.",
    ),
    (
        "environment: /x",
        "jobs:j:environment name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', "
        "and spaces, but it cannot start or end with '/'",
    ),
    ("environment: {url: x}", "jobs:j:environment name can't be blank"),
    (
        "environment: {name: x, action: foo}",
        "jobs:j:environment action should be start, stop, prepare, verify, or access",
    ),
    ("environment: {name: x, foo: 1}", "jobs:j:environment config contains unknown keys: foo"),
    (
        "environment: {name: x, deployment_tier: foo}",
        "jobs:j:environment deployment tier must be one of development, testing, staging, production, "
        "or other",
    ),
    ("environment: {name: x, auto_stop_in: soon}", "jobs:j:environment auto stop in should be a duration"),
    ("only: main", "jobs:j:only has to be either an array of conditions or a hash"),
    (
        "only: ['/a(?!b)/']",
        "jobs:j:only config should be an array of strings or regular expressions using re2 syntax",
    ),
    ("except: {foo: [x]}", "jobs:j:except config contains unknown keys: foo"),
    ("only: {variables: [x]}", "jobs:j:only variables invalid expression syntax"),
    ("only: {kubernetes: x}", "jobs:j:only kubernetes unknown value: x"),
    ("rules: []", "jobs:j:rules config can't be blank"),
    ("rules: x", "jobs:j rules should be an array containing hashes and arrays of hashes"),
    ("rules: [{foo: 1}]", "jobs:j:rules:rule config contains unknown keys: foo"),
    ("rules: [{when: foo}]", "jobs:j:rules:rule when unknown value: foo"),
    ("rules: [{allow_failure: 'x'}]", "jobs:j:rules:rule allow failure should be a boolean value"),
    ("rules: [{variables: {A: [1]}}]", "variable definition must be either a string or a hash"),
    ("rules: [{changes: {compare_to: x}}]", "jobs:j:rules:rule:changes paths can't be blank"),
    (
        "rules: [{exists: [" + ", ".join("a" for _ in range(51)) + "]}]",
        "jobs:j:rules:rule:exists config has too many entries (maximum 50)",
    ),
    ("needs: a", "jobs:j:needs config can only be a hash or an array"),
    ("needs: [{project: a/b, job: x, ref: y}]", "jobs:j:needs:need has an unsupported type"),
    ("needs: [{job: j, foo: x}]", "jobs:j:needs:need config contains unknown keys: foo"),
    ("needs: [{job: a, parallel: 3}]", 'jobs:j:needs config cannot use "parallel: <number>".'),
    ("dependencies: a", "jobs:j dependencies should be an array of strings"),
    ("retry: {max: 3}", "retry max must be less than or equal to 2"),
    ("retry: {when: foo}", "retry when is not included in the list"),
    ("retry: {when: [foo, always]}", "retry when contains unknown values: foo"),
    ("retry: {exit_codes: x}", "retry exit codes should be an array of integers or an integer"),
    ("retry: x", "retry config has to be either an integer or a hash"),
    ("timeout: 2 months", "jobs:j:timeout config should not exceed the limit"),
    (
        "tags: [" + ", ".join(f"t{n}" for n in range(50)) + "]",
        "jobs:j:tags config must be less than the limit of 50 tags",
    ),
    ("interruptible: 'yes'", "jobs:j:interruptible config should be a boolean value"),
    ("allow_failure: x", "jobs:j allow failure should be a hash or a boolean value"),
    (
        "allow_failure: {exit_codes: x}",
        "jobs:j:allow_failure exit codes should be an array of integers or an integer",
    ),
    ("resource_group: 5", "jobs:j resource group should be a string"),
    ("coverage: x", "jobs:j:coverage config must be a regular expression with re2 syntax"),
    ("when: never", "jobs:j when should be one of: on_success, on_failure, always, manual, delayed"),
    ("when: delayed, start_in: 2 weeks", "jobs:j start in should not exceed the limit"),
    ("start_in: 1 h", "jobs:j start in must be blank"),
    ("hooks: {foo: x}", "jobs:j:hooks config contains unknown keys: foo"),
    ("id_tokens: {A: {}}", "jobs:j:id_tokens:a config missing required keys: aud"),
    ("inherit: {default: [foo]}", "jobs:j:inherit:default config contains unknown values: foo"),
    ("release: {tag_name: x}", "jobs:j:release description can't be blank"),
    ("publish: x", "jobs:j publish can only be used within a `pages` job"),
    ("pages: x", "jobs:j:pages config should be a hash or a boolean value"),
    ("variables: [a]", "jobs:j:variables config should be a hash"),
    ("parallel: 0", "jobs:j:parallel config must be greater than or equal to 1"),
    ("parallel: 201", "jobs:j:parallel config must be less than or equal to 200"),
    ("parallel: x", "jobs:j:parallel should be an integer or a hash"),
    ("inputs: {a: {}}", "jobs:j:inputs:a must have a default value"),
    ("stage: 5", "jobs:j:stage config should be a string"),
    ("run: [{name: x, script: y}]", "jobs:j config these keys cannot be used together: script, run"),
    ("skript: x", "jobs:j config contains unknown keys: skript"),
]

FILES = [
    ("default: {rules: []}\nj: {script: s}", "default config contains unknown keys: rules"),
    (
        "image: a\ndefault: {image: b}\nj: {script: s}",
        "image is defined in top-level and `default:` entry",
    ),
    ("services: x\nj: {script: s}", "services config should be an array"),
    (
        "stages: [[1]]\nj: {script: s}",
        "stages config should be an array of strings or a nested array of strings up to 10 levels deep",
    ),
    ("workflow: {rules: []}\nj: {script: s}", "workflow:rules config can't be blank"),
    (
        "workflow: {auto_cancel: {on_new_commit: x}}\nj: {script: s}",
        "workflow:auto_cancel on new commit must be one of: conservative, interruptible, none",
    ),
    ("variables: [a]\nj: {script: s}", "variables config should be a hash"),
    ("j: {script: }", "jobs:j script can't be blank"),
    (".h:\nj: {script: s}", "jobs:.h config can't be blank"),
    ("foo: 5\nj: {script: s}", "jobs foo config should implement the script:, run:, or trigger: keyword"),
    ("j: {trigger: 5}", "jobs:j:trigger has to be either a string or a hash"),
    ("j: {trigger: {branch: x}}", "jobs:j:trigger project can't be blank"),
    (
        "j: {trigger: {include: [a.yml, b.yml, c.yml, d.yml]}}",
        "jobs:j:trigger:include config is too long (maximum is 3)",
    ),
    ("j: {trigger: {include: a.yml, project: g/p}}", "jobs:j:trigger config contains unknown keys: project"),
    (
        "j: {trigger: {include: [{artifact: g.yml}]}}",
        "jobs:j:trigger:include:include config must specify the job where to fetch the artifact from",
    ),
    ("j: {trigger: g/p, image: x}", "jobs:j config contains unknown keys: image"),
    (
        "j: {trigger: g/p, when: delayed}",
        "jobs:j when should be one of: on_success, on_failure, always, manual",
    ),
    ("j: {trigger: g/p, allow_failure: {exit_codes: 1}}", "jobs:j allow failure should be a boolean value"),
]


def linted(text: str) -> list[Finding]:
    """Return the findings about a text without any other file."""
    return lint(text, "f.yml", IncludeContext(Folder(Path("/nonexistent")), None, {}))


@pytest.mark.parametrize(("keyword", "message"), JOB, ids=[one[0][:40] for one in JOB])
def test_job_keywords(keyword: str, message: str) -> None:
    """A keyword's mistake is told first, at its own line."""
    lines = f"j:\n  script: s\n  {keyword}\n"
    if ", start_in" in keyword:
        lines = lines.replace(", start_in", "\n  start_in")
    found = linted(lines)
    assert found[0].message == message
    assert found[0].position.line >= 2


@pytest.mark.parametrize(("text", "message"), FILES, ids=[one[0][:40] for one in FILES])
def test_whole_files(text: str, message: str) -> None:
    """A mistake of the global keywords or of a trigger job is told."""
    assert message in [one.message for one in linted(text)]


def test_what_is_right_gives_no_finding() -> None:
    """Each keyword in every form that GitLab takes."""
    text = """
default: {hooks: {pre_get_sources_script: [a]}, retry: {max: 1, when: always}, artifacts: {expire_in: never}}
variables:
  {A: 1, B: {value: x, description: d, options: [x, y]}, C: {value: a, expand: false}, D: 1.5, E: true}
workflow: {name: x, auto_cancel: {on_job_failure: all}, rules: [{if: $A, auto_cancel: {on_new_commit: none}}]}
a:
  script: s
  image: {name: x, entrypoint: [""], pull_policy: [always, never], docker: {platform: y, user: 1}}
  services: [x, {name: y, alias: 'a,b', command: [c], variables: {A: b}, kubernetes: {user: 1}}]
  cache: [{key: $X, policy: $P, when: always}, {key: {files_commits: [a], prefix: b}, unprotect: true}]
  artifacts: {name: x, untracked: true, exclude: [a], access: none, reports: {dotenv: a, junit: [b]}}
  environment: {name: "a/$B", url: "http://${X}", auto_stop_in: $D, kubernetes: {namespace: x}}
  rules:
    - {if: $A, changes: [x], exists: y, when: delayed, start_in: 1 day, variables: {A: b}, needs: [b]}
    - [{exists: {paths: [a], project: g/p, ref: x}, allow_failure: true, interruptible: true}]
  release: {tag_name: a, description: b, milestones: [m], assets: {links: [{name: a, url: b, link_type: c}]}}
  coverage: '/\\d+/'
  id_tokens: {T: {aud: [a, b]}}
  inherit: {default: [image], variables: false}
  manual_confirmation: Sure?
  inputs: {i: {default: 1, type: number}}
b: {stage: build, run: [{name: x, script: y}], parallel: 2, retry: {max: 2, exit_codes: [1]}}
c: {script: s, only: {refs: [/^a/i, main@g/p], changes: [x], kubernetes: active}, except: [tags]}
d:
  trigger: {project: g/p, branch: x, forward: {yaml_variables: false}, inputs: {a: b}}
  parallel: {matrix: [{A: b}]}
e: {needs: [{pipeline: g/p}], stage: deploy}
"""
    assert linted(text) == []


def test_paid_keywords_are_warned_of() -> None:
    """Secrets and identity are accepted, and said to have no effect."""
    found = linted("j: {script: s, identity: x, secrets: {A: {vault: {path: x}}}}")
    assert [one.message for one in found] == [
        "jobs:j: secrets is a paid feature and has no effect here",
        "jobs:j: identity is a paid feature and has no effect here",
    ]
    assert all(one.warning for one in found)


def test_hints_name_the_key_that_was_meant() -> None:
    """A key that is nearly one gets its spelling."""
    assert linted("j: {script: s, befor_script: x}")[0].hint == "did you mean before_script?"


def test_errors_come_before_warnings() -> None:
    """The first finding is the one GitLab shows."""
    found = linted("a: {script: s, rules: [{when: always}], secrets: {}}\nb: {script: s, foo: 1}")
    assert [one.warning for one in found] == [False, True]
