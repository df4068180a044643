"""The session server: where the coordinator opens interactive terminals of jobs (runner-api.md 9.1)."""
