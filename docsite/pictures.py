"""The pictures of the documentation, drawn by :mod:`docsite.svg`."""

from __future__ import annotations

from typing import Final

from docsite.svg import Picture

#: Depth, name, meaning and colour of each line of the folder tree (pyrunner/jobdir/layout.py).
_TREE: Final = (
    (0, "<root>/", "[runners.tristan] root; /data/tristan for root", "outside"),
    (1, "businesses.json", "which folder belongs to which entry", "files"),
    (1, "<business id>/", "one [[runners]] entry", "outside"),
    (2, "manager.lock", "held by the one manager that works here", "files"),
    (2, "jobs/pending/, jobs/done/", "which jobs GitLab has not, and has, acknowledged", "files"),
    (2, "cache/", "what jobs leave for later jobs", "outside"),
    (3, "projects/<host>/<project id>/", "archives of cache:, protected and unprotected apart", "job"),
    (3, "dependency_lib/", "settings and libraries that you offer to all projects", "outside"),
    (2, "run/<slot>/", "one job at a time; slots count from 1", "outside"),
    (3, "data_data.json", "the job that runs here now; redacted when it has ended", "files"),
    (3, "<host>/<group>/<project>/", "everything of one project in this slot", "outside"),
    (4, ".project", "whose folder this is", "files"),
    (4, "cache/dependency_lib/", "downloads of the project's build tools", "job"),
    (4, "branches/<branch>/", "also tags/<tag>/ and merge_requests/<number>/", "outside"),
    (5, "source/<project>/", "the checkout: CI_PROJECT_DIR", "job"),
    (5, "build/<job id>/", "the job's control directory: 0700, no job sees it", "files"),
)


def pictures() -> dict[str, str]:
    """Return name to SVG text of every picture."""
    return {
        "processes": _processes().text(),
        "job": _job().text(),
        "tree": _tree().text(),
        "walls": _walls().text(),
    }


def _processes() -> Picture:
    picture = Picture(
        820,
        300,
        "Processes: coordinator, manager, fork server, supervisor, wrapper and the job, and their files",
    )
    picture.box(20, 30, 150, 64, "outside", "coordinator", "GitLab, or our own")
    picture.box(250, 30, 170, 64, "ours", "runner manager", "polls, ships, gives orders")
    picture.box(500, 30, 140, 64, "ours", "fork server", "starts supervisors")
    picture.box(20, 200, 150, 64, "job", "the job", "shell or container")
    picture.box(250, 200, 170, 64, "ours", "wrapper", "one a stage attempt")
    picture.box(500, 200, 140, 64, "ours", "supervisor", "one a job")
    picture.box(
        680, 96, 125, 100, "files", "build/<job id>/", "journal, raw log,", "trace, orders,", "exit files"
    )
    picture.arrow([(250, 62), (172, 62)], "HTTP", (211, 54))
    picture.arrow([(420, 62), (498, 62)], "asks", (459, 54))
    picture.arrow([(570, 94), (570, 198)], "forks, detached", (570, 150))
    picture.arrow([(500, 232), (422, 232)], "forks", (461, 224))
    picture.arrow([(250, 232), (172, 232)], "starts", (211, 224))
    picture.arrow([(335, 94), (335, 125), (678, 125)], "reads and writes files only", (450, 121))
    picture.arrow([(640, 232), (742, 232), (742, 198)])
    picture.arrow([(335, 200), (335, 170), (678, 170)], "output, exit status", (440, 166))
    return picture


def _job() -> Picture:
    picture = Picture(820, 330, "The life of a job, from its request to its acknowledged result")
    top = (
        ("outside", "1 asked for", "POST jobs/request"),
        ("files", "2 on disk", "job.json, index record"),
        ("ours", "3 supervised", "lock handed over"),
        ("ours", "4 prepared", "image, services, shell"),
    )
    middle = (
        ("ours", "5 sources", "git, cache, artifacts in"),
        ("job", "6 script", "the user's own, once only"),
        ("job", "7 after_script", "the user's own, once only"),
        ("ours", "8 saved", "cache, artifacts out"),
    )
    for row, boxes in enumerate((top, middle)):
        for column, (kind, name, text) in enumerate(boxes):
            x, y = 20 + column * 200, 20 + row * 100
            picture.box(x, y, 180, 60, kind, name, text)
            if column:
                picture.arrow([(x - 20, y + 30), (x - 2, y + 30)])
    picture.arrow([(710, 80), (710, 100), (110, 100), (110, 118)])
    picture.box(
        20,
        240,
        380,
        70,
        "files",
        "raw.log → trace.log",
        "every line of output, masked and limited, all along",
    )
    picture.box(420, 240, 180, 70, "files", "9 result", "in state.json; the slot is free")
    picture.box(620, 240, 180, 70, "outside", "10 acknowledged", "raw log and scripts go")
    picture.arrow([(710, 180), (710, 208), (510, 208), (510, 238)])
    picture.arrow([(310, 180), (310, 238)])
    picture.arrow([(600, 275), (618, 275)])
    return picture


def _tree() -> Picture:
    step, indent, left = 26, 24, 24
    picture = Picture(820, step * len(_TREE) + 34, "The folders below the root")
    heads: dict[int, int] = {}
    for number, (depth, name, meaning, kind) in enumerate(_TREE):
        y = 34 + number * step
        x = left + depth * indent
        if depth:
            picture.branch(x - indent + 8, heads[depth - 1] + 6, y - 4, x - 4)
        heads[depth] = y
        picture.row(x, y, name, meaning, 390, kind)
    return picture


def _walls() -> Picture:
    picture = Picture(820, 300, "Where the user's script and git, caches and artifacts run, by executor")
    picture.note(150, 30, "shell executor")
    picture.note(560, 30, "docker executor")
    picture.box(20, 45, 260, 235, "outside", "", *[""] * 12)
    picture.box(40, 60, 220, 60, "ours", "git, cache, artifacts", "processes of this host")
    picture.box(40, 140, 220, 60, "job", "the user's script", "a process of this host")
    picture.note(150, 240, "one user: no wall between them")
    picture.box(310, 45, 490, 235, "outside", "", *[""] * 12)
    picture.box(
        330,
        60,
        220,
        76,
        "ours",
        "git, cache, artifacts",
        "sandbox (bubblewrap) on this host,",
        "or a helper container",
    )
    picture.box(560, 60, 220, 76, "job", "the user's script", "build container and services")
    picture.box(
        330,
        180,
        450,
        44,
        "files",
        "source, cache: this project's alone",
        "written by both, trusted by neither",
    )
    picture.arrow([(440, 136), (440, 178)])
    picture.arrow([(670, 136), (670, 178)])
    picture.note(555, 258, "supervisor and manager: outside, follow no path in there")
    return picture
