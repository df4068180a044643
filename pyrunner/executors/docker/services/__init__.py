"""The services of a job (docker-executor.md 5)."""
