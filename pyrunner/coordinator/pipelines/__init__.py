"""The pipeline service: what becomes of a pipeline's jobs, from created to finished (gitlab-ci-yml.md 6)."""
