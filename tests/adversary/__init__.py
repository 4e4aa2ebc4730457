"""Attempts to make a stale result pass for a fresh one: by code, by values, by what causes say."""
