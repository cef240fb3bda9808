"""The Prefect flows: what deployments run. Installed as `tune_tasks.flows`.

See docs/architecture.md.
"""
