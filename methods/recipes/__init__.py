"""Trainings of single methods that would crowd the method's own file."""
