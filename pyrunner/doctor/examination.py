"""All checks, side by side where they do not need one another, in the order in which they are shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

from pyrunner.doctor import configuration, containers, instance, limits, programs, services, storage
from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, skipped
from pyrunner.errors import PyrunnerError

#: Seconds for all checks: a daemon or name service that hangs must not hold the report back.
PATIENCE: Final = 45.0

Check = Callable[[Context], Iterable[Result]]

#: What needs no network, by name, in the order of the report.
LOCAL: Final[tuple[tuple[str, Check], ...]] = (
    ("permissions", configuration.check_permissions),
    ("certificates", configuration.check_certificates),
    ("executor", configuration.check_executors),
    ("git", programs.check_git),
    ("shell", programs.check_shell),
    ("docker", containers.check_docker),
    ("sandbox", containers.check_sandbox),
    ("disk", storage.check_storage),
    ("limits", limits.check_descriptors),
    ("inotify", limits.check_inotify),
    ("service", services.check_service),
)
#: What of the environment may hold a password.
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
#: Shorter texts are no secrets, and would blot out half of the report.
_SHORTEST_SECRET: Final = 4


@dataclass
class _Task:
    name: str
    work: Callable[[], Iterable[Result]]
    results: list[Result] = field(default_factory=list)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name=f"doctor:{self.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for result in self.work():
                self.results.append(result)
        except (PyrunnerError, OSError) as error:
            text = f"could not be looked at: {error}"
            self.results.append(
                failed(self.name, text, "see the text; run this as root or the service's user")
            )


def examine_all(
    context: Context, patience: float = PATIENCE, checks: Sequence[tuple[str, Check]] = LOCAL
) -> list[Result]:
    """Return the results of all checks; no text of theirs holds a secret.

    :param patience: seconds for all of them together.
    :param checks: what needs no network; the way to each coordinator comes after the third.
    """
    tasks = [_Task(name, partial(check, context)) for name, check in checks]
    tasks[3:3] = [
        _Task("instance", partial(instance.check_instance, context, one))
        for one in instance.instances(context)
    ]
    for task in tasks:
        task.start()
    ends = time.monotonic() + patience
    results: list[Result] = []
    for task in tasks:
        assert task.thread is not None
        task.thread.join(max(0.0, ends - time.monotonic()))
        results += list(task.results)
        if task.thread.is_alive():
            text = f"no end within {patience:.0f} s"
            results.append(failed(task.name, text, "see what hangs: the name service, the engine, the disk"))
    return [_without(result, _secrets(context)) for result in results]


def skipped_without_config() -> list[Result]:
    """Return what is said of everything that needs a configuration where there is none."""
    return [skipped(name, "needs a configuration that can be read") for name, _ in LOCAL]


def _secrets(context: Context) -> list[str]:
    found = [one.token for one in context.config.runners]
    urls = [one.url for one in context.config.runners]
    urls += [context.host.environ.get(name, "") for name in _PROXIES]
    found += [secret for url in urls for secret in _password(url)]
    return sorted({one for one in found if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)


def _password(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url if "://" in url else f"http://{url}").password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))


def _without(result: Result, secrets: list[str]) -> Result:
    """Return the result without secrets, whoever's words they came in by."""
    text, fix = result.text, result.fix
    for secret in secrets:
        text, fix = text.replace(secret, "[MASKED]"), fix.replace(secret, "[MASKED]")
    return replace(result, text=text, fix=fix)
