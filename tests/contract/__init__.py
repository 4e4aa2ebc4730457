"""Contracts: the same cases over every implementation of a seam."""
