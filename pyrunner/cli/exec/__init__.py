"""``pyrunner exec``: the pipeline of this working copy, run here as GitLab and a runner would run it."""
