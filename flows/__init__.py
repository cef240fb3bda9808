"""The Prefect flows: what deployments run. Installed as `tune_tasks.flows`; see docs/architecture.md."""
