"""Values on the disk and their digests: nothing here knows a notebook, a step or a runner."""
