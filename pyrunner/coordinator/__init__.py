"""The server's half of the runner API: double of the tests, embedded server of demo and exec."""
