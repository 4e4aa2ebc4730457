"""nbflow in IPython: everything that knows a kernel, its namespace and its screen."""
