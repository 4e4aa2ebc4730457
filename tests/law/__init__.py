"""The law of the project: random notebooks under random actions are never called fresh wrongly."""
