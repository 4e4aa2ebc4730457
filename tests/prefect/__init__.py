"""The same snippets on Prefect 3 and on nbflow."""
