"""pyrunner: a drop-in replacement for gitlab-runner that loses no job."""

__version__ = "0.1.0"

#: The gitlab-runner release whose behaviour is reproduced and which is reported to the coordinator.
COMPATIBLE_VERSION = "19.4.0"
