"""What stage scripts call on the job's side: caches and artifacts (job-execution.md 5.8, 7, 8).

Each command is a short-lived process, so imports are few and the heavy ones are made where they are needed.
"""
