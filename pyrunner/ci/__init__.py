"""The .gitlab-ci.yml compiler: from text to a planned pipeline, with no server and no network."""
