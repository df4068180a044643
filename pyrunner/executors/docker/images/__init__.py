"""The images of a job: which, whether they may be used, and how they get there (docker-executor.md 3)."""
