"""The server's half of the runner API: double in the tests, behind ``pyrunner exec``, stand-alone server."""
