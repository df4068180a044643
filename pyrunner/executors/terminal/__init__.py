"""One interactive terminal of a job: a small process between the session server and a shell."""
