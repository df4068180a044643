"""One detached process per job: reads the job from its directory, drives its stages."""
