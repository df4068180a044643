"""The docker executor: the job in one build container, its services beside it (docker-executor.md)."""
