"""What GitLab refuses in each keyword, in its own words (gitlab-ci-yml.md 3)."""
