"""How runs of explicit flows are brought to their end: their inputs, their futures, where they are kept."""
