"""The engine: which step is up to date, what runs, and through which states it goes.

It knows neither IPython nor disks nor widgets. `run.py` decides without doing anything, `drive.py`
performs what was decided, `transitions.py` is the table of what may follow what, `signals.py` is
what a body may raise to steer its own run, `graph.py` answers questions about order.
"""
