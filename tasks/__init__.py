"""One module a stage: the Prefect task, its retries, its checkpoint, its contract check."""
